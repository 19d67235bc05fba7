import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import OpenAI from 'openai'
import type { ReplyContext } from '../codec.ts'
import type { IrBlock, Mint } from '../ir/block.ts'
import type { IrEvent } from '../ir/event.ts'
import type { IrReply } from '../ir/reply.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { responsesCodec } from './codec.ts'
import { contextOf, framesOf, read, STOPPED, write, writeReply } from './test-wire.ts'

const INCLUDE = { include: ['reasoning.encrypted_content'] }
const OWN: Mint = { protocol: 'openai-responses', account: null }
const BLOCKS: readonly IrBlock[] = [
  { type: 'thinking', text: 'Hm.', signature: 'sig', mint: null },
  { type: 'text', text: 'Hello' },
  { type: 'text', text: ' you' },
  { type: 'tool-call', id: 'c1', name: 'run', kind: 'function', input: '{"a":1}' },
  { type: 'tool-call', id: 'c2', name: 'exec', kind: 'custom', input: 'let a' },
  { type: 'text', text: 'No.', isRefusal: true },
]

function reply(blocks: readonly IrBlock[], more: Partial<IrReply> = {}): IrReply {
  return { id: null, model: null, blocks, finish: STOPPED.finish, usage: STOPPED.usage, ...more }
}

const frames = (blocks: readonly IrBlock[], context: ReplyContext = contextOf()) =>
  framesOf(writeReply(reply(blocks), context))
const output = (blocks: readonly IrBlock[], context: ReplyContext = contextOf()) =>
  asArray(responseOf(frames(blocks, context).at(-1)?.data).output) as WireObject[]
const responseOf = (data: WireObject | undefined): WireObject => asObject(data?.response) ?? {}

describe('encoding a Responses stream', () => {
  it('sends every event of the vendor, in its order, numbered from zero', () => {
    const text = writeReply(reply(BLOCKS), contextOf())
    const events = framesOf(text)
    assert.deepEqual(
      events.map(({ name }) => name.replace('response.', '')),
      [
        ...['created', 'in_progress'],
        ...['output_item.added', 'reasoning_summary_part.added', 'reasoning_summary_text.delta'],
        ...['reasoning_summary_text.done', 'reasoning_summary_part.done', 'output_item.done'],
        ...['output_item.added', 'content_part.added', 'output_text.delta', 'output_text.done', 'content_part.done'],
        ...['content_part.added', 'output_text.delta', 'output_text.done', 'content_part.done', 'output_item.done'],
        ...['output_item.added', 'function_call_arguments.delta', 'function_call_arguments.done', 'output_item.done'],
        ...['output_item.added', 'custom_tool_call_input.delta', 'custom_tool_call_input.done', 'output_item.done'],
        ...['output_item.added', 'content_part.added', 'refusal.delta', 'refusal.done', 'content_part.done'],
        ...['output_item.done', 'completed'],
      ],
    )
    for (const [i, { name, data }] of events.entries()) assert.deepEqual([data.type, data.sequence_number], [name, i])
  })

  it('ends with a response that holds every item as it was done', () => {
    const events = frames(BLOCKS)
    const items = events.filter(({ name }) => name === 'response.output_item.done').map(({ data }) => data.item)
    const response = responseOf(events.at(-1)?.data)
    assert.deepEqual(response.output, items)
    assert.deepEqual(
      items.map((item) => /^[a-z]+_/.exec(String(asObject(item)?.id))?.[0]),
      ['rs_', 'msg_', 'fc_', 'ctc_', 'msg_'],
    )
    assert.equal(response.id, 'resp_req_1')
    assert.deepEqual(response.usage, {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 3, cache_write_tokens: 2 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 17,
    })
  })

  it('repeats the settings of the request', () => {
    const tools = [{ type: 'function', name: 'run', parameters: { type: 'object' } }, { type: 'web_search' }]
    const format = { type: 'json_schema', name: 'x', schema: {} }
    const body = {
      instructions: 'Be brief.',
      input: [{ role: 'developer', content: 'Not an instruction.' }],
      tools,
      tool_choice: 'required',
      temperature: 0.5,
      max_output_tokens: 99,
      parallel_tool_calls: false,
      reasoning: { effort: 'low', summary: 'auto' },
      text: { format, verbosity: 'low' },
      metadata: { a: 'b' },
      store: true,
      truncation: 'auto',
    }
    for (const { data } of framesOf(writeReply(reply([]), contextOf(body)))) {
      const response = responseOf(data)
      const { input: _input, tools: _tools, text: _text, store: _store, ...same } = body
      for (const [name, value] of Object.entries(same)) assert.deepEqual(response[name], value, name)
      assert.deepEqual(response.tools, [{ ...tools[0], description: null, strict: true }, tools[1]])
      assert.deepEqual(response.text, { format: { ...format, description: null, strict: false }, verbosity: 'low' })
      assert.equal(response.store, false, 'nothing is kept')
    }
  })

  it('ends incomplete when the cap was met or the answer was filtered', () => {
    const ended = (finish: 'length' | 'content_filter', blocks: readonly IrBlock[]) => {
      const end = { finish, raw: null, stopSequence: null }
      const { name, data } = framesOf(writeReply(reply(blocks, { finish: end }), contextOf())).at(-1) ?? { name: '' }
      return [name, asObject(responseOf(data).incomplete_details)?.reason]
    }
    assert.deepEqual(ended('length', BLOCKS.slice(1, 2)), ['response.incomplete', 'max_output_tokens'])
    assert.deepEqual(ended('content_filter', []), ['response.incomplete', 'content_filter'])
    assert.deepEqual(ended('content_filter', BLOCKS.slice(-1)), ['response.completed', undefined])
  })

  it('seals what was signed when the client asks for it, and gives it to nobody else', () => {
    const thoughts: readonly IrBlock[] = [
      { type: 'thinking', text: 'Hm.', signature: 'sig', mint: null },
      { type: 'thinking', text: '', signature: 'sig', mint: null },
      { type: 'thinking', text: 'Hm.', signature: null, mint: null },
      { type: 'redacted-thinking', data: 'data', mint: null },
    ]
    const encrypted = (context: ReplyContext) => output(thoughts, context).map((item) => item.encrypted_content)
    assert.deepEqual(encrypted(contextOf(INCLUDE)), [
      'zendo.cacc1.s.sig',
      'zendo.cacc1.s.sig',
      'zendo.cacc1.s.',
      'zendo.cacc1.r.data',
    ])
    assert.deepEqual(encrypted(contextOf()), [undefined, undefined])
    assert.deepEqual(encrypted(contextOf(INCLUDE, { mint: OWN })), ['sig', 'sig', undefined, 'data'])
  })

  it('names tools as the client did, and gives custom tools their free text back', () => {
    const request = {
      tools: [
        { type: 'custom', name: 'patch' },
        { type: 'namespace', name: 'fs', description: '', tools: [{ type: 'function', name: 'read' }] },
      ],
    }
    const call = (name: string, input: string): IrBlock => ({
      type: 'tool-call',
      id: name,
      name,
      kind: 'function',
      input,
    })
    const blocks = [call('patch', '{"input":"*** x"}'), call('fs__read', '{}'), call('other', '')]
    const events = frames(blocks, contextOf(request))
    const deltas = events.filter(({ name }) => name.endsWith('.delta')).map(({ name, data }) => [name, data.delta])
    assert.deepEqual(deltas, [
      ['response.custom_tool_call_input.delta', '*** x'],
      ['response.function_call_arguments.delta', '{}'],
      ['response.function_call_arguments.delta', '{}'],
    ])
    const calls = output(blocks, contextOf(request)).map(({ type, name, namespace, input, arguments: args }) => [
      type,
      namespace,
      name,
      input ?? args,
    ])
    assert.deepEqual(calls, [
      ['custom_tool_call', undefined, 'patch', '*** x'],
      ['function_call', 'fs', 'read', '{}'],
      ['function_call', undefined, 'other', '{}'],
    ])
  })

  it('puts blocks that overlap one after the other', () => {
    const start = (block: number): IrEvent => ({
      type: 'tool-call-start',
      block,
      id: `c${block}`,
      name: 'f',
      kind: 'function',
    })
    const delta = (block: number, text: string): IrEvent => ({ type: 'tool-call-delta', block, text })
    const end = (block: number): IrEvent => ({ type: 'tool-call-end', block })
    const events = [
      start(0),
      start(1),
      delta(1, '{"b'),
      delta(0, '{"a'),
      delta(1, '":1}'),
      end(1),
      delta(0, '":1}'),
      end(0),
    ]
    const written = framesOf(write(responsesCodec.createStreamEncoder(contextOf()), events))
    const indexes = written.flatMap(({ data }) => (typeof data.output_index === 'number' ? [data.output_index] : []))
    assert.deepEqual(indexes, [...indexes].sort())
    const inputs = read(written).blocks.map((block) => block.type === 'tool-call' && block.input)
    assert.deepEqual(inputs, ['{"a":1}', '{"b":1}'])
  })

  it('gives no two calls one id', () => {
    const call: IrBlock = { type: 'tool-call', id: 'c1', name: 'f', kind: 'function', input: '{}' }
    const ids = output([call, call]).map((item) => item.call_id)
    assert.equal(new Set(ids).size, 2)
  })

  it('writes citations of every vendor that have an address, and pictures', () => {
    const citations = [
      { protocol: 'anthropic-messages', url: 'https://a.example', raw: {} },
      { protocol: 'anthropic-messages', title: 'No address', raw: {} },
      {
        protocol: 'openai-responses',
        url: 'https://b.example',
        raw: { type: 'url_citation', url: 'https://b.example' },
      },
    ] as const
    const image: IrBlock = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' } }
    const [message, picture] = output([{ type: 'text', text: 'Hello', citations }, image])
    const place = { type: 'url_citation', start_index: 0, end_index: 5 }
    assert.deepEqual(asObject(asArray(message?.content)[0])?.annotations, [
      { ...place, url: 'https://a.example', title: 'https://a.example' },
      { ...place, url: 'https://b.example', title: 'https://b.example' },
    ])
    assert.deepEqual([picture?.type, picture?.result, picture?.output_format], ['image_generation_call', 'AA', 'png'])
  })

  it('says where the next event stands', () => {
    const encoder = responsesCodec.createStreamEncoder(contextOf())
    assert.deepEqual(encoder.position(), { sequence: 0, replyId: null })
    encoder.encode({ type: 'reply-start', id: 'x', model: 'y' })
    assert.deepEqual(encoder.position(), { sequence: 2, replyId: 'resp_req_1' })
  })

  it('amounts to the same as a whole reply', () => {
    const withCost = { ...reply(BLOCKS), cost: '0.25' }
    const whole = responsesCodec.encodeReply(withCost, contextOf(INCLUDE))
    const { usage, ...streamed } = responseOf(framesOf(writeReply(reply(BLOCKS), contextOf(INCLUDE))).at(-1)?.data)
    assert.deepEqual({ ...whole, usage: null }, { ...streamed, usage: null })
    assert.deepEqual(whole.usage, { ...asObject(usage), cost: '0.25' })
  })
})

const text = fc.string({ minLength: 1, maxLength: 20 })
const name = fc.stringMatching(/^[a-z]{1,8}$/)
const block = fc
  .oneof(
    fc.record({ type: fc.constant('text'), text }),
    fc.record({ type: fc.constant('text'), text, isRefusal: fc.constant(true) }),
    fc.record({ type: fc.constant('thinking'), text, signature: fc.option(text), mint: fc.constant(null) }),
    fc.record({ type: fc.constant('tool-call'), id: fc.uuid(), name, kind: fc.constant('function'), input: text }),
    fc.record({ type: fc.constant('tool-call'), id: fc.uuid(), name, kind: fc.constant('custom'), input: text }),
  )
  .map((value) => ({ ...value }) as IrBlock)

/** The reply as the official SDK's helper puts it together from a stream. */
async function readBySdk(stream: string) {
  const fetch = async () => new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
  const client = new OpenAI({ apiKey: 'key', maxRetries: 0, fetch })
  return client.responses.stream({ model: 'm', input: 'Hi' }).finalResponse()
}

describe('a stream that was encoded', () => {
  it('is read back as it was', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), (blocks) => {
        const context = contextOf(INCLUDE, { mint: OWN })
        const { blocks: again, usage } = read(frames(blocks, context))
        assert.deepEqual(again, blocks)
        assert.deepEqual(usage && usage.cacheWrite5m + usage.cacheWrite1h, 2)
        assert.deepEqual(
          responsesCodec.decodeReply(responsesCodec.encodeReply({ ...reply(blocks), cost: null }, context)).blocks,
          blocks,
        )
      }),
    )
  })

  it('is read by the official SDK', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(block, { maxLength: 6 }), async (blocks) => {
        const stream = writeReply(reply(blocks), contextOf(INCLUDE))
        const response = await readBySdk(stream)
        const texts = blocks.flatMap((each) => (each.type === 'text' && !each.isRefusal ? [each.text] : []))
        assert.equal(response.output_text, texts.join(''))
        const items = JSON.stringify(response.output, (key, value) => (key.startsWith('parsed') ? undefined : value))
        assert.deepEqual(JSON.parse(items), responseOf(framesOf(stream).at(-1)?.data).output)
      }),
      { numRuns: 50 },
    )
  })
})

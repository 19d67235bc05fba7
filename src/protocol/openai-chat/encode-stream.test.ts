import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import type { IrBlock } from '../ir/block.ts'
import type { IrReply } from '../ir/reply.ts'
import type { IrTool } from '../ir/request.ts'
import { openSeal, seal } from '../translation/seal.ts'
import type { WireObject } from '../wire-value.ts'
import { chatCodec } from './codec.ts'
import { ACCOUNT, chunksOf, collect, decode, encode, eventsOf, foreign, replyContext, streamOf } from './test-chat.ts'

const USAGE = { input: 10, cachedRead: 20, cacheWrite5m: 3, cacheWrite1h: 4, output: 7, reasoning: 2 }
const STOP = { finish: 'stop', raw: 'end_turn', stopSequence: null } as const
const reply = (blocks: readonly IrBlock[], members: Partial<IrReply> = {}): IrReply => ({
  id: 'msg_1',
  model: 'up',
  blocks,
  finish: STOP,
  usage: USAGE,
  ...members,
})
const call = (id: string, name: string, input: string): IrBlock => ({
  type: 'tool-call',
  id,
  name,
  kind: 'function',
  input,
})
const think = (text: string, signature: string | null = null): IrBlock => ({
  type: 'thinking',
  text,
  signature,
  mint: null,
})
const text = (value: string): IrBlock => ({ type: 'text', text: value })
const OWN = { protocol: 'openai-chat', account: ACCOUNT } as const
const GOOGLE = { protocol: 'google-generate', account: 'g1' } as const

describe('encoding a chat stream', () => {
  it('is what OpenAI sends: one id, role first, one delta a piece, finish, usage, [DONE]', () => {
    const chunks = chunksOf(streamOf(reply([think('Hm'), text('Yes.'), call('c1', 'f', '{}')]), replyContext()))
    const head = { id: 'chatcmpl-req_1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'glm-5' }
    const of = (delta: object, finish_reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, finish_reason }],
    })
    assert.deepEqual(chunks, [
      of({ role: 'assistant', content: '' }),
      of({ reasoning_content: 'Hm' }),
      of({ content: 'Yes.' }),
      of({ tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '' } }] }),
      of({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }),
      of({}, 'stop'),
      {
        ...head,
        choices: [],
        usage: {
          prompt_tokens: 37,
          completion_tokens: 7,
          total_tokens: 44,
          prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 7 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      },
    ])
  })

  it('sends usage only to who asked for it or for the cost', () => {
    const hasUsage = (includeUsage: boolean, cost: string | null) => {
      const chunks = chunksOf(streamOf(reply([text('a')]), replyContext({ includeUsage }), cost))
      return (chunks.at(-1)?.usage as WireObject | undefined)?.cost ?? 'usage' in (chunks.at(-1) ?? {})
    }
    assert.equal(hasUsage(false, null), false)
    assert.equal(hasUsage(true, null), true)
    assert.equal(hasUsage(false, '0.000012'), '0.000012')
  })

  it('starts even when the reply is empty, and says whether it has', () => {
    const encoder = chatCodec.createStreamEncoder(replyContext())
    assert.deepEqual(encoder.position(), { sequence: 0, replyId: null })
    const chunks = chunksOf(encoder.finish({ finish: STOP, usage: null, cost: null }))
    assert.deepEqual(
      chunks.map(({ choices }) => (choices as WireObject[])[0]?.finish_reason),
      [null, 'stop'],
    )
    assert.deepEqual(encoder.position(), { sequence: 0, replyId: 'chatcmpl-req_1' })
  })

  it('shows refusals and citations in their own places', () => {
    const cited: IrBlock = {
      type: 'text',
      text: 'Yes.',
      citations: [
        { protocol: 'anthropic-messages', url: 'https://a.example', title: 'A', text: 'said', raw: {} },
        { protocol: 'anthropic-messages', raw: { type: 'char_location' } },
      ],
    }
    const refused: IrBlock = { type: 'text', text: 'No.', isRefusal: true }
    const body = JSON.stringify(chunksOf(streamOf(reply([text('So: '), cited, refused]), replyContext())))
    const annotation = {
      type: 'url_citation',
      url_citation: { url: 'https://a.example', title: 'A', start_index: 4, end_index: 8, content: 'said' },
    }
    assert.ok(body.includes(JSON.stringify({ annotations: [annotation] })))
    assert.equal(body.split('annotations').length, 2)
    assert.ok(body.includes('{"refusal":"No."}'))
    const whole = chatCodec.encodeReply({ ...reply([text('So: '), cited, refused]), cost: null }, replyContext())
    assert.deepEqual((whole.choices as WireObject[])[0]?.message, {
      role: 'assistant',
      content: 'So: Yes.',
      refusal: 'No.',
      annotations: [annotation],
    })
  })

  it('ends a refusal with stop, whose text says the rest, and what was filtered as filtered', () => {
    const filtered = { finish: { finish: 'content_filter', raw: null, stopSequence: null } } as const
    const endOf = (block: IrBlock) => {
      const declined = reply([block], filtered)
      const streamed = chunksOf(streamOf(declined, replyContext())).map(({ choices }) => choices as WireObject[])
      const whole = chatCodec.encodeReply({ ...declined, cost: null }, replyContext()).choices as WireObject[]
      return [streamed.findLast((choices) => choices[0])?.[0]?.finish_reason, whole[0]?.finish_reason]
    }
    assert.deepEqual(endOf({ type: 'text', text: 'No.', isRefusal: true }), ['stop', 'stop'])
    assert.deepEqual(endOf(text('No')), ['content_filter', 'content_filter'])
  })

  it('gives the free text of a custom tool that the upstream took for a function', () => {
    const tools: IrTool[] = [{ type: 'custom', name: 'patch' }]
    const context = replyContext({ request: foreign({ source: 'openai-chat', tools }) })
    const patched = reply([call('c1', 'patch', JSON.stringify({ input: 'a "b"\nc' }))])
    const custom = { type: 'tool-call', id: 'c1', name: 'patch', kind: 'custom', input: 'a "b"\nc' } as const
    assert.deepEqual(collect(eventsOf(...chunksOf(streamOf(patched, context)))).blocks, [custom])
    assert.deepEqual(chatCodec.decodeReply(chatCodec.encodeReply({ ...patched, cost: null }, context)).blocks, [custom])
  })

  it('answers clients of the deprecated functions as they expect', () => {
    const request = decode({ messages: [{ role: 'user', content: 'x' }], functions: [{ name: 'f' }] })
    const called = reply([call('c1', 'f', '{"a":1}'), call('c2', 'f', '{}')], {
      finish: { finish: 'tool_calls', raw: null, stopSequence: null },
    })
    const chunks = chunksOf(streamOf(called, replyContext({ request, includeUsage: false })))
    const choices = chunks.map(({ choices }) => (choices as WireObject[])[0] as WireObject)
    assert.deepEqual(
      choices.slice(1).map(({ delta }) => delta),
      [{ function_call: { name: 'f', arguments: '' } }, { function_call: { arguments: '{"a":1}' } }, {}],
    )
    assert.equal(choices.at(-1)?.finish_reason, 'function_call')
  })

  it('is read back as it was, streamed or whole, by the codec itself', () => {
    const short = fc.string({ minLength: 1, maxLength: 12 })
    const input = fc.oneof(
      fc.constant('{}'),
      fc.dictionary(short, short, { maxKeys: 3 }).map((value) => JSON.stringify(value)),
    )
    const replies = fc.record({
      thoughts: fc.array(fc.tuple(short, short), { maxLength: 3 }),
      said: fc.option(short),
      calls: fc.array(fc.tuple(short, input), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(replies, ({ thoughts, said, calls }) => {
        const blocks: IrBlock[] = [
          ...thoughts.map(([thought, signature]) => think(thought, signature)),
          ...(said === null ? [] : [text(said)]),
          ...calls.map(([name, value], i) => call(`c${i}`, name, value)),
        ]
        const finish = calls.length > 0 ? 'tool_calls' : 'stop'
        const given = reply(blocks, { finish: { finish, raw: finish, stopSequence: null } })
        const context = replyContext({ mint: OWN })
        const expected = {
          ...given,
          id: 'chatcmpl-req_1',
          model: 'glm-5',
          usage: { ...USAGE, cacheWrite5m: 7, cacheWrite1h: 0 },
        }
        assert.deepEqual(collect(eventsOf(...chunksOf(streamOf(given, context)))), expected)
        assert.deepEqual(chatCodec.decodeReply(chatCodec.encodeReply({ ...given, cost: null }, context)), expected)
      }),
    )
  })

  it("is read by OpenAI's own client", async () => {
    const blocks = [think('Hm', 'sig'), text('Yes.'), call('c1', 'f', '{"a":1}'), call('c2', 'g', '{}')]
    const lines = chunksOf(streamOf(reply(blocks), replyContext())).map((chunk) => `${JSON.stringify(chunk)}\n`)
    const body = new ReadableStream({
      start(controller) {
        for (const line of lines) controller.enqueue(new TextEncoder().encode(line))
        controller.close()
      },
    })
    const completion = await ChatCompletionStream.fromReadableStream(body).finalChatCompletion()
    const message = completion.choices[0]?.message
    assert.equal(message?.content, 'Yes.')
    assert.deepEqual(
      message?.tool_calls?.map((call) =>
        call.type === 'function' ? [call.id, call.function.name, call.function.arguments] : null,
      ),
      [
        ['c1', 'f', '{"a":1}'],
        ['c2', 'g', '{}'],
      ],
    )
    assert.equal(completion.usage?.prompt_tokens, 37)
  })
})

/** The assistant message that a client makes of a reply and sends back. */
function sentBack(
  blocks: readonly IrBlock[],
  mint: typeof GOOGLE | { protocol: 'anthropic-messages'; account: string },
): readonly IrBlock[] {
  const body = chatCodec.encodeReply({ ...reply(blocks), cost: null }, replyContext({ mint }))
  const { message } = (body.choices as { message: WireObject }[])[0] as { message: WireObject }
  const streamed = collect(eventsOf(...chunksOf(streamOf(reply(blocks), replyContext({ mint })))))
  assert.equal(
    streamed.blocks.filter(({ type }) => type === 'tool-call').length,
    blocks.filter(({ type }) => type === 'tool-call').length,
  )
  return decode({ messages: [{ role: 'user', content: 'x' }, message] }).messages[1]?.blocks ?? []
}

describe('thoughts that a chat client brings back', () => {
  const MINT = { protocol: 'anthropic-messages', account: ACCOUNT } as const
  const minted = (blocks: readonly IrBlock[], mint: object) =>
    blocks.map((block) =>
      block.type === 'thinking' || block.type === 'redacted-thinking' ? { ...block, mint } : block,
    )

  it('are those of the reply: texts, signatures, redacted ones', () => {
    const turns: readonly IrBlock[][] = [
      [think('Hm', 's1'), text('Yes.'), call('c1', 'f', '{}')],
      [think('', 's1'), text('Yes.')],
      [think('Hm', 's1'), think('So', 's2'), call('c1', 'f', '{}')],
      [think('Hm', 's1'), think('', 's2'), think('So', 's3')],
      [{ type: 'redacted-thinking', data: 'zzz', mint: null }, think('Hm', 's1'), call('c1', 'f', '{}')],
    ]
    for (const blocks of turns) assert.deepEqual(sentBack(blocks, MINT), minted(blocks, MINT))
  })

  it('stand on the call that Google signed, once', () => {
    const turns: readonly IrBlock[][] = [
      [think('Hm', 's1'), call('c1', 'f', '{}'), call('c2', 'g', '{}')],
      [think('', 's1'), call('c1', 'f', '{}'), think('', 's2'), call('c2', 'g', '{}')],
      [text('Yes.'), think('', 's1'), call('c1', 'f', '{}')],
    ]
    for (const blocks of turns) assert.deepEqual(sentBack(blocks, GOOGLE), minted(blocks, GOOGLE))
  })

  it('are sent to nobody but the account that made them', () => {
    const signature = seal(
      { protocol: 'openai-chat', account: ACCOUNT },
      'signature',
      '{"format":"v1","signature":"sig"}',
    )
    const message = {
      role: 'assistant',
      content: 'Yes.',
      reasoning_content: 'Hm',
      reasoning_details: [{ type: 'reasoning.text', text: '', signature, index: 0 }],
    }
    const request = decode({ messages: [{ role: 'user', content: 'x' }, message] })
    const own = encode(request, { reasoningField: 'reasoning_details' })
    assert.deepEqual((own.body.messages as WireObject[])[1]?.reasoning_details, [
      { type: 'reasoning.text', text: 'Hm', format: 'v1', signature: 'sig' },
    ])
    assert.deepEqual(own.warnings, [])
    const other = chatCodec.encodeRequest(request, {
      model: 'm',
      account: 'other',
      quirks: {},
      maxOutput: 1,
      originateCacheMarks: false,
    })
    assert.deepEqual((other.body.messages as WireObject[])[1], { role: 'assistant', content: 'Yes.' })
    assert.deepEqual(other.warnings, [
      { action: 'dropped', field: 'messages[1]', detail: 'reasoning of another model' },
    ])
  })

  it('carry a seal that names who made them', () => {
    const chunks = chunksOf(streamOf(reply([think('Hm', 's1')]), replyContext({ mint: MINT })))
    const entries = chunks.flatMap(({ choices }) => {
      const [choice] = choices as { delta?: { reasoning_details?: { signature: string }[] } }[]
      return choice?.delta?.reasoning_details ?? []
    })
    assert.deepEqual(
      entries.map(({ signature }) => openSeal(signature)),
      [{ mint: MINT, kind: 'signature', payload: 's1' }],
    )
  })
})

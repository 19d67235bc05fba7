import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MessageStream } from '@anthropic-ai/sdk/lib/MessageStream'
import fc from 'fast-check'
import { PLAIN_END, type ReplyContext } from '../codec.ts'
import type { IrBlock, Mint } from '../ir/block.ts'
import type { IrEvent, IrFinish } from '../ir/event.ts'
import { createReplyCollector, type IrReply, replyToEvents } from '../ir/reply.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { messagesCodec } from './codec.ts'
import { requestOf } from './test-request.ts'

const OWN: Mint = { protocol: 'anthropic-messages', account: 'acc' }
const CHAT: Mint = { protocol: 'openai-chat', account: '7x' }

function contextOf(mint: Mint): ReplyContext {
  return {
    request: requestOf({ source: 'anthropic-messages' }),
    model: 'claude',
    requestId: 'r1',
    createdAtMs: 0,
    newId: (prefix) => `${prefix}1`,
    mint,
    includeUsage: true,
  }
}

const USAGE = { input: 9, cachedRead: 4, cacheWrite5m: 2, cacheWrite1h: 1, output: 7, reasoning: 3 }

function write(events: readonly IrEvent[], mint: Mint, finish: IrFinish = PLAIN_END, cost: string | null = null) {
  const encoder = messagesCodec.createStreamEncoder(contextOf(mint))
  const text = events.map((event) => encoder.encode(event)).join('') + encoder.finish({ finish, usage: USAGE, cost })
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(frame) ?? []
      const value = JSON.parse(String(data)) as WireObject
      assert.equal(value.type, name)
      return value
    })
}

function readBack(frames: readonly WireObject[]): IrReply {
  const decoder = messagesCodec.createStreamDecoder()
  const collector = createReplyCollector()
  for (const event of frames.flatMap((frame) => decoder.decode(null, frame))) collector.add(event)
  for (const event of decoder.end()) collector.add(event)
  return collector.reply()
}

/** Anthropic's order: one block after another under rising indexes, between the start and the two last events. */
function assertOrdered(frames: readonly WireObject[]): void {
  assert.equal(frames[0]?.type, 'message_start')
  assert.deepEqual(
    frames.slice(-2).map(({ type }) => type),
    ['message_delta', 'message_stop'],
  )
  let next = 0
  let isOpen = false
  for (const { type, index } of frames.slice(1, -2)) {
    assert.equal(index, next)
    assert.equal(isOpen, type !== 'content_block_start')
    isOpen = type !== 'content_block_stop'
    if (!isOpen) next += 1
  }
  assert.equal(isOpen, false)
}

describe('a streamed reply for a Messages client', () => {
  it('has the frames that Anthropic sends', () => {
    const frames = write(
      [
        { type: 'reply-start', id: 'up', model: 'up' },
        { type: 'thinking-start', block: 0 },
        { type: 'thinking-delta', block: 0, text: 'Hm.' },
        { type: 'thinking-end', block: 0, signature: 'sig' },
        { type: 'text-start', block: 1 },
        { type: 'text-delta', block: 1, text: 'Hi.' },
        { type: 'text-end', block: 1 },
        { type: 'tool-call-start', block: 2, id: 't1', name: 'read', kind: 'function' },
        { type: 'tool-call-delta', block: 2, text: '{"a":' },
        { type: 'tool-call-delta', block: 2, text: 'cut' },
        { type: 'tool-call-end', block: 2 },
        { type: 'block', block: 3, value: { type: 'redacted-thinking', data: 'dark', mint: null } },
      ],
      CHAT,
      { finish: 'tool_calls', raw: 'tool_calls', stopSequence: null },
      '0.001',
    )
    const usage = {
      input_tokens: 9,
      cache_creation_input_tokens: 3,
      cache_read_input_tokens: 4,
      cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 1 },
      output_tokens: 7,
      output_tokens_details: { thinking_tokens: 3 },
      cost: '0.001',
    }
    const start = (index: number, content_block: object) => ({ type: 'content_block_start', index, content_block })
    const delta = (index: number, value: object) => ({ type: 'content_block_delta', index, delta: value })
    const stop = (index: number) => ({ type: 'content_block_stop', index })
    const { message } = frames[0] as { message: WireObject }
    assert.deepEqual([message.id, message.model, message.content], ['msg_r1', 'claude', []])
    assert.deepEqual(frames.slice(1), [
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
      delta(0, { type: 'signature_delta', signature: 'zendo.c7x.s.sig' }),
      stop(0),
      start(1, { type: 'text', text: '' }),
      delta(1, { type: 'text_delta', text: 'Hi.' }),
      stop(1),
      start(2, { type: 'tool_use', id: 't1', name: 'read', input: {} }),
      delta(2, { type: 'input_json_delta', partial_json: '{"a":' }),
      delta(2, { type: 'input_json_delta', partial_json: 'cut' }),
      stop(2),
      start(3, { type: 'redacted_thinking', data: 'zendo.c7x.r.dark' }),
      stop(3),
      { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage },
      { type: 'message_stop' },
    ])
  })

  it('has one block after the other, however they came, and all of them closed', () => {
    const frames = write(
      [
        { type: 'tool-call-start', block: 0, id: 'a', name: 'x', kind: 'function' },
        { type: 'tool-call-start', block: 1, id: 'b', name: 'x', kind: 'function' },
        { type: 'tool-call-delta', block: 1, text: '{"b":2}' },
        { type: 'tool-call-delta', block: 0, text: '{"a":1}' },
        { type: 'text-start', block: 2 },
        { type: 'text-delta', block: 2, text: 'Late.' },
      ],
      CHAT,
    )
    assertOrdered(frames)
    assert.deepEqual(
      readBack(frames).blocks.map((block) => (block.type === 'tool-call' ? block.input : block.type)),
      ['{"a":1}', '{"b":2}', 'text'],
    )
  })

  it('has no empty text, no media, and nothing that is only for another protocol', () => {
    const foreign = { protocol: 'openai-responses', raw: { url: 'https://a.test' } } as const
    const blocks: IrBlock[] = [
      { type: 'text', text: '' },
      { type: 'image', source: { type: 'url', url: 'https://a.test/a.png' } },
      { type: 'opaque', protocol: 'google-generate', kind: 'executableCode', value: {} },
      { type: 'text', text: 'No.', isRefusal: true, citations: [foreign], raw: { id: 'item' } },
    ]
    const reply: IrReply = { id: null, model: null, blocks, finish: null, usage: null }
    const only = [{ type: 'text', text: 'No.' }]
    assert.deepEqual(readBack(write(replyToEvents(reply), CHAT)).blocks, only)
    assert.deepEqual(messagesCodec.encodeReply({ ...reply, cost: null }, contextOf(CHAT)).content, only)
  })

  it('has the free text of a call as the one argument of a function', () => {
    const call = { type: 'tool-call', id: 'c1', name: 'patch', kind: 'custom', input: 'a "b"\nc' } as const
    const reply: IrReply = { id: null, model: null, blocks: [call], finish: null, usage: null }
    const [start, ...events] = replyToEvents(reply)
    const pieces = events.flatMap((event): IrEvent[] =>
      event.type === 'tool-call-delta'
        ? [
            { ...event, text: 'a "' },
            { ...event, text: 'b"\nc' },
          ]
        : [event],
    )
    assert.ok(start)
    const wrapped = [{ ...call, kind: 'function', input: JSON.stringify({ input: call.input }) }]
    assert.deepEqual(readBack(write([start, ...pieces], CHAT)).blocks, wrapped)
    assert.deepEqual(
      messagesCodec.decodeReply(messagesCodec.encodeReply({ ...reply, cost: null }, contextOf(CHAT))).blocks,
      wrapped,
    )
  })

  it('says where an error would stand', () => {
    const encoder = messagesCodec.createStreamEncoder(contextOf(CHAT))
    assert.deepEqual(encoder.position(), { sequence: 0, replyId: null })
    encoder.encode({ type: 'reply-start', id: null, model: null })
    assert.deepEqual(encoder.position(), { sequence: 0, replyId: 'msg_r1' })
  })

  for (const [finish, expected] of [
    [{ finish: 'stop', raw: 'stop', stopSequence: null }, 'end_turn'],
    [{ finish: 'stop', raw: null, stopSequence: 'END' }, 'stop_sequence'],
    [{ finish: 'length', raw: 'MAX_TOKENS', stopSequence: null }, 'max_tokens'],
    [{ finish: 'length', raw: 'model_context_window_exceeded', stopSequence: null }, 'model_context_window_exceeded'],
    [{ finish: 'tool_calls', raw: 'stop', stopSequence: null }, 'tool_use'],
    [{ finish: 'content_filter', raw: 'SAFETY', stopSequence: null }, 'refusal'],
    [{ finish: 'pause', raw: null, stopSequence: null }, 'pause_turn'],
    [{ finish: 'other', raw: 'weird', stopSequence: null }, 'end_turn'],
  ] as const) {
    it(`ends ${finish.finish} (${finish.raw}) with ${expected}`, () => {
      const frames = write([], CHAT, finish)
      const { delta } = frames.at(-2) as { delta: WireObject }
      assert.deepEqual(delta, { stop_reason: expected, stop_sequence: finish.stopSequence })
    })
  }
})

const word = fc.string({ minLength: 1, maxLength: 8 })
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const object = fc
  .dictionary(word, json, { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>)
const block: fc.Arbitrary<IrBlock> = fc.oneof(
  word.map((text): IrBlock => ({ type: 'text', text })),
  fc
    .record({ text: fc.string({ maxLength: 8 }), signature: fc.option(word) })
    .map((rest): IrBlock => ({ type: 'thinking', mint: null, ...rest })),
  word.map((data): IrBlock => ({ type: 'redacted-thinking', data, mint: null })),
  fc
    .record({ id: word, name: word, input: object.map((value) => JSON.stringify(value)) })
    .map((rest): IrBlock => ({ type: 'tool-call', kind: 'function', ...rest })),
  object.map((input): IrBlock => {
    const value = { type: 'server_tool_use', id: 's', name: 'search', input }
    return { type: 'opaque', protocol: 'anthropic-messages', kind: 'server_tool_use', value }
  }),
  fc.record({ text: word, url: word }).map(({ text, url }): IrBlock => {
    const raw = { type: 'web_search_result_location', url, cited_text: text }
    return { type: 'text', text, citations: [{ protocol: 'anthropic-messages', url, text, raw }] }
  }),
)
const replies = fc.array(block, { maxLength: 6 }).map(
  (blocks): IrReply => ({
    id: 'up',
    model: 'up',
    blocks,
    finish: { finish: 'stop', raw: 'end_turn', stopSequence: null },
    usage: USAGE,
  }),
)

describe('any reply', () => {
  it('is read back as it was written, whole and streamed', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        const frames = write(replyToEvents(reply), OWN, reply.finish ?? PLAIN_END)
        assertOrdered(frames)
        const same = { ...reply, id: 'msg_r1', model: 'claude' }
        assert.deepEqual(readBack(frames), same)
        const whole = messagesCodec.encodeReply({ ...reply, cost: null }, contextOf(OWN))
        assert.deepEqual(messagesCodec.decodeReply(whole), same)
      }),
    )
  })

  it("is the same whole and streamed to Anthropic's own client", async () => {
    await fc.assert(
      fc.asyncProperty(replies, async (reply) => {
        const frames = write(replyToEvents(reply), CHAT)
        const lines = frames.map((frame) => `${JSON.stringify(frame)}\n`).join('')
        const stream = MessageStream.fromReadableStream(new Blob([lines]).stream())
        const message = asObject(JSON.parse(JSON.stringify(await stream.finalMessage())))
        const whole = messagesCodec.encodeReply({ ...reply, cost: null }, contextOf(CHAT))
        assert.deepEqual(message?.content, whole.content)
        assert.deepEqual([message?.id, message?.stop_reason], [whole.id, whole.stop_reason])
      }),
      { numRuns: 40 },
    )
  })

  it('has thoughts that find their way back to the account that had them', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        const { content } = messagesCodec.encodeReply({ ...reply, cost: null }, contextOf(CHAT))
        const body = { messages: [{ role: 'assistant', content }] }
        const { messages } = messagesCodec.decodeRequest(body, { model: 'm', stream: false })
        const isThought = ({ type }: IrBlock): boolean => /thinking$/.test(type)
        const sent = reply.blocks.filter(isThought).map((thought) => ({ ...thought, mint: CHAT }))
        assert.deepEqual(messages[0]?.blocks.filter(isThought), sent)
      }),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { IrEvent } from '../ir/event.ts'
import { createReplyCollector } from '../ir/reply.ts'
import { createMessagesDecoder } from './decode-stream.ts'

type Event = Record<string, unknown>

function read(...events: readonly unknown[]): IrEvent[] {
  const decoder = createMessagesDecoder()
  return [...events.flatMap((event) => decoder.decode(null, event)), ...decoder.end()]
}

function replyOf(...events: readonly unknown[]) {
  const collector = createReplyCollector()
  for (const event of read(...events)) collector.add(event)
  return collector.reply()
}

const start = (message: object = {}): Event => ({ type: 'message_start', message: { id: 'msg_1', ...message } })
const open = (index: number, content_block: object): Event => ({ type: 'content_block_start', index, content_block })
const delta = (index: number, value: object): Event => ({ type: 'content_block_delta', index, delta: value })
const close = (index: number): Event => ({ type: 'content_block_stop', index })
const text = (index: number, value: string): Event => delta(index, { type: 'text_delta', text: value })
const input = (index: number, value: string): Event => delta(index, { type: 'input_json_delta', partial_json: value })
const end = (stop_reason: string, usage?: object): Event => ({ type: 'message_delta', delta: { stop_reason }, usage })
const stop: Event = { type: 'message_stop' }

describe('a streamed Messages reply, read', () => {
  it('gives each event as it comes', () => {
    const usage = { input: 9, cachedRead: 4, cacheWrite5m: 0, cacheWrite1h: 0, output: 1, reasoning: 0 }
    assert.deepEqual(
      read(
        start({ model: 'm', usage: { input_tokens: 9, cache_read_input_tokens: 4, output_tokens: 1 } }),
        open(0, { type: 'thinking', thinking: '', signature: '' }),
        { type: 'ping' },
        delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
        delta(0, { type: 'signature_delta', signature: 'sig' }),
        close(0),
        open(1, { type: 'tool_use', id: 't1', name: 'read', input: {} }),
        input(1, ''),
        input(1, '{"a"'),
        input(1, ':1}'),
        close(1),
        end('tool_use', { output_tokens: 7 }),
        stop,
      ),
      [
        { type: 'reply-start', id: 'msg_1', model: 'm' },
        { type: 'usage', usage },
        { type: 'thinking-start', block: 0 },
        { type: 'thinking-delta', block: 0, text: 'Hm.' },
        { type: 'thinking-end', block: 0, signature: 'sig' },
        { type: 'tool-call-start', block: 1, id: 't1', name: 'read', kind: 'function' },
        { type: 'tool-call-delta', block: 1, text: '{"a"' },
        { type: 'tool-call-delta', block: 1, text: ':1}' },
        { type: 'tool-call-end', block: 1 },
        { type: 'usage', usage: { ...usage, output: 7 } },
        { type: 'finish', finish: 'tool_calls', raw: 'tool_use', stopSequence: null },
      ],
    )
  })

  it('has blocks in message_start, and its stop reason', () => {
    const call = { type: 'tool_use', id: 't1', name: 'roll', input: { n: 2 } }
    const { blocks, finish } = replyOf(start({ content: [call], stop_reason: 'tool_use' }), stop)
    assert.deepEqual(blocks, [{ type: 'tool-call', id: 't1', name: 'roll', kind: 'function', input: '{"n":2}' }])
    assert.equal(finish?.finish, 'tool_calls')
  })

  it('gives a call without arguments an empty object, and one without an id an id', () => {
    const { blocks } = replyOf(start(), open(0, { type: 'tool_use', name: 'now', input: {} }), input(0, ''), close(0))
    assert.deepEqual(blocks, [{ type: 'tool-call', id: 'call_0', name: 'now', kind: 'function', input: '{}' }])
  })

  it('invents no arguments for a call that was cut off', () => {
    const { blocks, finish } = replyOf(start(), open(0, { type: 'tool_use', id: 't', name: 'rm', input: {} }))
    assert.equal((blocks[0] as { input: string }).input, '')
    assert.equal(finish, null)
  })

  it('keeps interleaved calls apart', () => {
    const { blocks } = replyOf(
      start(),
      open(0, { type: 'tool_use', id: 'a', name: 'x' }),
      open(1, { type: 'tool_use', id: 'b', name: 'x' }),
      input(0, '{"a":'),
      input(1, '{"b":'),
      input(0, '1}'),
      input(1, '2}'),
      close(0),
      close(1),
      end('tool_use'),
    )
    assert.deepEqual(
      blocks.map((block) => (block as { input: string }).input),
      ['{"a":1}', '{"b":2}'],
    )
  })

  it('loses nothing of blocks that overlap on one index', () => {
    const { blocks } = replyOf(
      start(),
      open(0, { type: 'thinking', thinking: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
      open(0, { type: 'text', text: '' }),
      text(0, 'Yes'),
      close(0),
      text(0, ', sure.'),
      delta(7, { type: 'thinking_delta', thinking: 'Well.' }),
      end('end_turn'),
      stop,
    )
    assert.deepEqual(blocks, [
      { type: 'thinking', text: 'Hm.', signature: null, mint: null },
      { type: 'text', text: 'Yes' },
      { type: 'text', text: ', sure.' },
      { type: 'thinking', text: 'Well.', signature: null, mint: null },
    ])
  })

  it('ends what is open on an index before another block starts there', () => {
    const events = read(open(0, { type: 'thinking', thinking: '' }), open(0, { type: 'text', text: 'Yes' }), stop)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['thinking-start', 'thinking-end', 'text-start', 'text-delta', 'text-end'],
    )
  })

  it('has what the server did as whole blocks', () => {
    const search = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }
    const found = { type: 'web_search_tool_result', tool_use_id: 's', content: [{ url: 'https://a.test' }] }
    const { blocks } = replyOf(
      start(),
      open(0, search),
      input(0, '{"query"'),
      input(0, ':"q"}'),
      close(0),
      open(1, found),
      close(1),
      open(2, { type: 'compaction', content: null }),
      delta(2, { type: 'compaction_delta', content: 'In short.' }),
      close(2),
      open(3, { type: 'redacted_thinking', data: 'dark' }),
      close(3),
    )
    assert.deepEqual(
      blocks.map((block) => (block.type === 'opaque' ? block.value : block)),
      [
        { ...search, input: { query: 'q' } },
        found,
        { type: 'compaction', content: 'In short.' },
        { type: 'redacted-thinking', data: 'dark', mint: null },
      ],
    )
  })

  it('has citations with address and title', () => {
    const citation = { type: 'web_search_result_location', url: 'https://a.test', title: 'A', cited_text: 'a' }
    const events = read(
      open(0, { type: 'text', text: '', citations: [] }),
      delta(0, { type: 'citations_delta', citation }),
    )
    assert.deepEqual(events[1], {
      type: 'citation',
      block: 0,
      citation: { protocol: 'anthropic-messages', url: 'https://a.test', title: 'A', text: 'a', raw: citation },
    })
  })

  for (const [reason, finish] of [
    ['stop_sequence', 'stop'],
    ['refusal', 'content_filter'],
    ['pause_turn', 'pause'],
    ['model_context_window_exceeded', 'length'],
    ['something_new', 'other'],
  ]) {
    it(`ends by ${reason}`, () => {
      const last = { type: 'message_delta', delta: { stop_reason: reason, stop_sequence: 'END' } }
      assert.deepEqual(replyOf(start(), last, stop).finish, { finish, raw: reason, stopSequence: 'END' })
    })
  }

  it('takes no reason from a message_delta without one, and nothing after the end', () => {
    const events = read(
      start(),
      { type: 'message_delta', usage: { output_tokens: 3 } },
      stop,
      end('end_turn'),
      text(0, 'x'),
    )
    assert.deepEqual(
      events.map(({ type }) => type),
      ['reply-start', 'usage'],
    )
  })

  it('survives what is no event', () => {
    const odd = [null, 5, [], {}, { type: 'message_start' }, open(0, []), delta(0, []), { type: 'content_block_delta' }]
    const more = [close(9), { type: 'message_delta', delta: 4, usage: 'x' }, open(0, { type: 5 }), close(0), stop]
    assert.deepEqual(
      read(...odd, ...more).map(({ type }) => type),
      ['reply-start', 'block'],
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createStreamReader, type StreamReader } from '../stream-reader.ts'

function read(...events: string[]): StreamReader {
  const reader = createStreamReader('anthropic-messages', { stripUsage: false })
  reader.push(Buffer.from(events.join('')))
  reader.end()
  return reader
}

const data = (body: object): string => `data: ${JSON.stringify(body)}\n\n`
const event = (type: string, more: object = {}): string => `event: ${type}\n${data({ type, ...more })}`
const start = (message: object = {}): string =>
  event('message_start', {
    message: { id: 'msg_1', content: [], stop_reason: null, usage: { input_tokens: 9, output_tokens: 1 }, ...message },
  })
const blockStart = (content_block: object): string => event('content_block_start', { index: 0, content_block })
const delta = (more: object): string => event('content_block_delta', { index: 0, delta: more })
const end = (stop_reason: string, usage: object = { output_tokens: 7 }): string =>
  event('message_delta', { delta: { stop_reason }, usage })
const stop = event('message_stop')

describe('a streamed Messages reply', () => {
  it('is read for usage, finish, id and output', () => {
    const { ending, reply } = read(
      start(),
      blockStart({ type: 'thinking', thinking: '' }),
      event('ping'),
      delta({ type: 'thinking_delta', thinking: '12345678' }),
      delta({ type: 'signature_delta', signature: 'A'.repeat(400) }),
      blockStart({ type: 'text', text: '' }),
      delta({ type: 'text_delta', text: '12345678' }),
      end('end_turn'),
      stop,
    )
    assert.equal(ending, 'complete')
    assert.deepEqual(reply, {
      usage: { input: 9, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 7, reasoning: 0 },
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 4,
      upstreamId: 'msg_1',
      error: null,
    })
  })

  it('replaces the counters of the start by those of the end', () => {
    const usage = { input_tokens: 3, cache_read_input_tokens: 6, cache_creation_input_tokens: 0, output_tokens: 7 }
    assert.deepEqual(read(start(), end('end_turn', usage), stop).reply.usage, {
      input: 3,
      cachedRead: 6,
      cacheWrite5m: 0,
      cacheWrite1h: 0,
      output: 7,
      reasoning: 0,
    })
  })

  it('says when its usage is only what the start told', () => {
    const { reply } = read(start(), delta({ type: 'text_delta', text: 'a' }))
    assert.deepEqual([reply.usage?.input, reply.usageIsFinal], [9, false])
    assert.deepEqual([read(event('ping')).reply.usage, read(event('ping')).reply.usageIsFinal], [null, false])
  })

  it('reads a message_delta without delta (Kimi)', () => {
    const { reply } = read(start(), event('message_delta', { usage: { output_tokens: 5 } }), stop)
    assert.deepEqual([reply.usage?.output, reply.finish], [5, null])
  })

  it('knows its events by data.type when there are no event lines, or none that say anything', () => {
    const bare = (text: string): string => text.replace(/^event: .*\n/, '')
    const generic = (text: string): string => text.replace(/^event: .*\n/, 'event: message\n')
    for (const shape of [bare, generic]) {
      const { ending, reply } = read(
        ...[start(), delta({ type: 'text_delta', text: 'a' }), end('tool_use'), stop].map(shape),
      )
      assert.deepEqual([ending, reply.finish, reply.usage?.output], ['complete', 'tool_calls', 7])
    }
  })

  it('reads a message whose content stands in its start', () => {
    const { reply } = read(start({ content: [{ type: 'text', text: '12345678' }], stop_reason: 'pause_turn' }), stop)
    assert.deepEqual([reply.hasOutput, reply.deliveredTokens, reply.finish], [true, 2, 'pause'])
  })

  it('counts a tool call as output even when it has no arguments, and blocks complete at their start', () => {
    for (const block of [
      { type: 'tool_use', id: 't', name: 'f', input: {} },
      { type: 'redacted_thinking', data: 'x' },
      { type: 'web_search_tool_result', content: [] },
    ]) {
      assert.equal(read(start(), blockStart(block), end('end_turn'), stop).reply.hasOutput, true)
    }
    assert.equal(read(start(), blockStart({ type: 'text', text: '' }), end('end_turn'), stop).reply.hasOutput, false)
  })

  it('counts the arguments of tools', () => {
    const { reply } = read(
      start(),
      blockStart({ type: 'tool_use', input: {} }),
      delta({ type: 'input_json_delta', partial_json: '{"a":"b"}' }),
    )
    assert.equal(reply.deliveredTokens, 3)
  })

  it('ends with an error event, also one that cannot be read', () => {
    const overloaded = event('error', { error: { details: null, type: 'overloaded_error', message: 'Overloaded' } })
    const { ending, reply } = read(start(), delta({ type: 'text_delta', text: 'a' }), overloaded)
    assert.equal(ending, 'error')
    assert.deepEqual(reply.error, { type: 'overloaded_error', code: null, message: 'Overloaded', status: 529 })
    const unreadable = read(start(), 'event: error\ndata: oops\n\n')
    assert.deepEqual([unreadable.ending, unreadable.reply.error?.message], ['error', null])
  })

  it('ends with message_stop by its name even when its data is broken', () => {
    assert.equal(read(start(), 'event: message_stop\ndata: {\n\n').ending, 'complete')
    assert.equal(read(start(), 'event: message_stop\n\n').ending, 'cut')
  })

  it('keeps back what OpenRouter and the OpenCode gateway send after the end', () => {
    const reader = createStreamReader('anthropic-messages', { stripUsage: false })
    const after = `event: data\ndata: [DONE]\n\n${event('ping', { cost: '0' })}`
    assert.equal(Buffer.concat(reader.push(Buffer.from(start() + stop + after))).toString(), start())
    assert.equal(Buffer.concat(reader.takeHeld()).toString(), stop + after)
  })
})

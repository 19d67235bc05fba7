import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readReply } from '../reply.ts'

const read = (body: unknown) =>
  readReply('anthropic-messages', Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))

describe('a whole Messages reply', () => {
  it('is read for usage, finish, id and output', () => {
    const reply = read({
      id: 'msg_1',
      type: 'message',
      content: [
        { type: 'thinking', thinking: 'x'.repeat(8), signature: 'abcabc' },
        { type: 'text', text: 'y'.repeat(8) },
        { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 3, output_tokens: 20 },
    })
    assert.deepEqual(reply, {
      ok: true,
      usage: { input: 3, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 20, reasoning: 0 },
      usageIsFinal: true,
      finish: 'tool_calls',
      hasOutput: true,
      deliveredTokens: 6,
      upstreamId: 'msg_1',
      error: null,
    })
  })

  it('tells why it finished in one set of words', () => {
    const words = {
      end_turn: 'stop',
      stop_sequence: 'stop',
      max_tokens: 'length',
      model_context_window_exceeded: 'length',
      tool_use: 'tool_calls',
      pause_turn: 'pause',
      compaction: 'pause',
      refusal: 'content_filter',
      something_new: 'other',
    }
    for (const [wire, finish] of Object.entries(words))
      assert.equal(read({ content: [], stop_reason: wire }).finish, finish)
    assert.equal(read({ content: [] }).finish, null)
  })

  it('has no output when its content is empty or says nothing', () => {
    for (const content of [[], [{ type: 'text', text: '' }], [null]]) {
      const { ok, hasOutput, deliveredTokens } = read({ content })
      assert.deepEqual([ok, hasOutput, deliveredTokens], [true, false, 0])
    }
    assert.equal(read({ content: [{ type: 'redacted_thinking', data: 'x' }] }).hasOutput, true)
  })

  it('is not ok when it is no JSON or carries only an error, and the error is told', () => {
    for (const body of ['<html>', '', '[]', '{}', '{"base_resp":{"status_code":1004}}'])
      assert.equal(read(body).ok, false)
    const reply = read({ type: 'error', error: { type: 'overloaded_error', message: 'busy' }, request_id: 'r' })
    assert.equal(reply.ok, false)
    assert.deepEqual(reply.error, { type: 'overloaded_error', code: null, message: 'busy', status: 529 })
    assert.equal(read({ type: 'error', message: 'bad' }).error?.message, 'bad')
    assert.equal(read({ error: 'bad' }).error?.message, 'bad')
  })

  it('is ok when it is the answer to count_tokens', () => {
    const { ok, hasOutput } = read({ input_tokens: 812 })
    assert.deepEqual([ok, hasOutput], [true, false])
  })
})

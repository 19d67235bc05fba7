import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Usage } from '../../base/usage.ts'
import { createStreamReader, type StreamReader } from '../stream-reader.ts'

function read(...data: (object | string)[]): StreamReader {
  const reader = createStreamReader('openai-chat', { stripUsage: false })
  const lines = data.map((entry) => (typeof entry === 'string' ? entry : `data: ${JSON.stringify(entry)}\n\n`))
  reader.push(Buffer.from(lines.join('')))
  reader.end()
  return reader
}

const DONE = 'data: [DONE]\n\n'
const chunk = (delta: object, finish_reason: string | null = null, more: object = {}) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, finish_reason }],
  ...more,
})
const counted = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 }
const usage: Usage = { input: 10, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 4, reasoning: 0 }

describe('a streamed Chat Completions reply', () => {
  it('is read for usage, finish, id and output', () => {
    const { ending, reply } = read(
      chunk({ role: 'assistant', content: '' }, null, { usage: null }),
      chunk({ reasoning_content: 'think' }, null, { usage: null }),
      chunk({ content: 'Hello.' }, null, { usage: null }),
      chunk({}, 'stop', { usage: null }),
      { id: 'chatcmpl-1', choices: [], usage: counted },
      DONE,
    )
    assert.equal(ending, 'complete')
    assert.deepEqual(reply, {
      usage,
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 3,
      upstreamId: 'chatcmpl-1',
      error: null,
    })
  })

  it('gives its usage wherever the vendor puts it, the last one counting', () => {
    const elsewhere: Record<string, (object | string)[]> = {
      'finish chunk (DeepSeek, Z.ai, Mistral)': [chunk({}, 'stop', { usage: counted })],
      'second finish chunk (OpenRouter)': [chunk({}, 'stop'), chunk({ content: '' }, 'stop', { usage: counted })],
      'x_groq (Groq)': [chunk({}, 'stop', { x_groq: { id: 'r', usage: counted } })],
      'choice (Moonshot)': [{ id: 'a', choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: counted }] }],
      'every chunk (Perplexity)': [
        chunk({ content: 'a' }, null, { usage: { ...counted, completion_tokens: 1 } }),
        chunk({ content: 'b' }, 'stop', { usage: counted }),
      ],
      'multi-line data': ['data: {"choices":[],\ndata: "usage":{"prompt_tokens":10,\ndata:"completion_tokens":4}}\n\n'],
      'no space after the colon': [`data:${JSON.stringify({ choices: [], usage: counted })}\n\n`],
    }
    for (const [where, data] of Object.entries(elsewhere))
      assert.deepEqual(read(...data, DONE).reply.usage, usage, where)
    assert.equal(read(chunk({ content: 'a' }), chunk({}, 'stop', { usage: null }), DONE).reply.usage, null)
  })

  it('tells why it finished: forced tool calls and refusals finish with stop on the wire', () => {
    const call = { tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: '' } }] }
    assert.equal(read(chunk(call), chunk({}, 'stop'), DONE).reply.finish, 'tool_calls')
    assert.equal(read(chunk({ refusal: 'No.' }), chunk({}, 'stop'), DONE).reply.finish, 'content_filter')
    assert.equal(read(chunk(call), chunk({}, 'length'), DONE).reply.finish, 'length')
    assert.equal(read(chunk({ content: 'a' }), DONE).reply.finish, null)
  })

  it('takes the finish of the first choice', () => {
    const both = {
      choices: [
        { index: 1, delta: {}, finish_reason: 'length' },
        { index: 0, delta: {}, finish_reason: 'stop' },
      ],
    }
    const later = { choices: [{ index: 1, delta: {}, finish_reason: 'content_filter' }] }
    assert.equal(read(both, later, DONE).reply.finish, 'stop')
  })

  it('does not take an empty finish reason, which some vendors write into every chunk, for an end', () => {
    const { ending, reply } = read(chunk({ content: 'a' }, ''))
    assert.deepEqual([ending, reply.finish], ['cut', null])
  })

  it('ends with [DONE] whatever white space stands around it, and with nothing that merely looks like it', () => {
    for (const done of ['data:[DONE]\n\n', 'data: [DONE] \n\n', 'event: message\ndata: [DONE]\n\n'])
      assert.equal(read(done).ending, 'complete')
    for (const text of ['data: [DONE]x\n\n', 'data: "[DONE]"\n\n', ': [DONE]\n\n', 'data: [DONE\n\n'])
      assert.equal(read(text).ending, 'cut')
  })

  it('ends with an error event in every shape', () => {
    const cases: [object | string, string | null][] = [
      [{ error: { message: 'a', type: 'server_error' } }, 'a'],
      [
        {
          id: 'x',
          error: { code: 400, message: 'b' },
          choices: [{ index: 0, delta: { content: '' }, finish_reason: null }],
        },
        'b',
      ],
      ['event: error\ndata: {"error":{"message":"c","code":"tool_use_failed"}}\n\n', 'c'],
      [{ error: 'd' }, 'd'],
      [{ object: 'error', message: 'e', code: 503 }, 'e'],
      ['event: error\ndata: broken\n\n', 'unreadable error event'],
    ]
    for (const [data, message] of cases) {
      const { ending, reply } = read(chunk({ content: 'a' }), chunk({}, 'stop'), data, DONE)
      assert.deepEqual([ending, reply.error?.message], ['error', message])
    }
    assert.equal(read({ error: { code: 502, message: 'x' } }).reply.error?.status, 502)
  })

  it('gives the usage of an error event', () => {
    assert.deepEqual(read({ error: { message: 'x' }, choices: [], usage: counted }).reply.usage, usage)
  })

  it('goes on past members named error that say there is none', () => {
    for (const error of [null, false, '', {}])
      assert.equal(read(chunk({ content: 'a' }, null, { error }), DONE).ending, 'complete')
  })

  it('goes on past events that are no JSON', () => {
    const { ending, reply } = read('data: {"usage":{"prompt_tokens":\n\n', chunk({ content: 'abcd' }), DONE)
    assert.deepEqual([ending, reply.deliveredTokens, reply.upstreamId], ['complete', 1, 'chatcmpl-1'])
  })

  it('has no output when nothing but empty text came', () => {
    const { reply } = read(
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: null, tool_calls: [] }),
      chunk({}, 'stop'),
      DONE,
    )
    assert.deepEqual([reply.hasOutput, reply.deliveredTokens], [false, 0])
  })

  it('estimates delivered tokens by bytes, reasoning under two names once', () => {
    const data = Array.from({ length: 10 }, () =>
      chunk({ reasoning: '12345678', reasoning_details: [{ text: '12345678' }], content: '1234' }),
    )
    assert.equal(read(...data).reply.deliveredTokens, 30)
    assert.equal(read(chunk({ tool_calls: [{ index: 0, function: { name: 'f' } }] })).reply.deliveredTokens, 1)
  })

  it('passes over an empty id (Azure) and looks for one in the first events only', () => {
    assert.equal(read({ id: '', choices: [] }, chunk({ content: 'a' })).reply.upstreamId, 'chatcmpl-1')
    assert.equal(
      read({ choices: [] }, { choices: [] }, { choices: [] }, chunk({ content: 'a' })).reply.upstreamId,
      null,
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readReply } from '../reply.ts'

const read = (body: unknown) =>
  readReply('openai-chat', Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
const answer = (message: object, finish: unknown = 'stop', more: object = {}) =>
  read({
    id: 'chatcmpl-1',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
    ...more,
  })

describe('a whole Chat Completions reply', () => {
  it('is read for usage, finish, id and output', () => {
    const reply = answer({ content: 'Hello there.' }, 'stop', { usage: { prompt_tokens: 9, completion_tokens: 4 } })
    assert.deepEqual(reply, {
      ok: true,
      usage: { input: 9, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 4, reasoning: 0 },
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 3,
      upstreamId: 'chatcmpl-1',
      error: null,
    })
  })

  it('tells why it finished in one set of words', () => {
    const call = { tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }
    const cases: [object, unknown, string | null][] = [
      [{ content: 'a' }, 'stop', 'stop'],
      [{ content: 'a' }, 'eos', 'stop'],
      [{ content: 'a' }, 'length', 'length'],
      [{ content: null, ...call }, 'tool_calls', 'tool_calls'],
      [{ content: null, ...call }, 'stop', 'tool_calls'],
      [{ content: null, ...call }, '', 'tool_calls'],
      [{ content: null, function_call: { name: 'f', arguments: '{}' } }, 'function_call', 'tool_calls'],
      [{ content: '' }, 'content_filter', 'content_filter'],
      [{ content: null, refusal: 'No.' }, 'stop', 'content_filter'],
      [{ content: 'a' }, 'something_new', 'other'],
      [{ content: 'a' }, null, null],
      [{ content: 'a' }, '', null],
    ]
    for (const [message, wire, finish] of cases)
      assert.equal(answer(message, wire).finish, finish, JSON.stringify([message, wire]))
  })

  it('has output when any text, reasoning, call, refusal or sound is there', () => {
    for (const message of [
      { content: 'a' },
      { content: [{ type: 'text', text: 'a' }] },
      { content: '', reasoning_content: 'a' },
      { content: '', reasoning: 'a' },
      { content: null, refusal: 'a' },
      { content: null, tool_calls: [{ function: { name: 'f', arguments: '' } }] },
      { content: null, audio: { data: 'AAAA' } },
      { content: '', images: [{}] },
    ]) {
      assert.equal(answer(message).hasOutput, true, JSON.stringify(message))
    }
    for (const message of [
      { content: '' },
      { content: null, tool_calls: [] },
      {},
      { content: '', reasoning_details: [] },
    ]) {
      const { hasOutput, deliveredTokens } = answer(message)
      assert.deepEqual([hasOutput, deliveredTokens], [false, 0])
    }
  })

  it('estimates delivered tokens over all choices, reasoning under two names once', () => {
    const message = { content: 'x'.repeat(40), reasoning: 'y'.repeat(80), reasoning_content: 'y'.repeat(80) }
    assert.equal(answer(message).deliveredTokens, 30)
    const choice = { message: { content: 'x'.repeat(40) } }
    assert.equal(read({ choices: [choice, choice] }).deliveredTokens, 20)
  })

  it('is not ok when it is no JSON or carries only an error, and the error is told', () => {
    for (const body of ['<html>', '', '[]', '"text"', '{"choices":[]}', '{"code":1001,"msg":"no"}'])
      assert.equal(read(body).ok, false)
    const cases: [object, object][] = [
      [
        { error: { message: 'bad', type: 'invalid_request_error', code: 'x', param: null } },
        { type: 'invalid_request_error', code: 'x', message: 'bad', status: null },
      ],
      [{ error: { message: 'bad', code: 429 } }, { type: null, code: '429', message: 'bad', status: 429 }],
      [
        { error: 'bad', code: 'y' },
        { type: null, code: 'y', message: 'bad', status: null },
      ],
      [
        { object: 'error', message: 'bad', type: 'z', code: 400 },
        { type: 'z', code: '400', message: 'bad', status: 400 },
      ],
    ]
    for (const [body, error] of cases) {
      const reply = read(body)
      assert.equal(reply.ok, false)
      assert.deepEqual(reply.error, error)
    }
  })

  it('takes an empty error member for none', () => {
    for (const error of [null, false, '', {}]) assert.equal(answer({ content: 'a' }, 'stop', { error }).error, null)
  })

  it("finds Groq's usage", () => {
    assert.equal(answer({ content: 'a' }, 'stop', { x_groq: { usage: { prompt_tokens: 3 } } }).usage?.input, 3)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readResponsesError } from './error.ts'
import { readResponsesReply } from './reply.ts'

const MESSAGE = { type: 'message', content: [{ type: 'output_text', text: '12345678' }] }
const CALL = { type: 'function_call', arguments: '{"a":1}' }
const answer = (output: object[], more: object = {}) =>
  readResponsesReply({ id: 'resp_1', object: 'response', status: 'completed', error: null, output, ...more })

describe('a whole Responses reply', () => {
  it('is read for usage, finish, id and output', () => {
    const reasoning = { type: 'reasoning', summary: [{ text: '1234' }], content: [{ text: '5678' }] }
    assert.deepEqual(answer([reasoning, MESSAGE], { usage: { input_tokens: 9, output_tokens: 4 } }), {
      ok: true,
      usage: { input: 9, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 4, reasoning: 0 },
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 4,
      upstreamId: 'resp_1',
      error: null,
    })
  })

  it('tells why it finished', () => {
    const refusal = { type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] }
    assert.equal(answer([MESSAGE, CALL]).finish, 'tool_calls')
    assert.equal(answer([refusal]).finish, 'content_filter')
    assert.equal(answer([MESSAGE], { status: 'incomplete' }).finish, 'length')
    assert.equal(answer([], { status: 'queued' }).finish, null)
  })

  it('is not ok when it failed or is no reply', () => {
    const error = { code: 'server_error', message: 'Broken.' }
    const failed = answer([], { status: 'failed', error })
    assert.deepEqual([failed.ok, failed.error?.message, failed.error?.status], [false, 'Broken.', 500])
    assert.equal(readResponsesReply({}).ok, false)
    assert.equal(readResponsesReply({ object: 'response.input_tokens', input_tokens: 12 }).ok, true)
  })
})

describe('readResponsesError', () => {
  it('reads the bodies of vendors', () => {
    const cases: [body: object, code: string | null, message: string | null][] = [
      [{ error: { message: 'a', type: 'invalid_request_error', code: 'model_not_found' } }, 'model_not_found', 'a'],
      [{ code: 'invalid-argument', error: 'a' }, 'invalid-argument', 'a'],
      [{ detail: 'a' }, null, 'a'],
      [{ type: 'error', code: 'x', message: 'a', param: null, sequence_number: 2 }, 'x', 'a'],
      [{ type: 'error', error: { code: 'x', message: 'a' } }, 'x', 'a'],
      [{ type: 'response.failed', response: { error: { code: 'x', message: 'a' } } }, 'x', 'a'],
      [{ type: 'response.failed', response: { error: null } }, null, null],
    ]
    for (const [body, code, message] of cases) {
      const error = readResponsesError(body)
      assert.deepEqual([error?.code, error?.message], [code, message], JSON.stringify(body))
    }
  })

  it('finds none in a reply', () => {
    for (const body of [{}, { object: 'response', error: null, output: [] }, { type: 'response.completed' }, null]) {
      assert.equal(readResponsesError(body), null)
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { googleRetrySeconds, readGoogleError } from './error.ts'
import { readGoogleReply } from './reply.ts'

const reply = (parts: unknown[], more: object = {}): object => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', ...more }],
  responseId: 'r1',
})

describe('a whole Google reply', () => {
  it('is read for usage, finish, id and output', () => {
    const usageMetadata = { promptTokenCount: 5, candidatesTokenCount: 2, thoughtsTokenCount: 1 }
    assert.deepEqual(readGoogleReply({ ...reply([{ text: '12345678' }]), usageMetadata }), {
      ok: true,
      usage: { input: 5, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 3, reasoning: 1 },
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 2,
      upstreamId: 'r1',
      error: null,
    })
  })

  it('tells why it finished in one set of words, by name or by number', () => {
    const words = {
      STOP: 'stop',
      MAX_TOKENS: 'length',
      SAFETY: 'content_filter',
      RECITATION: 'content_filter',
      BLOCKLIST: 'content_filter',
      PROHIBITED_CONTENT: 'content_filter',
      SPII: 'content_filter',
      MODEL_ARMOR: 'content_filter',
      IMAGE_SAFETY: 'content_filter',
      MALFORMED_FUNCTION_CALL: 'other',
      UNEXPECTED_TOOL_CALL: 'other',
      SOMETHING_NEW: 'other',
      FINISH_REASON_UNSPECIFIED: null,
    }
    for (const [finishReason, finish] of Object.entries(words))
      assert.equal(readGoogleReply(reply([], { finishReason })).finish, finish, finishReason)
    const numbers = [null, 'stop', 'length', 'content_filter', 'content_filter', 'other']
    numbers.forEach((finish, finishReason) => {
      assert.equal(readGoogleReply(reply([], { finishReason })).finish, finish)
    })
  })

  it('has no output when it has no parts, and other output than text counts', () => {
    assert.equal(readGoogleReply({ candidates: [{ finishReason: 'MAX_TOKENS' }] }).hasOutput, false)
    for (const part of [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }, { executableCode: { code: 'x' } }])
      assert.equal(readGoogleReply(reply([part])).hasOutput, true)
  })

  it('may be the list of chunks of a stream', () => {
    const chunks = [
      { ...reply([{ text: 'abcd' }], { finishReason: undefined }), usageMetadata: { promptTokenCount: 4 } },
      { ...reply([{ text: 'efgh' }]), usageMetadata: { candidatesTokenCount: 2 } },
    ]
    const { ok, finish, usage, deliveredTokens } = readGoogleReply(chunks)
    assert.deepEqual([ok, finish, usage?.input, usage?.output, deliveredTokens], [true, 'stop', 4, 2, 2])
    assert.equal(readGoogleReply([chunks[0], { error: { code: 500, message: 'x' } }]).ok, false)
  })

  it('is ok when the prompt was refused, and as the answer to countTokens', () => {
    const { ok, finish } = readGoogleReply({ promptFeedback: { blockReason: 'SAFETY' } })
    assert.deepEqual([ok, finish], [true, 'content_filter'])
    assert.equal(readGoogleReply({ totalTokens: 8 }).ok, true)
  })

  it('is not ok when it is something else or carries an error', () => {
    for (const body of [null, {}, [], 'x', [null], { error: { code: 400, message: 'bad' } }])
      assert.equal(readGoogleReply(body).ok, false)
  })
})

describe("an error of Google's API", () => {
  const error = {
    code: 429,
    message: 'Quota.',
    status: 'RESOURCE_EXHAUSTED',
    details: [
      { '@type': 'type.googleapis.com/google.rpc.Help', links: [] },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.5s' },
    ],
  }

  it('is read alone and in a list', () => {
    const read = { type: 'RESOURCE_EXHAUSTED', code: '429', message: 'Quota.', status: 429 }
    assert.deepEqual(readGoogleError({ error }), read)
    assert.deepEqual(readGoogleError([{ error }]), read)
    assert.equal(readGoogleError({ error: 'text' })?.message, 'text')
    for (const body of [null, {}, [], { error: {} }, { error: null }]) assert.equal(readGoogleError(body), null)
  })

  it('says how long to wait', () => {
    assert.equal(googleRetrySeconds({ error }), 34.5)
    assert.equal(googleRetrySeconds([{ error }]), 34.5)
    const info = (retryDelay: unknown): object => ({ '@type': 'x/google.rpc.RetryInfo', retryDelay })
    assert.equal(googleRetrySeconds({ error: { details: [info({ seconds: '3', nanos: 5e8 })] } }), 3.5)
    for (const odd of ['soon', '-3s', null, {}, 4])
      assert.equal(googleRetrySeconds({ error: { details: [null, info(odd)] } }), null)
    assert.equal(googleRetrySeconds({}), null)
  })
})

/** What an upstream says against a request, for clients of another protocol. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Provider } from '../domain/catalog.ts'
import type { ReplyError } from '../protocol/reply-summary.ts'
import { rejection, streamRejection } from './rejection.ts'

const PROVIDER: Provider = {
  id: 'acme',
  tag: 'a1b2c3d4',
  endpoints: new Map([['openai-chat', 'https://api.acme.example/v1']]),
  apiKey: 'sk-operator',
  simulated: false,
  region: undefined,
  retention: undefined,
  training: undefined,
  timeouts: { connectMs: 1, headersMs: 1, idleMs: 1, totalMs: 1 },
  maxConnections: 1,
  onClientAbort: 'drain',
}
const error = (members: Partial<ReplyError>): ReplyError => ({
  type: null,
  code: null,
  message: null,
  status: null,
  ...members,
})
const refused = (members: Partial<ReplyError>, status = 400) =>
  rejection(error(members), PROVIDER, { status, retryAfterSeconds: null })

describe('a refusal', () => {
  test('keeps the upstream’s status, words and code, and gives nothing of the operator away', () => {
    const told = refused({ code: 'context_length_exceeded', message: 'too long for sk-operator at api.acme.example' })
    assert.equal(told.code, 'upstream_rejected')
    assert.equal(told.status, 400)
    assert.equal(told.upstreamCode, 'context_length_exceeded')
    assert.equal(told.message, 'too long for [redacted] at [redacted]')
  })

  test('that is about the context says so in the word that agents know', () => {
    const messages = [
      'prompt is too long: 210000 tokens > 200000 maximum',
      "This model's maximum context length is 8192 tokens.",
      'The input token count (1048577) exceeds the maximum number of tokens allowed',
    ]
    for (const message of messages) assert.equal(refused({ message }).upstreamCode, 'context_length_exceeded', message)
    assert.equal(refused({ message: 'bad temperature' }).upstreamCode, undefined)
  })

  test('takes no sentence and no secret for a code', () => {
    for (const code of ['sk-operator', 'Something went wrong', '400', 'a'.repeat(100)]) {
      assert.equal(refused({ code }).upstreamCode, undefined, code)
    }
  })
})

describe('an error in the middle of a stream', () => {
  const told = (members: Partial<ReplyError>) => streamRejection(error(members), PROVIDER)

  test('is the request’s fault only where the upstream says so', () => {
    assert.deepEqual(
      [
        told({ type: 'invalid_request_error', message: 'bad' }),
        told({ code: 'context_length_exceeded' }),
        told({ type: 'rate_limit_error' }),
        told({ status: 404 }),
      ].map(({ code, status }) => [code, status]),
      [
        ['upstream_rejected', 400],
        ['upstream_rejected', 400],
        ['upstream_rejected', 429],
        ['upstream_rejected', 404],
      ],
    )
  })

  test('is otherwise the upstream’s own, and may be better at the next try', () => {
    for (const members of [
      { type: 'server_error', code: 'server_error' },
      { type: 'overloaded_error', message: 'Overloaded' },
      { status: 529 },
      { message: 'something new' },
      {},
    ]) {
      const { code, status } = told(members)
      assert.deepEqual([code, status], ['upstream_unavailable', 503], JSON.stringify(members))
    }
    assert.equal(streamRejection(null, PROVIDER).code, 'upstream_unavailable')
    assert.equal(told({ type: 'overloaded_error', message: 'Overloaded' }).message, 'Overloaded')
  })
})

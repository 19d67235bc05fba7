import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError, ERROR_CODES, type ErrorCode, errorClassOf, type LimitDetail } from '../base/errors.ts'
import { PROTOCOLS } from '../base/words.ts'
import { type ClientProfile, clientProfile, type RequestHeaders } from './client-profile.ts'
import { encodeError } from './errors.ts'

const PROFILES: readonly ClientProfile[] = ['opencode', 'claude-code', 'codex', 'gemini-cli', 'ai-sdk', 'other']

describe('clientProfile', () => {
  const named: readonly (readonly [ClientProfile, RequestHeaders])[] = [
    ['opencode', { 'user-agent': 'opencode/1.18.33 ai-sdk/provider-utils/4.0.0', 'x-opencode-client': 'cli' }],
    ['opencode', { 'user-agent': 'ai-sdk/openai-compatible/2.0.4', 'x-title': 'Kilo Code' }],
    ['claude-code', { 'user-agent': 'claude-cli/2.1.328 (external, cli)', 'x-app': 'cli' }],
    ['claude-code', { 'user-agent': 'claude-code/2.1.328' }],
    ['codex', { 'user-agent': 'codex_exec/0.169.0 (Debian; x86_64)', originator: 'codex_exec' }],
    ['codex', { 'user-agent': 'codex-tui/0.169.0 (Debian; x86_64)', originator: 'codex-tui' }],
    ['codex', { 'user-agent': 'an-editor/1.0', originator: 'codex_vscode' }],
    ['gemini-cli', { 'user-agent': 'GeminiCLI-tui/0.61.0/gemini-3.6-flash (linux; x64; terminal)' }],
    ['ai-sdk', { 'user-agent': 'ai-sdk-anthropic/4.0.105' }],
    ['ai-sdk', { 'user-agent': 'ai/7.0.173 ai-sdk-provider-utils/4.0.1 runtime/node.js/26' }],
    ['ai-sdk', { 'user-agent': 'claude-cli/0.24.4 (external, cli)', 'x-app': 'cli' }],
    ['other', { 'user-agent': 'OpenAI/JS 7.55.0' }],
    ['other', { 'user-agent': 'google-genai-sdk/3.1.0 gl-node/v24', 'x-goog-api-client': 'google-genai-sdk/3.1.0' }],
    ['other', { 'user-agent': 'not-ai-sdk-at-all' }],
    ['other', { 'user-agent': 'my-opencode/1.0' }],
    ['other', { 'x-title': ['Kilo Code', 'twice'] }],
    ['other', {}],
  ]

  it('knows each client by its headers, and no other as one of them', () => {
    for (const [profile, headers] of named) assert.equal(clientProfile(headers), profile, JSON.stringify(headers))
  })

  it('takes a user agent alone as well', () => {
    assert.equal(clientProfile('opencode/1.18.33 ai-sdk/provider-utils/4.0.0'), 'opencode')
    assert.equal(clientProfile('ai-sdk/openai-compatible/3.0.92 ai-sdk/provider-utils/5.0'), 'ai-sdk')
    assert.equal(clientProfile(undefined), 'other')
  })
})

const NOW_MS = Date.UTC(2026, 10, 20, 8)
const limit: LimitDetail = {
  name: '5 hour',
  kind: 'session',
  scope: 'seat',
  used: '500.02',
  limit: '524.00',
  unit: 'usd',
  resetsAtMs: NOW_MS + 7_200_000,
}
const MESSAGE = 'The 5 hour limit is reached.'

function signalled(profile: ClientProfile, code: ErrorCode, error = new AppError(code, MESSAGE, { limit })) {
  return encodeError('openai-responses', error, { requestId: 'req_1', nowMs: NOW_MS, profile })
}

const statusOf = (profile: ClientProfile, code: ErrorCode) => signalled(profile, code).status

describe('a refusal is signalled', () => {
  it('to clients that are not known as the list of errors has it', () => {
    for (const code of ERROR_CODES) assert.equal(statusOf('other', code), errorClassOf(code).status, code)
  })

  it('alike to all when waiting heals it, or when the provider has said it', () => {
    for (const profile of PROFILES) {
      for (const code of ['rate_limited', 'overloaded', 'internal', 'upstream_rejected'] as const) {
        assert.deepEqual(signalled(profile, code), signalled('other', code))
      }
    }
  })

  it('with the status that makes each client stop', () => {
    const statuses = (profile: ClientProfile) =>
      (['plan_limit', 'insufficient_balance', 'invalid_key', 'model_not_found', 'invalid_request'] as const).map(
        (code) => statusOf(profile, code),
      )
    assert.deepEqual(statuses('opencode'), [402, 402, 401, 404, 400])
    assert.deepEqual(statuses('claude-code'), [429, 402, 401, 410, 400])
    assert.deepEqual(statuses('codex'), [429, 429, 400, 400, 400])
    assert.deepEqual(statuses('gemini-cli'), [429, 402, 401, 404, 400])
    assert.deepEqual(statuses('ai-sdk'), [402, 402, 401, 404, 400])
  })

  it('as worth waiting when requests under way are all that is in the way', () => {
    const busy = new AppError('plan_limit', MESSAGE, { limit, retryAfterSeconds: 5 })
    for (const profile of PROFILES) {
      const { status, headers, body } = signalled(profile, 'plan_limit', busy)
      assert.deepEqual([status, headers['retry-after']], [429, '5'], profile)
      assert.equal(JSON.parse(body).error.type, 'GoUsageLimitError')
      assert.equal(headers['x-should-retry'], profile === 'claude-code' ? undefined : 'false')
    }
  })

  it('with a status that was chosen for it, whoever asks', () => {
    const upgrade = new AppError('unsupported_feature', 'No WebSocket here.', { status: 426 })
    for (const profile of PROFILES) assert.equal(signalled(profile, 'unsupported_feature', upgrade).status, 426)
  })

  it('to Codex as the type it stops on, with the message in the header that it prints', () => {
    const error = new AppError('plan_limit', 'Used up \u2013 wait\r\nfor "it".', { limit })
    const { headers, body } = signalled('codex', 'plan_limit', error)
    const parsed = JSON.parse(body)
    assert.deepEqual([parsed.error.type, parsed.error.code], ['usage_limit_reached', 'plan_limit'])
    assert.equal(parsed.error.resets_at, NOW_MS / 1000 + 7200)
    assert.equal(headers['x-codex-promo-message'], 'Used up  waitfor "it"')
    const endless = new AppError('insufficient_balance', MESSAGE, { limit: { ...limit, resetsAtMs: null } })
    assert.equal('resets_at' in JSON.parse(signalled('codex', 'insufficient_balance', endless).body).error, false)
  })

  it('to Gemini CLI from the domain that it believes', () => {
    const options = { requestId: 'req_1', nowMs: NOW_MS, profile: 'gemini-cli' } as const
    const { body } = encodeError('google-generate', new AppError('plan_limit', MESSAGE, { limit }), options)
    const [info, retry] = JSON.parse(body).error.details
    assert.deepEqual([info.reason, info.domain], ['QUOTA_EXHAUSTED', 'cloudcode-pa.googleapis.com'])
    assert.equal(retry.retryDelay, '7200s')
  })

  it('to Claude Code without the header that it would take for a missing login', () => {
    const error = new AppError('missing_key', 'Send it as x-api-key or x-goog-api-key.')
    const { message } = JSON.parse(signalled('claude-code', 'missing_key', error).body).error
    assert.ok(!/x-api-key/i.test(message))
    assert.equal(message.replaceAll('\u2060', ''), error.message)
  })

  it('with what people should read first', () => {
    for (const profile of PROFILES)
      assert.match(signalled(profile, 'plan_required').body, /^\{"error":\{"message":"The 5/)
  })
})

/** What opencode 1.18.33 looks for in the message and in the body before it asks again. */
const ASKS_AGAIN =
  /429|500|502|503|504|524|rate limit|rate_limit|too many requests|overloaded|internal error|server error|terminated|fetch failed|socket hang up|\btimeout\b|timed out|retry your request|resource_exhausted|\btry again (?:later|in\b)/i

describe('opencode takes no refusal for a passing fault', () => {
  const words = fc.constantFrom('500', '50', '429', '42', '9', '504', '2.', '$524', '"', '\\', '\u0005', '00')
  const phrases = fc.constantFrom('rate limit ', 'timed out', 'try again in ', 'socket hang up', 'terminated', 'left')
  const text = fc.array(fc.oneof(words, phrases), { maxLength: 12 }).map((parts) => parts.join(''))
  const refusals = ERROR_CODES.filter((code) => ['never', 'at_reset'].includes(errorClassOf(code).retry))

  it('whatever figures and words stand in it, and all of them can be read', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PROTOCOLS),
        fc.constantFrom(...refusals),
        text,
        text,
        (protocol, code, said, id) => {
          const error = new AppError(code, said, { limit: { ...limit, name: id, used: id }, param: id })
          const options = { requestId: id, nowMs: NOW_MS, profile: 'opencode' } as const
          const { status, body } = encodeError(protocol, error, options)
          const parsed = JSON.parse(body)
          assert.ok(status < 429, String(status))
          assert.doesNotMatch(body, ASKS_AGAIN)
          assert.doesNotMatch(parsed.error.message, ASKS_AGAIN)
          assert.equal(parsed.error.message.replaceAll('\u2060', ''), said)
          assert.deepEqual([parsed.error.request_id, parsed.error.limit.used, parsed.error.param], [id, id, id])
        },
      ),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Protocol } from '../base/words.ts'
import { classifyUpstreamError, type UpstreamVerdict } from './upstream-error.ts'

type Case = [vendor: string, status: number, body: unknown, verdict: UpstreamVerdict]

const openai = (type: string | null, code: string | number | null, message = 'no') => ({
  error: { message, type, param: null, code },
})
const anthropic = (type: string, message = 'no') => ({ type: 'error', error: { type, message }, request_id: 'req_1' })

/** The error answers of the vendors in the captured corpus, one line per vendor and shape. */
const CHAT: Case[] = [
  ['Azure, unknown deployment', 404, openai('invalid_request_error', 'DeploymentNotFound'), 'rejected'],
  ['Azure Foundry, bad key', 401, openai(null, '401', 'invalid subscription key'), 'operator'],
  ['Azure Foundry, rate', 429, openai(null, 'RateLimitReached', 'Your requests have exceeded rate limit.'), 'rejected'],
  ['DeepSeek, bad content part', 400, openai('invalid_request_error', 'invalid_request_error'), 'rejected'],
  ['DeepSeek, bad key', 401, openai('authentication_error', 'invalid_request_error'), 'operator'],
  ['DeepSeek, no money', 402, openai('unknown_error', 'invalid_request_error', 'Insufficient Balance'), 'operator'],
  ['Doubleword, bad parameter', 400, openai('Bad Request', 400), 'rejected'],
  ['Doubleword, bad key', 403, openai('invalid_request_error', 'forbidden'), 'operator'],
  ['Doubleword, unknown model', 404, openai('invalid_request_error', 'model_not_found'), 'rejected'],
  ['Groq, bad tool call', 400, openai('invalid_request_error', 'tool_use_failed'), 'rejected'],
  ['Groq, bad key', 401, openai('invalid_request_error', 'invalid_api_key'), 'operator'],
  ['Groq, unknown model', 404, openai('invalid_request_error', 'model_not_found'), 'rejected'],
  ['llama.cpp, context too small', 400, openai('exceed_context_size_error', 400), 'rejected'],
  ['llama.cpp, bad key', 401, openai('authentication_error', 401), 'operator'],
  ['llama.cpp, not set up for tools', 500, openai('server_error', 500), 'unavailable'],
  ['Mistral, flat object', 400, { object: 'error', message: 'no', type: 'invalid_model', code: '1500' }, 'rejected'],
  ['Mistral, bad key', 401, { detail: 'Unauthorized' }, 'operator'],
  ['Mistral, validation', 422, { detail: [{ loc: ['body'], msg: 'field required' }] }, 'rejected'],
  ['Ollama, prompt too long', 400, openai('invalid_request_error', null, 'prompt too long'), 'rejected'],
  ['Ollama, bad key', 401, openai('api_error', null), 'operator'],
  ['OpenAI, bad parameter', 400, openai('invalid_request_error', 'unsupported_parameter'), 'rejected'],
  ['OpenAI, bad image', 400, openai('invalid_request_error', 'invalid_image_url'), 'rejected'],
  ['OpenAI, bad key', 401, openai('invalid_request_error', 'invalid_api_key'), 'operator'],
  ['OpenAI, unknown model', 404, openai('invalid_request_error', 'model_not_found'), 'rejected'],
  [
    'OpenAI, rate',
    429,
    openai('requests', 'rate_limit_exceeded', 'Rate limit reached for gpt-4o in organization'),
    'rejected',
  ],
  [
    'OpenAI, quota',
    429,
    openai('insufficient_quota', 'insufficient_quota', 'You exceeded your current quota'),
    'operator',
  ],
  ['OpenAI, failure', 500, openai('server_error', null), 'unavailable'],
  ['OpenCode Zen, no credit', 401, anthropic('CreditsError', 'Insufficient balance.'), 'operator'],
  ['OpenCode Zen, no key', 401, anthropic('AuthError'), 'operator'],
  ['OpenCode Zen, region', 403, anthropic('RegionError'), 'operator'],
  ['OpenCode Zen, free limit', 429, anthropic('FreeUsageLimitError'), 'operator'],
  ['OpenCode Go, window', 429, anthropic('GoUsageLimitError', 'Weekly usage limit reached.'), 'operator'],
  ['OpenRouter, context', 400, openai(null, 400, 'maximum context length is 200000 tokens'), 'rejected'],
  ['OpenRouter, rate', 429, openai(null, 429, 'Provider returned error'), 'rejected'],
  ['OpenRouter, no credit', 402, openai(null, 402, 'This request requires more credits'), 'operator'],
  ['Perplexity, prompt too long', 400, openai('too_many_prompt_tokens', 400), 'rejected'],
  ['Perplexity, bad key', 401, openai('invalid_api_key', 401), 'operator'],
  ['xAI, flat text', 400, { code: 'Client specified an invalid argument', error: 'no such model' }, 'rejected'],
  ['Venice, flat text', 400, { error: 'no' }, 'rejected'],
  ['Moonshot, quota', 429, openai('exceeded_current_quota_error', null), 'operator'],
  ['Z.ai, no money', 429, { error: { code: '1113', message: '余额不足或无可用资源包,请充值。' } }, 'operator'],
  [
    'Alibaba, in arrears',
    400,
    openai('Arrearage', 'Arrearage', 'Access denied, please make sure your account is in good standing'),
    'operator',
  ],
  ['a proxy in between', 502, '<html>Bad Gateway</html>', 'unavailable'],
  ['a redirect', 302, '', 'unavailable'],
  ['a bare refusal', 404, 'not found', 'rejected'],
  ['a bare refusal about money', 400, 'Your credit balance is too low.', 'operator'],
  ['quota behind a server failure', 503, openai('insufficient_quota', null), 'operator'],
]

const MESSAGES: Case[] = [
  ['Anthropic, no credit', 400, anthropic('billing_error', 'Your account has insufficient credits'), 'operator'],
  [
    'Anthropic, low balance',
    400,
    anthropic('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
    'operator',
  ],
  ['Anthropic, bad parameter', 400, anthropic('invalid_request_error', 'temperature: range: 0..1'), 'rejected'],
  ['Anthropic, bad key', 401, anthropic('authentication_error'), 'operator'],
  ['Anthropic, not allowed', 403, anthropic('permission_error'), 'operator'],
  ['Anthropic, unknown model', 404, anthropic('not_found_error'), 'rejected'],
  ['Anthropic, too large', 413, anthropic('request_too_large'), 'rejected'],
  [
    'Anthropic, rate',
    429,
    anthropic('rate_limit_error', "This request would exceed your organization's rate limit"),
    'rejected',
  ],
  ['Anthropic, failure', 500, anthropic('api_error'), 'unavailable'],
  ['Anthropic, overloaded', 529, anthropic('overloaded_error'), 'unavailable'],
]

function check(protocol: Protocol, cases: readonly Case[]): void {
  for (const [vendor, status, body, verdict] of cases) {
    it(`${status} ${vendor}: ${verdict}`, () => {
      const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
      assert.equal(classifyUpstreamError(protocol, status, bytes), verdict)
    })
  }
}

describe('classifyUpstreamError', () => {
  check('openai-chat', CHAT)
  check('anthropic-messages', MESSAGES)

  it('does not take what a user wrote for a fault of the account', () => {
    for (const message of [
      'Invalid value: "insufficient funds".',
      'unknown tool `credit balance is too low`',
      `${'x'.repeat(300)} payment required`,
    ]) {
      const body = Buffer.from(JSON.stringify(openai('invalid_request_error', 'invalid_value', message)))
      assert.equal(classifyUpstreamError('openai-chat', 400, body), 'rejected', message)
    }
  })

  it('does not read huge bodies', () => {
    const body = Buffer.from(JSON.stringify(openai('insufficient_quota', null, 'x'.repeat(300_000))))
    assert.equal(classifyUpstreamError('openai-chat', 400, body), 'rejected')
  })
})

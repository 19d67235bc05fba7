import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import Anthropic from '@anthropic-ai/sdk'
import { APICallError, generateText, type LanguageModel, streamText } from 'ai'
import OpenAI from 'openai'
import { AppError, ERROR_CODES, errorClassOf, type LimitDetail } from '../base/errors.ts'
import { PROTOCOLS, type Protocol } from '../base/words.ts'
import { encodeError } from './errors.ts'
import { encodeStreamError as encodeAt, type StreamErrorContext } from './stream-error.ts'

const NOW_MS = Date.UTC(2026, 10, 20, 8)
const context = { requestId: 'req_test', nowMs: NOW_MS }
const MESSAGE = 'The 5 hour limit of this plan is reached; it resets at 10:00 UTC.'
const limit: LimitDetail = {
  name: '5 hour',
  kind: 'session',
  scope: 'seat',
  used: '12.00',
  limit: '12.00',
  unit: 'usd',
  resetsAtMs: NOW_MS + 7_199_001,
}
const planLimit = new AppError('plan_limit', MESSAGE, { limit, metadata: { workspace: 'wrk_1' } })

type Json = Record<string, unknown> & { error: Record<string, unknown> }
const bodyOf = (encoded: { body: string }): Json => JSON.parse(encoded.body)

const position = { sequence: 0, replyId: null }
const streamContext: StreamErrorContext = { ...context, model: 'm', position, form: 'sse', hasBegun: true }
const encodeStreamError = (protocol: Protocol, error: AppError) => encodeAt(protocol, error, streamContext)

describe('encodeError', () => {
  it('gives every code in every shape its status, type, code, message and request id', () => {
    for (const protocol of PROTOCOLS) {
      for (const code of ERROR_CODES) {
        const encoded = encodeError(protocol, new AppError(code, MESSAGE), context)
        const { type, error } = bodyOf(encoded)
        assert.equal(encoded.status, errorClassOf(code).status)
        assert.equal(encoded.headers['content-type'], 'application/json')
        assert.equal(encoded.headers['x-request-id'], 'req_test')
        assert.deepEqual(
          [type, error.type, error.message, error.request_id],
          ['error', errorClassOf(code).compatibleType, MESSAGE, 'req_test'],
        )
        if (protocol !== 'google-generate') assert.equal(error.code, code)
      }
    }
  })

  it('gives the limit with its numbers, and the name that clients of the public service look for', () => {
    for (const protocol of PROTOCOLS) {
      const body = bodyOf(encodeError(protocol, planLimit, context))
      assert.deepEqual(body.metadata, { limitName: '5 hour', workspace: 'wrk_1' })
      assert.deepEqual(body.error.limit, {
        name: '5 hour',
        kind: 'session',
        scope: 'seat',
        used: '12.00',
        limit: '12.00',
        unit: 'usd',
        resets_at: '2026-11-20T09:59:59.001Z',
      })
    }
    const endless = new AppError('insufficient_balance', MESSAGE, { limit: { ...limit, resetsAtMs: null } })
    assert.deepEqual((bodyOf(encodeError('openai-chat', endless, context)).error.limit as Json).resets_at, null)
  })

  it('has metadata on every 429, as the public service does', () => {
    assert.deepEqual(bodyOf(encodeError('openai-chat', new AppError('rate_limited', 'x'), context)).metadata, {})
    assert.equal('metadata' in bodyOf(encodeError('openai-chat', new AppError('internal', 'x'), context)), false)
  })

  it('says retry-after only when waiting helps, in whole seconds that are always enough', () => {
    const retryAfter = (error: AppError) => encodeError('openai-chat', error, context).headers['retry-after']
    assert.equal(retryAfter(planLimit), '7200')
    assert.equal(retryAfter(new AppError('plan_limit', 'x', { limit: { ...limit, resetsAtMs: NOW_MS - 5 } })), '1')
    assert.equal(retryAfter(new AppError('rate_limited', 'x', { retryAfterSeconds: 2.2 })), '3')
    assert.equal(retryAfter(new AppError('overloaded', 'x', { retryAfterSeconds: 0 })), '1')
    assert.equal(retryAfter(new AppError('overloaded', 'x')), undefined)
    assert.equal(retryAfter(new AppError('plan_limit', 'x', { limit: { ...limit, resetsAtMs: null } })), undefined)
    assert.equal(retryAfter(new AppError('insufficient_balance', 'x', { limit, retryAfterSeconds: 5 })), undefined)
  })

  it('tells SDKs not to repeat what would fail again, nor to sleep until a limit resets', () => {
    for (const code of ERROR_CODES) {
      const { retry } = errorClassOf(code)
      const header = encodeError('openai-chat', new AppError(code, 'x'), context).headers['x-should-retry']
      assert.equal(header, retry === 'never' || retry === 'at_reset' ? 'false' : undefined, code)
    }
  })

  it('names the field at fault', () => {
    const error = new AppError('invalid_request', 'x', { param: 'max_tokens' })
    assert.equal(bodyOf(encodeError('openai-chat', error, context)).error.param, 'max_tokens')
    assert.equal(bodyOf(encodeError('openai-chat', new AppError('internal', 'x'), context)).error.param, null)
  })

  it('never tells the cause', () => {
    const error = new AppError('internal', 'Something went wrong.', { cause: new Error('postgres://secret') })
    for (const protocol of PROTOCOLS) assert.ok(!encodeError(protocol, error, context).body.includes('secret'))
  })

  it('keeps the status that replaces that of the class', () => {
    assert.equal(encodeError('openai-chat', new AppError('invalid_request', 'x', { status: 405 }), context).status, 405)
  })

  it('speaks google.rpc.Status: a number as code, the reason and the delay in details', () => {
    const { error } = bodyOf(encodeError('google-generate', planLimit, context))
    assert.deepEqual([error.code, error.status], [429, 'RESOURCE_EXHAUSTED'])
    assert.deepEqual(error.details, [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'QUOTA_EXHAUSTED',
        domain: 'zendo',
        metadata: { code: 'plan_limit' },
      },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7200s' },
    ])
    const statuses = ERROR_CODES.map(
      (code) => bodyOf(encodeError('google-generate', new AppError(code, 'x'), context)).error.status,
    )
    assert.ok(statuses.every((status) => typeof status === 'string' && /^[A-Z_]+$/.test(status)))
  })
})

describe('encodeStreamError', () => {
  const error = new AppError('upstream_unavailable', 'The answer broke off.')

  it('is one chat event without a [DONE]', () => {
    const text = encodeStreamError('openai-chat', error)
    assert.match(text, /^data: \{"error":\{[^\n]*\}\}\n\n$/)
    assert.ok(!text.includes('[DONE]'))
  })

  it('is one messages event of the error kind', () => {
    const text = encodeStreamError('anthropic-messages', error)
    const [, json = ''] = /^event: error\ndata: (.*)\n\n$/.exec(text) ?? []
    const body: Json = JSON.parse(json)
    assert.deepEqual([body.type, body.error.type, body.error.code], ['error', 'api_error', 'upstream_unavailable'])
  })

  it("has a type of Anthropic's for every code", () => {
    const known = /"type":"(?:invalid_request_error|rate_limit_error|overloaded_error|api_error)"/
    for (const code of ERROR_CODES)
      assert.match(encodeStreamError('anthropic-messages', new AppError(code, 'x')), known)
  })
})

/** What each SDK's user sees, asked of the real SDKs over a real socket. */
describe('the SDKs show the message', () => {
  let next: { status: number; headers: Record<string, string>; body: string }
  let requests = 0
  const server = createServer((_request, response) => {
    requests++
    response.writeHead(next.status, next.headers)
    response.end(next.body)
  })
  let baseURL = ''
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => server.close())

  const messages = [{ role: 'user' as const, content: 'hi' }]
  const openai = () => new OpenAI({ apiKey: 'k', baseURL })
  const anthropic = () => new Anthropic({ apiKey: 'k', baseURL })

  async function failureOf(work: () => Promise<unknown>): Promise<Error> {
    requests = 0
    try {
      await work()
    } catch (error) {
      assert.ok(error instanceof Error)
      return error
    }
    assert.fail('did not throw')
  }

  it('openai: class by status, message, code, type and request id, and asks once', async () => {
    next = encodeError('openai-chat', planLimit, context)
    const error = await failureOf(() => openai().chat.completions.create({ model: 'm', messages }))
    assert.ok(error instanceof OpenAI.RateLimitError)
    assert.equal(error.message, `429 ${MESSAGE}`)
    assert.deepEqual([error.code, error.type, error.requestID], ['plan_limit', 'GoUsageLimitError', 'req_test'])
    assert.equal(requests, 1)
  })

  it('@anthropic-ai/sdk: class by status, message, type and request id, and asks once', async () => {
    next = encodeError('anthropic-messages', planLimit, context)
    const error = await failureOf(() => anthropic().messages.create({ model: 'm', max_tokens: 5, messages }))
    assert.ok(error instanceof Anthropic.RateLimitError)
    assert.ok(error.message.includes(MESSAGE))
    assert.deepEqual([error.apiMessage, error.type, error.requestID], [MESSAGE, 'GoUsageLimitError', 'req_test'])
    assert.equal(requests, 1)
  })

  const models: Record<string, () => LanguageModel> = {
    'openai-chat': () => createOpenAICompatible({ name: 'zendo', apiKey: 'k', baseURL })('m'),
    'anthropic-messages': () => createAnthropic({ apiKey: 'k', baseURL })('m'),
  }
  for (const protocol of ['openai-chat', 'anthropic-messages'] as const) {
    it(`AI SDK over ${protocol}: the message alone, and whether to ask again by status`, async () => {
      for (const [code, isRetryable] of [
        ['insufficient_balance', false],
        ['model_not_found', false],
        ['upstream_unavailable', true],
      ] as const) {
        next = encodeError(protocol, new AppError(code, MESSAGE), context)
        const model = models[protocol]?.() as LanguageModel
        const error = await failureOf(() => generateText({ model, prompt: 'hi', maxRetries: 0, maxOutputTokens: 5 }))
        assert.ok(APICallError.isInstance(error))
        assert.deepEqual([error.message, error.isRetryable], [MESSAGE, isRetryable], code)
      }
    })
  }

  const cutOff = new AppError('upstream_unavailable', 'The answer broke off.')
  const inStream = (head: string, protocol: 'openai-chat' | 'anthropic-messages'): void => {
    next = {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: head + encodeStreamError(protocol, cutOff),
    }
  }
  const chatHead =
    'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
  const messagesHead =
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n' +
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n' +
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'

  it('openai: an error in the stream throws its message', async () => {
    inStream(chatHead, 'openai-chat')
    const error = await failureOf(async () => {
      for await (const _ of await openai().chat.completions.create({ model: 'm', messages, stream: true }));
    })
    assert.equal(error.message, 'The answer broke off.')
  })

  it('@anthropic-ai/sdk: an error in the stream throws its message and type', async () => {
    inStream(messagesHead, 'anthropic-messages')
    const error = await failureOf(async () => {
      for await (const _ of await anthropic().messages.create({ model: 'm', max_tokens: 5, messages, stream: true }));
    })
    assert.ok(error instanceof Anthropic.APIError)
    assert.deepEqual([error.apiMessage, error.type], ['The answer broke off.', 'api_error'])
  })

  for (const [protocol, head] of [
    ['openai-chat', chatHead],
    ['anthropic-messages', messagesHead],
  ] as const) {
    it(`AI SDK over ${protocol}: an error in the stream is an error part with the message`, async () => {
      inStream(head, protocol)
      const model = models[protocol]?.() as LanguageModel
      const errors: unknown[] = []
      const result = streamText({
        model,
        prompt: 'hi',
        maxRetries: 0,
        maxOutputTokens: 5,
        onError: ({ error }) => void errors.push(error),
      })
      await result.consumeStream()
      assert.equal(errors.length, 1)
      assert.match(JSON.stringify(errors[0], ['message', 'error']) + String(errors[0]), /The answer broke off\./)
    })
  }
})

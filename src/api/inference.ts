/** The inference routes: turn a visit into what the gateway understands, and nothing more. */
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import { mergeTags } from '../domain/tags.ts'
import { countTokens } from '../gateway/count-tokens.ts'
import { handleInference } from '../gateway/inference.ts'
import type { InferenceRequest } from '../gateway/inference-request.ts'
import { forwardedHeaders } from '../upstream/headers.ts'
import { addressOf } from './address.ts'
import { readBody } from './body.ts'
import { countedBody, readGoogleTarget } from './google-path.ts'
import { baseHeaders, sendJson } from './reply.ts'
import type { RouteDefinition, Visit } from './routes.ts'

/** Whichever of these a client sends names its session; opencode's own first. */
const SESSION_HEADERS = [
  'x-zendo-session',
  'x-opencode-session',
  'x-session-affinity',
  'x-claude-code-session-id',
  'session-id',
  'session_id',
  'x-session-id',
]
/** Without a key anyone could fill the memory with bodies; a long agent session is well below this. */
const ANONYMOUS_BODY_BYTES = 2 * 1024 * 1024
const SESSION_FORM = /^[\w.:-]{1,128}$/

export const inferenceRoutes: readonly RouteDefinition[] = [
  inferenceRoute('chat/completions', 'openai-chat'),
  inferenceRoute('responses', 'openai-responses'),
  inferenceRoute('messages', 'anthropic-messages'),
  countRoute('messages/count_tokens', 'anthropic-messages', (tokens) => ({ input_tokens: tokens })),
  countRoute('responses/input_tokens', 'openai-responses', (tokens) => ({
    object: 'response.input_tokens',
    input_tokens: tokens,
  })),
  {
    method: 'POST',
    pattern: 'P/models/*',
    auth: 'key_or_free_model',
    access: 'key',
    use: 'inference',
    rate: 'inference',
    operation: null,
    protocol: 'google-generate',
    handle: answerGoogle,
  },
  // Codex tries a WebSocket first; 426 is the one answer that sends it on to POST at once.
  {
    method: 'GET',
    pattern: 'P/responses',
    auth: 'none',
    access: 'public',
    use: null,
    rate: 'none',
    operation: null,
    protocol: 'openai-responses',
    handle: refuseUpgrade,
  },
]

function inferenceRoute(tail: string, protocol: Protocol): RouteDefinition {
  return {
    method: 'POST',
    pattern: `P/${tail}`,
    auth: 'key_or_free_model',
    access: 'key',
    use: 'inference',
    rate: 'inference',
    operation: null,
    protocol,
    handle: async (visit) => infer(visit, await readInference(visit, protocol)),
  }
}

function infer(visit: Visit, request: InferenceRequest): Promise<void> {
  return handleInference(visit.gateway, request, { response: visit.response, headers: baseHeaders(visit.id) })
}

function countRoute(tail: string, protocol: Protocol, answer: (tokens: number) => unknown): RouteDefinition {
  return {
    method: 'POST',
    pattern: `P/${tail}`,
    auth: 'key_or_free_model',
    access: 'key',
    use: 'inference',
    rate: 'inference',
    operation: null,
    protocol,
    handle: async (visit) => {
      const tokens = await countTokens(visit.gateway, await readInference(visit, protocol), visit.response)
      sendJson(visit.response, visit.id, answer(tokens))
    },
  }
}

/** `models/{id}:generateContent`, `:streamGenerateContent`, `:countTokens` */
async function answerGoogle(visit: Visit): Promise<void> {
  const { action, model, form } = readGoogleTarget(visit.tail, visit.query)
  const request = await readInference(visit, 'google-generate')
  const path = { model, stream: action === 'streamGenerateContent' }
  if (action !== 'countTokens') {
    await infer(visit, { ...request, path, form })
    return
  }
  const body = countedBody(request.body)
  const totalTokens = await countTokens(visit.gateway, { ...request, path, body }, visit.response)
  sendJson(visit.response, visit.id, { totalTokens })
}

function refuseUpgrade(visit: Visit): void {
  if (visit.request.headers.upgrade === undefined) {
    throw new AppError('route_not_found', 'Answers are not kept here; POST gives one.')
  }
  throw new AppError('unsupported_feature', 'WebSockets are not served here. Use POST.', { status: 426 })
}

async function readInference(visit: Visit, protocol: Protocol): Promise<InferenceRequest> {
  const { request, owner } = visit
  const { headers } = request
  const { maxBodyBytes } = visit.options
  const limit = owner ? maxBodyBytes : Math.min(maxBodyBytes, ANONYMOUS_BODY_BYTES)
  const body = withoutMark(await readBody(request, limit))
  if (body.length === 0) throw new AppError('invalid_request', 'The request has no body. Send a JSON object.')
  return {
    id: visit.id,
    product: visit.product,
    protocol,
    path: null,
    form: 'sse',
    body,
    owner,
    address: addressOf(request, visit.options.trustedProxies),
    session: sessionOf(visit),
    tags: mergeTags(owner?.tags ?? [], String(headers['x-zendo-tags'] ?? '')),
    idempotencyKey: idempotencyKeyOf(headers['idempotency-key']),
    forwardHeaders: forwardedHeaders(headers),
    strict: headers['x-zendo-strict'] === 'true',
    includeCost: /(?:^|,)\s*cost\s*(?:,|$)/.test(String(headers['x-zendo-include'] ?? '')),
  }
}

/** A byte order mark is no part of JSON, and nobody behind this needs to know it. */
function withoutMark(body: Buffer): Buffer {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body
}

const IDEMPOTENCY_KEY_FORM = /^[\x21-\x7e]{1,200}$/

/** @throws AppError invalid_request for one that could not stand on a row as it came. */
function idempotencyKeyOf(value: string | string[] | undefined): string | null {
  if (value === undefined || value === '') return null
  if (typeof value === 'string' && IDEMPOTENCY_KEY_FORM.test(value)) return value
  throw new AppError('invalid_request', 'An Idempotency-Key is 1 to 200 visible ASCII characters, sent once.', {
    param: 'Idempotency-Key',
  })
}

function sessionOf(visit: Visit): string | null {
  for (const name of SESSION_HEADERS) {
    const value = visit.request.headers[name]
    if (typeof value === 'string' && SESSION_FORM.test(value)) return value
  }
  return null
}

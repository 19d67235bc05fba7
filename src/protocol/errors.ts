/**
 * Writes errors in the shape of the caller's protocol, readable at the same time for clients of the public service.
 *
 * Sources: OpenAI "Error codes" (`error: {message, type, param, code}`), Anthropic "Errors" (`type: "error"`,
 * `error: {type, message}`, `request_id`), Google `google.rpc.Status` with `ErrorInfo` and `RetryInfo`, and the
 * public service's one shape for all of them (`type: "error"`, `error: {type, message}`, `metadata.limitName`).
 */
import { type AppError, type ErrorCode, errorClassOf, type LimitDetail } from '../base/errors.ts'
import { formatInstant, secondsUntil } from '../base/time.ts'
import type { Protocol } from '../base/words.ts'
import type { ClientProfile } from './client-profile.ts'
import type { RelayProtocol } from './relay-protocol.ts'

export interface ErrorContext {
  readonly requestId: string
  readonly nowMs: number
  /** Who is asking; by default no client of special habits. */
  readonly profile?: ClientProfile
}

export interface EncodedError {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

type Members = Record<string, unknown>

/** An error that is the whole answer. */
export function encodeError(protocol: Protocol, error: AppError, context: ErrorContext): EncodedError {
  const waitSeconds = retryAfterSeconds(error, context.nowMs)
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-request-id': context.requestId }
  // Anthropic's SDK looks for the id under this name only.
  if (protocol === 'anthropic-messages') headers['request-id'] = context.requestId
  if (waitSeconds !== null) headers['retry-after'] = String(waitSeconds)
  if (mustNotRepeat(error.code)) headers['x-should-retry'] = 'false'
  const body = {
    type: 'error',
    error: protocol === 'google-generate' ? googleError(error, context, waitSeconds) : commonError(error, context),
    ...(protocol === 'anthropic-messages' ? { request_id: context.requestId } : {}),
    ...metadata(error),
  }
  return { status: statusFor(error, context.profile), headers, body: JSON.stringify(body) }
}

/** A used-up limit is 429, which the public service's clients know; those that would hammer on it get 402, and stop. */
function statusFor(error: AppError, profile: ClientProfile = 'other'): number {
  return profile === 'ai-sdk' && errorClassOf(error.code).retry === 'at_reset' ? 402 : error.status
}

/**
 * An error after the first byte, as one event. Nothing may follow it: chat gets no `[DONE]`, messages no
 * `message_stop`.
 */
export function encodeStreamError(protocol: RelayProtocol, error: AppError, context: ErrorContext): string {
  const members = commonError(error, context)
  if (protocol === 'openai-chat') return `data: ${JSON.stringify({ error: members })}\n\n`
  const body = { type: 'error', error: { ...members, type: anthropicType(error.code) }, request_id: context.requestId }
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`
}

/**
 * OpenAI's and Anthropic's error object in one.
 *
 * `type` is the public service's name on every route: opencode matches it, while the official SDKs of both families
 * choose their error class by status and show `message` whatever the type says.
 */
function commonError(error: AppError, context: ErrorContext): Members {
  return {
    type: errorClassOf(error.code).compatibleType,
    code: error.code,
    message: error.message,
    param: error.param ?? null,
    request_id: context.requestId,
    ...(error.limit ? { limit: limitMembers(error.limit) } : {}),
  }
}

function limitMembers(limit: LimitDetail): Members {
  const { name, kind, scope, used, unit } = limit
  const resetsAt = limit.resetsAtMs === null ? null : formatInstant(limit.resetsAtMs)
  return { name, kind, scope, used, limit: limit.limit, unit, resets_at: resetsAt }
}

/** The public service has the member on every 429. */
function metadata(error: AppError): Members {
  const members = { ...(error.limit ? { limitName: error.limit.name } : {}), ...error.metadata }
  return error.status === 429 || Object.keys(members).length > 0 ? { metadata: members } : {}
}

/** Whole seconds, at least one: some clients hammer on zero. Null when waiting does not help or its end is unknown. */
function retryAfterSeconds(error: AppError, nowMs: number): number | null {
  if (errorClassOf(error.code).retry === 'never') return null
  if (error.retryAfterSeconds !== undefined) return Math.max(1, Math.ceil(error.retryAfterSeconds))
  const resetsAtMs = error.limit?.resetsAtMs ?? null
  return resetsAtMs === null ? null : Math.max(1, secondsUntil(resetsAtMs, nowMs))
}

/** An SDK that waits for hours by itself looks as if it hung: limits end the run with their message. */
function mustNotRepeat(code: ErrorCode): boolean {
  const { retry } = errorClassOf(code)
  return retry === 'never' || retry === 'at_reset'
}

/** In a stream there is no status: AI SDK and Claude Code tell by Anthropic's own type whether to ask again. */
function anthropicType(code: ErrorCode): string {
  if (errorClassOf(code).retry === 'never') return 'invalid_request_error'
  if (code === 'rate_limited' || errorClassOf(code).retry === 'at_reset') return 'rate_limit_error'
  return code === 'overloaded' || code === 'shutting_down' ? 'overloaded_error' : 'api_error'
}

const GOOGLE_STATUSES: ReadonlyMap<number, string> = new Map([
  [400, 'INVALID_ARGUMENT'],
  [401, 'UNAUTHENTICATED'],
  [402, 'FAILED_PRECONDITION'],
  [403, 'PERMISSION_DENIED'],
  [404, 'NOT_FOUND'],
  [408, 'DEADLINE_EXCEEDED'],
  [429, 'RESOURCE_EXHAUSTED'],
  [500, 'INTERNAL'],
  [503, 'UNAVAILABLE'],
])

/** `code` is the status, a number, as `google.rpc.Status` has it: the gateway's own code stands in `ErrorInfo`. */
function googleError(error: AppError, context: ErrorContext, waitSeconds: number | null): Members {
  const { code: _code, ...members } = commonError(error, context)
  // Gemini CLI gives up at once on this reason, and waits on any other.
  const reason = errorClassOf(error.code).retry === 'at_reset' ? 'QUOTA_EXHAUSTED' : error.code.toUpperCase()
  const details: Members[] = [
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'zendo', metadata: { code: error.code } },
  ]
  if (waitSeconds !== null) {
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${waitSeconds}s` })
  }
  const status = GOOGLE_STATUSES.get(error.status) ?? (error.status < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE')
  return { ...members, code: error.status, status, details }
}

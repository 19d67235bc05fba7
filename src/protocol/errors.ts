/**
 * Writes errors in the shape of the caller's protocol, readable at the same time for clients of the public service.
 *
 * Sources: OpenAI "Error codes" (`error: {message, type, param, code}`), Anthropic "Errors" (`type: "error"`,
 * `error: {type, message}`, `request_id`), Google `google.rpc.Status` with `ErrorInfo` and `RetryInfo`, and the
 * public service's one shape for all of them (`type: "error"`, `error: {type, message}`, `metadata.limitName`).
 */
import { type AppError, compatibleTypeOf, type ErrorCode, errorClassOf, type LimitDetail } from '../base/errors.ts'
import { formatInstant, secondsUntil } from '../base/time.ts'
import type { Protocol } from '../base/words.ts'
import type { ClientProfile } from './client-profile.ts'

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
  const signal = signalFor(error, context.profile)
  const status = statusFor(error, signal)
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-request-id': context.requestId }
  // Anthropic's SDK looks for the id under this name only.
  if (protocol === 'anthropic-messages') headers['request-id'] = context.requestId
  if (waitSeconds !== null) headers['retry-after'] = String(waitSeconds)
  if (mustNotRepeat(error.code) && !signal.mayRepeat) headers['x-should-retry'] = 'false'
  const members = { ...commonError(error, context), ...signal.members?.(error) }
  const body = JSON.stringify({
    // Some clients print the body as it is, so what people should read comes first.
    error: protocol === 'google-generate' ? googleError(error, { members, status, waitSeconds, signal }) : members,
    type: 'error',
    ...(protocol === 'anthropic-messages' ? { request_id: context.requestId } : {}),
    ...metadata(error),
  })
  return { status, headers: { ...headers, ...signal.headers?.(error) }, body: signal.rewrite?.(body) ?? body }
}

/** A status that was chosen for this one error, as 426 for an upgrade, says more than any profile knows. */
function statusFor(error: AppError, signal: Signal): number {
  return error.status === errorClassOf(error.code).status ? (signal.status ?? error.status) : error.status
}

/** How a client is told a refusal so that it stops and shows the message: what differs from the general form. */
interface Signal {
  readonly status?: number
  /** Leaves out `x-should-retry: false`. */
  readonly mayRepeat?: boolean
  readonly headers?: (error: AppError) => Record<string, string>
  /** Replace those of the error object. */
  readonly members?: (error: AppError) => Members
  /** Who speaks in Google's `ErrorInfo`. */
  readonly domain?: string
  /** The last hand on the finished JSON. */
  readonly rewrite?: (body: string) => string
}

/**
 * What a refusal is about. `limit` is over at a known time, and when requests under way are all that is in its way
 * (`busy`) in a few seconds; the others are met again by every repetition.
 */
type Refusal = 'limit' | 'busy' | 'money' | 'key' | 'access' | 'request'

const PLAIN: Signal = {}
const QUIET: Signal = { members: partPassingFaults, rewrite: escapePassingFaults }
const CODEX_LIMIT: Signal = { members: codexLimitMembers, headers: codexLimitHeaders }

/** Tested with the clients themselves; `docs/decisions/011-client-profiles.md` has what each of them does. */
const SIGNALS: Readonly<Record<ClientProfile, Readonly<Partial<Record<Refusal, Signal>>>>> = {
  // On 429 it waits for the reset, `opencode run` without a word.
  opencode: { limit: { ...QUIET, status: 402 }, money: QUIET, key: QUIET, access: QUIET, request: QUIET },
  // It takes 403 for a matter of the key, has a text of its own on 404, and does as `x-should-retry` says.
  'claude-code': { busy: { mayRepeat: true }, key: { members: partKeyHeader }, access: { status: 410 } },
  // It asks six times on everything but 400, and 429 of a type of its own.
  codex: {
    limit: CODEX_LIMIT,
    money: { ...CODEX_LIMIT, status: 429 },
    key: { status: 400 },
    access: { status: 400 },
    request: { status: 400 },
  },
  // It takes a used-up quota for final only from this domain: from others it waits when the reset is near.
  'gemini-cli': { limit: { domain: 'cloudcode-pa.googleapis.com' } },
  'ai-sdk': { limit: { status: 402 } },
  other: {},
}

/** Whatever heals by waiting is told to everybody alike. */
function signalFor(error: AppError, profile: ClientProfile = 'other'): Signal {
  const refusal = refusalOf(error)
  return (refusal === null ? null : SIGNALS[profile][refusal]) ?? PLAIN
}

function refusalOf({ code, retryAfterSeconds }: AppError): Refusal | null {
  const { retry, status, compatibleType } = errorClassOf(code)
  if (retry === 'at_reset') return retryAfterSeconds === undefined ? 'limit' : 'busy'
  if (retry !== 'never') return null
  if (status === 402) return 'money'
  if (compatibleType === 'AuthError') return 'key'
  return compatibleType === 'InvalidRequestError' ? 'request' : 'access'
}

/**
 * What opencode takes for a passing fault wherever it stands, in the message or in the body, whatever the status: these
 * numbers, so that a balance of $500.02 or a request id was enough, and these words.
 */
const PASSING =
  /429|50[0234]|524|rate[ _-]limit|rate increased too|too many requests|overloaded|service[ _-]unavailable|(?:internal|server|network)[ _-]error|internal server|provider[ _-]returned|terminated|fetch failed|failed to fetch|upstream connect|connection (?:error|refused|lost)|socket (?:hang|connection)|reset before|getaddrinfo|enotfound|eai_again|econn|etimedout|time(?:out|d out| out)|retry your request|try your request|try again (?:in|later)|resource[ _]exhausted|at capacity/gi
const WORD_JOINER = '\u2060'

/** The same on screen: a joiner, which has no width, parts what must not be found. */
function partPassingFaults({ message }: AppError): Members {
  return { message: breakMatches(message, PASSING, (second) => WORD_JOINER + second) }
}

/** Where this header is named, Claude Code says that its user is not logged in. */
function partKeyHeader({ message }: AppError): Members {
  return { message: breakMatches(message, /x-api-key/gi, (second) => WORD_JOINER + second) }
}

/** The same JSON with a character escaped. All of it stands in texts, for no refusal told so has the status 429 or 5xx. */
function escapePassingFaults(body: string): string {
  return breakMatches(body, PASSING, (second) => `\\u${second.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** @param rewrite of the second character of each; numbers overlap, as in 50429, so that one pass is not enough */
function breakMatches(text: string, pattern: RegExp, rewrite: (second: string) => string): string {
  let broken = text
  while (broken.search(pattern) >= 0) {
    broken = broken.replace(pattern, (found) => found.slice(0, 1) + rewrite(found.slice(1, 2)) + found.slice(2))
  }
  return broken
}

/** Codex has a text of its own for this type, with the time of the reset in it; in seconds. */
function codexLimitMembers({ limit }: AppError): Members {
  const resetsAtMs = limit?.resetsAtMs ?? null
  return { type: 'usage_limit_reached', ...(resetsAtMs === null ? {} : { resets_at: Math.ceil(resetsAtMs / 1000) }) }
}

/** … and makes what this header says a part of its sentence. */
function codexLimitHeaders({ message }: AppError): Record<string, string> {
  return { 'x-codex-promo-message': message.replace(/[^\x20-\x7e]/g, '').replace(/\.$/, '') }
}

/**
 * OpenAI's and Anthropic's error object in one.
 *
 * `type` is the public service's name on every route: opencode matches it, while the official SDKs of both families
 * choose their error class by status and show `message` whatever the type says.
 */
export function commonError(error: AppError, context: ErrorContext): Members {
  return {
    message: error.message,
    type: compatibleTypeOf(error),
    // A refusal of the upstream is told in its own words, whatever protocol they are translated to.
    code: error.upstreamCode ?? error.code,
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

interface GoogleErrorParts {
  readonly members: Members
  readonly status: number
  readonly waitSeconds: number | null
  readonly signal: Signal
}

/** `code` is the status, a number, as `google.rpc.Status` has it: the gateway's own code stands in `ErrorInfo`. */
function googleError(error: AppError, { members, status, waitSeconds, signal }: GoogleErrorParts): Members {
  const { code: _code, ...named } = members
  // Gemini CLI gives up at once on this reason, and waits on any other.
  const reason = errorClassOf(error.code).retry === 'at_reset' ? 'QUOTA_EXHAUSTED' : error.code.toUpperCase()
  const domain = signal.domain ?? 'zendo'
  const details: Members[] = [
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain, metadata: { code: error.code } },
  ]
  if (waitSeconds !== null) {
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${waitSeconds}s` })
  }
  const name = GOOGLE_STATUSES.get(status) ?? (status < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE')
  return { ...named, code: status, status: name, details }
}

/** What an upstream says against a request, for a client of another protocol: its words, less what they give away. */
import { AppError } from '../base/errors.ts'
import type { Provider } from '../domain/catalog.ts'
import type { ReplyError } from '../protocol/reply-summary.ts'
import { errorStatus } from '../protocol/upstream-error.ts'
import { redactProvider } from './redact.ts'

const MAX_MESSAGE_LENGTH = 2000
/** A word, and no secret or sentence. */
const CODE_FORM = /^[a-z][a-z0-9_]{2,63}$/
/** Vendors without a code of their own say it so. Agents shorten the conversation on OpenAI's word for it. */
const TOO_LONG = /prompt is too long|context (?:length|window)|maximum context|input token count .* exceeds/i

export interface RejectionHead {
  readonly status: number
  /** When it may be asked again, as it said itself. */
  readonly retryAfterSeconds: number | null
}

/** A refusal with a status of its own, before anything was sent. */
export function rejection(error: ReplyError | null, provider: Provider, head: RejectionHead): AppError {
  const { status, retryAfterSeconds } = head
  const message = wordsOf(error, provider) ?? `The model's provider refused this request (status ${status}).`
  return new AppError('upstream_rejected', message, {
    status,
    upstreamCode: codeOf(error),
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  })
}

/**
 * An error in the middle of a stream. Only what the upstream itself calls the request's fault is told as one: anything
 * else is its own, and may be better at the next try.
 */
export function streamRejection(error: ReplyError | null, provider: Provider): AppError {
  const words = wordsOf(error, provider)
  const status = errorStatus(error) ?? 503
  if (status < 500) return rejection(error, provider, { status, retryAfterSeconds: null })
  return new AppError('upstream_unavailable', words ?? "The model's provider broke its answer off.")
}

function wordsOf(error: ReplyError | null, provider: Provider): string | null {
  return error?.message ? redactProvider(provider, error.message).slice(0, MAX_MESSAGE_LENGTH) : null
}

function codeOf(error: ReplyError | null): string | undefined {
  if (error?.code && CODE_FORM.test(error.code)) return error.code
  return error?.message && TOO_LONG.test(error.message) ? 'context_length_exceeded' : undefined
}

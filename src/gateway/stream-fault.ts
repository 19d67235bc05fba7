/** What can be wrong with a stream, and what its client is told of it. */
import { AppError, type ErrorCode } from '../base/errors.ts'
import type { Outcome } from '../domain/charge-policy.ts'
import type { ReplyError } from '../protocol/reply-summary.ts'
import { classifyUpstreamError, errorStatus, type UpstreamVerdict } from '../protocol/upstream-error.ts'
import type { UpstreamFailure } from '../upstream/client.ts'
import type { Dispatch } from './dispatch.ts'
import type { Gateway } from './gateway.ts'
import { ownKeyFailure } from './own-key-error.ts'

/** What an error inside a stream is about. */
export function verdictOf({ protocol }: Dispatch, { type, code, message, status }: ReplyError): UpstreamVerdict {
  const body = Buffer.from(JSON.stringify({ error: { type, code, message } }))
  return classifyUpstreamError(protocol, status ?? 400, body)
}

/** What to tell of the workspace's own account where an error is about that; it is noted for whoever looks after it. */
export function ownKeyFault({ ownKeys }: Gateway, { route }: Dispatch, error: ReplyError | null): AppError | null {
  const { own, id } = route.provider
  if (!own || !error) return null
  const end = { kind: 'failed', reason: 'operator', status: errorStatus(error), retryAfterSeconds: null } as const
  const failure = ownKeyFailure(id, end)
  if (!failure) return null
  ownKeys.report(own.credentialId, failure.reason)
  return failure.error
}

export function errorCodeOf(outcome: Outcome): ErrorCode | null {
  if (outcome === 'operator_fault') return 'shutting_down'
  return outcome === 'upstream_cut' || outcome === 'upstream_failed' ? 'upstream_unavailable' : null
}

export function ownFault(cause: unknown): AppError {
  return new AppError('internal', 'Something went wrong in Zendo; the request id finds it in the log.', { cause })
}

/** What a client is told whose answer a shutdown ended. */
export function interrupted(): AppError {
  return new AppError('shutting_down', 'Zendo is restarting; this answer is not charged. Please retry your request.', {
    retryAfterSeconds: 2,
  })
}

export function upstreamCut(failure: UpstreamFailure | null): AppError {
  const reason =
    failure === 'idle_timeout' || failure === 'total_timeout'
      ? 'The model stopped sending before its answer was complete.'
      : "The model's answer broke off before it was complete."
  return new AppError('upstream_unavailable', `${reason} What is missing was not charged. Please retry your request.`)
}

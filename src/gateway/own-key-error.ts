/** What is told when a workspace's own provider key fails: whose key it is, and never as if it were Zendo's. */
import { AppError } from '../base/errors.ts'
import type { AttemptEnd } from './attempt.ts'

/** Why an own key did not serve, in a few words for a row, a header and the workspace's admins. */
export interface OwnKeyFailure {
  /** `refused (401)` */
  readonly reason: string
  /** With the provider: `acme refused (401)`. */
  readonly note: string
  readonly error: AppError
}

const DEFAULT_RETRY_SECONDS = 2
const MAX_RETRY_SECONDS = 60

/** Null for an end that says nothing against the key or its provider: an answer, or a refusal of this very request. */
export function ownKeyFailure(provider: string, end: AttemptEnd): OwnKeyFailure | null {
  const told = tell(provider, end)
  return told && { ...told, note: `${provider} ${told.reason}` }
}

type Told = Omit<OwnKeyFailure, 'note'>

function tell(provider: string, end: AttemptEnd): Told | null {
  if (end.kind === 'rejected') return end.isPassing ? rateLimited(provider, end.answer) : null
  if (end.kind !== 'failed' || end.reason === 'aborted' || end.reason === 'interrupted') return null
  return end.reason === 'operator' ? refused(provider, end.status) : unreachable(provider, end)
}

/** Answers of a passing kind: how often, at the same time as another, too early. */
function rateLimited(
  provider: string,
  { status, retryAfterSeconds }: { readonly status: number; readonly retryAfterSeconds: number | null },
): Told {
  return {
    reason: `rate-limited (${status})`,
    error: new AppError(
      'upstream_rejected',
      `${provider} takes no more requests right now with the workspace's own key (status ${status}). Nothing was charged by this gateway.`,
      { status, upstreamCode: 'rate_limit_exceeded', ...waiting(retryAfterSeconds) },
    ),
  }
}

/** 402 and a used-up quota are about the account's money; anything else about the key itself. */
function refused(provider: string, status: number | null): Told {
  const isMoney = status === 402 || status === 429
  return {
    reason: isMoney ? `out of credit or quota (${status})` : `refused (${status ?? 'no status'})`,
    error: new AppError(
      'upstream_rejected',
      isMoney
        ? `The account of the workspace's own key for ${provider} is out of credit or quota (status ${status}). Nothing was charged by this gateway. Add credit there, or have an admin change how the key is used.`
        : `${provider} refused the workspace's own key (status ${status ?? 'unknown'}). It is not about the key of this gateway. Nothing was charged; have an admin replace the workspace's key for ${provider}.`,
      { status: isMoney ? 402 : 403 },
    ),
  }
}

function unreachable(provider: string, end: Extract<AttemptEnd, { kind: 'failed' }>): Told {
  return {
    reason: `no answer (${end.reason})`,
    error: new AppError(
      end.reason === 'busy' ? 'overloaded' : 'upstream_unavailable',
      `${provider} gave no answer to a request with the workspace's own key. Nothing was charged.`,
      { cause: end.reason, ...waiting(end.retryAfterSeconds ?? DEFAULT_RETRY_SECONDS) },
    ),
  }
}

function waiting(seconds: number | null): { retryAfterSeconds?: number } {
  return seconds === null ? {} : { retryAfterSeconds: Math.min(seconds, MAX_RETRY_SECONDS) }
}

/** A refusal of who was asked to pay instead: both are told, what came first first. */
export function withOwnKeyFailure(own: AppError, refusal: AppError): AppError {
  const { code, message, limit, status, retryAfterSeconds, param, metadata, upstreamCode, cause } = refusal
  return new AppError(code, `${own.message} The operator's account was asked instead: ${message}`, {
    status,
    ...{ upstreamCode, cause },
    ...(limit && { limit }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(param !== undefined && { param }),
    ...(metadata && { metadata }),
  })
}

/** What an upstream says against a request, for a client of another protocol: its words, less what they give away. */
import { AppError } from '../base/errors.ts'
import type { Provider } from '../domain/catalog.ts'
import type { ReplyError } from '../protocol/reply-summary.ts'
import { redactProvider } from './redact.ts'

const MAX_MESSAGE_LENGTH = 2000

export interface RejectionHead {
  /** As the upstream's answer had it, where it had one of its own. */
  readonly status?: number
  /** When it may be asked again, as it said itself. */
  readonly retryAfterSeconds?: number | null
}

export function rejection(error: ReplyError | null, provider: Provider, head: RejectionHead = {}): AppError {
  const words = error?.message ? redactProvider(provider, error.message).slice(0, MAX_MESSAGE_LENGTH) : null
  const code = error?.status ?? head.status ?? 400
  return new AppError('upstream_rejected', words ?? `The model's provider refused this request (status ${code}).`, {
    status: code,
    ...(typeof head.retryAfterSeconds === 'number' && { retryAfterSeconds: head.retryAfterSeconds }),
  })
}

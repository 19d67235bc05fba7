/** What an upstream says against a request, for a client of another protocol: its words, less what they give away. */
import { AppError } from '../base/errors.ts'
import type { Provider } from '../domain/catalog.ts'
import type { ReplyError } from '../protocol/reply-summary.ts'
import { redactProvider } from './redact.ts'

const MAX_MESSAGE_LENGTH = 2000

/** `status`: as the upstream's answer had it, where it had one of its own. */
export function rejection(error: ReplyError | null, provider: Provider, status?: number): AppError {
  const words = error?.message ? redactProvider(provider, error.message).slice(0, MAX_MESSAGE_LENGTH) : null
  const code = error?.status ?? status ?? 400
  return new AppError('upstream_rejected', words ?? `The model's provider refused this request (status ${code}).`, {
    status: code,
  })
}

/**
 * One try at telling one receiver of one event: a signed POST, and what its answer means.
 *
 * The form is that of the Standard Webhooks specification 1.0 (https://www.standardwebhooks.com), so that receivers can
 * verify it with a library. What an answer says is not read and not kept: its status alone counts.
 */
import { Webhook as Signer } from 'standardwebhooks'
import { type Dispatcher, request } from 'undici'
import { formatInstant } from '../base/time.ts'
import type { StoredEvent } from '../store/event.ts'
import { parseRetryAfterMs } from './webhook-retry.ts'

/** An answer up to this size is read to its end, which lets the connection be used again. */
const MAX_ANSWER_BYTES = 16_384

export interface WebhookTry {
  readonly url: string
  readonly secret: string
  readonly event: StoredEvent
  readonly nowMs: number
  readonly agent: Dispatcher
  /** Ends the try: its time is over, or the process is. */
  readonly signal: AbortSignal
}

export type Verdict =
  | { readonly kind: 'delivered' }
  /** `reason`: a few words without address or secret. `isFinal`: the receiver wants no more of it. */
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number; readonly isFinal: boolean }

/** Never throws. A redirect is a failure: the signature and the event are for the configured address alone. */
export async function tryWebhook(attempt: WebhookTry): Promise<Verdict> {
  try {
    const body = bodyOf(attempt.event)
    const answer = await request(attempt.url, {
      dispatcher: attempt.agent,
      method: 'POST',
      headers: headersOf(attempt, body),
      body,
      signal: attempt.signal,
    })
    // The status has come; what follows it may be slow or endless.
    void answer.body.dump({ limit: MAX_ANSWER_BYTES, signal: attempt.signal }).catch(() => undefined)
    const retryAfterMs = parseRetryAfterMs(answer.headers['retry-after'], attempt.nowMs)
    return verdictOf(answer.statusCode, retryAfterMs)
  } catch (error) {
    return { kind: 'failed', reason: reasonFor(error), retryAfterMs: 0, isFinal: false }
  }
}

/** The same bytes at every try: `id` is the event's, as in the header, and `data` as it was stored. */
function bodyOf({ id, type, payload, createdAtMs }: StoredEvent): string {
  const head = JSON.stringify({ id, type, timestamp: formatInstant(createdAtMs) })
  return `${head.slice(0, -1)},"data":${payload}}`
}

function headersOf({ secret, event, nowMs }: WebhookTry, body: string): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'zendo',
    'webhook-id': event.id,
    'webhook-timestamp': String(Math.floor(nowMs / 1000)),
    'webhook-signature': new Signer(secret).sign(event.id, new Date(nowMs), body),
  }
}

function verdictOf(status: number, retryAfterMs: number): Verdict {
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  const reason = status >= 300 && status < 400 ? `HTTP ${status}, a redirect, is not followed` : `HTTP ${status}`
  return { kind: 'failed', reason, retryAfterMs, isFinal: status === 410 }
}

/** A code and not a message: messages repeat addresses. */
function reasonFor(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  if (error.name === 'TimeoutError') return 'timeout'
  const code = 'code' in error ? String(error.code) : error.name
  return /^\w{1,60}$/.test(code) ? code : 'unknown error'
}

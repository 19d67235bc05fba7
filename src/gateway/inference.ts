/** The story of a request: read it, find who pays, hold, send, relay, settle. */
import { AppError } from '../base/errors.ts'
import type { Route } from '../domain/catalog.ts'
import { admit } from './admission.ts'
import { type AttemptEnd, attemptRoute, type FailureReason } from './attempt.ts'
import { type InferenceRequest, readCall } from './call.ts'
import type { ClientReply, Exchange } from './exchange.ts'
import type { Gateway } from './gateway.ts'
import { redactProvider } from './redact.ts'
import { relayAnswer, relayRejection, releaseUnanswered, type WholeAnswer } from './relay-json.ts'
import { interrupted } from './relay-stream.ts'
import type { Interruptible } from './under-way.ts'

/** Clients ask again by themselves, often ten times; more than this inside would only multiply that. */
const MAX_ATTEMPTS = 3
/** When a client may ask again, if the upstream does not say; and at most, whatever it says. */
const DEFAULT_RETRY_SECONDS = 2
const MAX_RETRY_SECONDS = 60

/**
 * Answers one inference request. Whatever happens after the hold, the request ends settled or released.
 * @throws AppError for every refusal and failure of which the client has seen nothing yet.
 */
export async function handleInference(gateway: Gateway, request: InferenceRequest, reply: ClientReply): Promise<void> {
  const call = readCall(gateway, request)
  const admission = await admit(gateway, call)
  const exchange: Exchange = {
    gateway,
    admission,
    reply,
    attempts: [],
    clientGone: reply.response.destroyed,
    interrupted: false,
    attempt: null,
  }
  const entry: Interruptible = {
    interrupt() {
      exchange.interrupted = true
      exchange.attempt?.interrupt()
    },
  }
  gateway.underWay.add(entry)
  try {
    await tellEnd(exchange, await tryRoutes(exchange, call.routes))
  } catch (error) {
    // A fault of ours must not leave the hold; where the request has ended already, this changes nothing.
    if (!(error instanceof AppError)) await releaseUnanswered(exchange, null, 'operator_fault')
    throw error
  } finally {
    gateway.underWay.delete(entry)
  }
}

async function tryRoutes(exchange: Exchange, routes: readonly Route[]): Promise<AttemptEnd> {
  let end: AttemptEnd = { kind: 'failed', reason: 'aborted', retryAfterSeconds: null }
  const queue = routes.slice(0, MAX_ATTEMPTS)
  for (let route = queue.shift(); route && !exchange.clientGone && !exchange.interrupted; route = queue.shift()) {
    end = await attemptRoute(exchange, route)
    if (end.kind !== 'failed') return end
    // A kept-alive connection that the upstream had just closed looks like this; a fresh one works.
    if (end.reason === 'reset' && queue.length === 0 && exchange.attempts.length < 2) queue.push(route)
  }
  return end
}

async function tellEnd(exchange: Exchange, end: AttemptEnd): Promise<void> {
  switch (end.kind) {
    case 'streamed':
      return
    case 'answered':
      return relayAnswer(exchange, end.answer, end.reply)
    case 'rejected':
      return tellRejection(exchange, end.answer)
    case 'failed': {
      if (exchange.clientGone) return releaseUnanswered(exchange, null, 'client_stopped')
      if (exchange.interrupted) {
        await releaseUnanswered(exchange, interrupted(), 'operator_fault')
        throw interrupted()
      }
      const error = failureError(end.reason, end.retryAfterSeconds)
      await releaseUnanswered(exchange, error, 'upstream_failed')
      throw error
    }
  }
}

/** The upstream's own words, as long as they are JSON and give nothing of the operator away. */
async function tellRejection(exchange: Exchange, answer: WholeAnswer): Promise<void> {
  const body = redact(exchange, answer)
  if (body) return relayRejection(exchange, { ...answer, body })
  const error = new AppError(
    'upstream_rejected',
    `The model's provider refused this request (status ${answer.status}).`,
    {
      status: answer.status,
    },
  )
  await releaseUnanswered(exchange, error, 'upstream_failed')
  throw error
}

function redact(exchange: Exchange, answer: WholeAnswer): Buffer | null {
  const text = answer.body.toString()
  if (!/^\s*[[{]/.test(text)) return null
  const redacted = redactProvider(exchange.admission.call.catalog.providers.get(answer.provider), text)
  return redacted === text ? answer.body : Buffer.from(redacted)
}

function failureError(reason: FailureReason, retryAfterSeconds: number | null): AppError {
  if (reason === 'busy') {
    return new AppError('overloaded', 'All connections to this model are in use. Try again in a moment.', {
      retryAfterSeconds: 1,
    })
  }
  const late = reason === 'headers_timeout' || reason === 'idle_timeout' || reason === 'total_timeout'
  return new AppError(
    'upstream_unavailable',
    late
      ? 'The model did not answer in time. Nothing was charged.'
      : 'The model cannot be reached right now. Nothing was charged.',
    { cause: reason, retryAfterSeconds: Math.min(retryAfterSeconds ?? DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS) },
  )
}

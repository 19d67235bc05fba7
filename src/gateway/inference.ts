/** The story of a request: read it, find who pays, hold, send, relay, settle. */
import { AppError } from '../base/errors.ts'
import { failpoint } from '../base/failpoint.ts'
import { readUpstreamError } from '../protocol/upstream-error.ts'
import { type Admission, admit, coversSize, refuseEarly } from './admission.ts'
import { type AttemptEnd, attemptDispatch } from './attempt.ts'
import { type Call, readCall } from './call.ts'
import { ClientStream } from './client-stream.ts'
import type { Destination } from './destination.ts'
import { type Dispatch, prepareDispatch } from './dispatch.ts'
import { type ClientReply, type Exchange, fundingHeaders, warningHeaders } from './exchange.ts'
import type { Gateway } from './gateway.ts'
import type { InferenceRequest } from './inference-request.ts'
import { type OwnKeyFailure, ownKeyFailure, withOwnKeyFailure } from './own-key-error.ts'
import { withheldFrom } from './permission.ts'
import { redactProvider } from './redact.ts'
import { rejection } from './rejection.ts'
import { relayAnswer, relayRejection, releaseUnanswered, type WholeAnswer } from './relay-json.ts'
import { endStream, writeStreamError } from './stream-end.ts'
import { interrupted } from './stream-fault.ts'
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
  const { owner, address, body, path } = request
  const leave = gateway.traffic.enter({ keyId: owner?.keyId ?? null, address }, body, path?.model)
  try {
    await answerCall(gateway, readCall(gateway, request), reply)
  } finally {
    leave()
  }
}

/** Where the workspace's own keys fail and the operator's accounts may serve, it is admitted a second time, and told so. */
async function answerCall(gateway: Gateway, call: Call, reply: ClientReply): Promise<void> {
  const failure = await answerOver(gateway, call, reply)
  if (failure === null) return
  try {
    const again = call.instead?.(failure.note)
    if (again) await answerOver(gateway, again, withRequestId(reply, again.request.id))
  } catch (error) {
    throw error instanceof AppError ? withOwnKeyFailure(failure.error, error) : error
  }
}

/** The answer names the row that it stands on. */
function withRequestId({ response, headers }: ClientReply, id: string): ClientReply {
  const at = headers.indexOf('x-request-id') + 1
  return { response, headers: headers.map((value, index) => (index === at ? id : value)) }
}

/** Resolves with why the workspace's own keys did not serve, where it may go on without them; else with null. */
async function answerOver(gateway: Gateway, call: Call, reply: ClientReply): Promise<OwnKeyFailure | null> {
  const { request } = call
  if (isDearToTranslate(call)) await refuseEarly(gateway, call)
  // Before any money is held: what no upstream can be asked is refused, and what is held is the cost of what is sent.
  const [asked, later] = firstDispatch(gateway, call)
  const admission = await admit(gateway, call, asked, asked.route.provider.id)
  const exchange = openExchange(gateway, admission, reply, asked)
  const entry: Interruptible = {
    interrupt() {
      exchange.interrupted = true
      exchange.attempt?.interrupt()
    },
  }
  gateway.underWay.add(entry)
  try {
    await clampDispatch(exchange)
    const end = await tryDestinations(exchange, later)
    const failure = ownFailure(exchange, end)
    if (failure && mayGoOn(exchange)) {
      exchange.client?.stop()
      await releaseUnanswered(exchange, failure.error, 'upstream_failed')
      return failure
    }
    await tellEnd(exchange, end, failure)
    return null
  } catch (error) {
    // A fault of ours must not leave the hold; where the request has ended already, this changes nothing.
    if (!(error instanceof AppError)) await releaseUnanswered(exchange, null, 'operator_fault')
    if (!exchange.client?.begun) throw error
    if (!(error instanceof AppError))
      gateway.log.error({ requestId: request.id, err: error }, 'a request failed unexpectedly')
    writeStreamError(exchange, error instanceof AppError ? error : internalError(error))
    endStream(exchange, false)
    return null
  } finally {
    exchange.client?.stop()
    gateway.underWay.delete(entry)
  }
}

function ownFailure(exchange: Exchange, end: AttemptEnd): OwnKeyFailure | null {
  if (exchange.clientGone || exchange.interrupted) return null
  const { provider } = exchange.dispatch.route
  return provider.own ? ownKeyFailure(provider.id, end) : null
}

/** Once a head is out that says who pays, nobody else does. */
function mayGoOn({ admission, client }: Exchange): boolean {
  return admission.call.instead !== null && client?.begun !== true
}

/** Where less can be paid for than was asked for, less is asked of the upstream. @throws AppError once the hold is given back */
async function clampDispatch(exchange: Exchange): Promise<void> {
  const { gateway, admission, dispatch } = exchange
  if (admission.clampedOutput === null) return
  try {
    const clamped = prepareDispatch(gateway, admission.call, dispatch, admission.clampedOutput)
    if (!keepsClamp(admission, clamped)) throw takesNoClamp()
    exchange.dispatch = clamped
  } catch (error) {
    const known = error instanceof AppError ? error : internalError(error)
    await releaseUnanswered(exchange, known, 'operator_fault')
    throw known
  }
}

/** Some providers take no cap on output: what cannot be paid for must not be asked of them. */
function keepsClamp({ clampedOutput }: Admission, { maxOutput }: Dispatch): boolean {
  return clampedOutput === null || (maxOutput !== null && maxOutput <= clampedOutput)
}

function takesNoClamp(): AppError {
  return new AppError(
    'insufficient_balance',
    'What is left does not pay for the longest answer that this model may give, and its provider takes no lower limit. Add credit, or use another model.',
  )
}

/** Smaller bodies are translated sooner than the limits are looked up. */
const DEAR_BODY_BYTES = 64 * 1024

function isDearToTranslate({ request, destinations }: Call): boolean {
  return request.body.length > DEAR_BODY_BYTES && destinations.some(({ protocol }) => protocol !== request.protocol)
}

function internalError(cause: unknown): AppError {
  return new AppError('internal', 'Something went wrong in Zendo. The request id finds it in the log.', { cause })
}

/** What goes to the first destination that can be asked, and those after it. @throws AppError when none can be. */
function firstDispatch(gateway: Gateway, call: Call): [Dispatch, readonly Destination[]] {
  let refusal: unknown
  for (const [index, destination] of call.destinations.entries()) {
    try {
      return [prepareDispatch(gateway, call, destination), call.destinations.slice(index + 1)]
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'unsupported_feature') throw error
      refusal ??= error
    }
  }
  throw refusal
}

function openExchange(gateway: Gateway, admission: Admission, reply: ClientReply, dispatch: Dispatch): Exchange {
  const { request, fields, catalog } = admission.call
  const exchange: Exchange = {
    gateway,
    admission,
    reply,
    client: fields.stream
      ? new ClientStream(reply.response, {
          protocol: request.protocol,
          form: request.form,
          keepAliveMs: catalog.keepAliveMs,
          headers: () => [...reply.headers, ...fundingHeaders(admission, null), ...warningHeaders(exchange.dispatch)],
        })
      : null,
    dispatch,
    attempts: [],
    clientGone: reply.response.destroyed,
    interrupted: false,
    attempt: null,
  }
  return exchange
}

async function tryDestinations(exchange: Exchange, later: readonly Destination[]): Promise<AttemptEnd> {
  let end: AttemptEnd = { kind: 'failed', reason: 'aborted', status: null, retryAfterSeconds: null }
  const queue = [...later]
  const isOver = (): boolean => exchange.clientGone || exchange.interrupted || exchange.attempts.length >= MAX_ATTEMPTS
  for (let next: Dispatch | null = exchange.dispatch; next && !isOver(); next = nextDispatch(exchange, queue)) {
    exchange.dispatch = next
    const tried = await attemptDispatch(exchange)
    if (tried.kind === 'streamed' || tried.kind === 'answered') return tried
    if (tried.kind === 'rejected' && !(tried.isPassing && queue.length > 0)) return tried
    end = tried
    failpoint('attempt.before_failover')
    // A kept-alive connection that the upstream had just closed looks like this; a fresh one works.
    if (tried.kind === 'failed' && tried.reason === 'reset' && queue.length === 0 && exchange.attempts.length < 2) {
      queue.push(next)
    }
  }
  return end
}

/** What goes to the next destination that can be asked; null when there is none. */
function nextDispatch({ gateway, admission }: Exchange, queue: Destination[]): Dispatch | null {
  for (let destination = queue.shift(); destination; destination = queue.shift()) {
    try {
      const dispatch = prepareDispatch(gateway, admission.call, destination, admission.clampedOutput)
      if (coversSize(admission, dispatch) && keepsClamp(admission, dispatch)) return dispatch
    } catch (error) {
      if (!(error instanceof AppError)) throw error
    }
  }
  return null
}

/** `own`: how the workspace's own key failed. */
async function tellEnd(exchange: Exchange, end: AttemptEnd, own: OwnKeyFailure | null): Promise<void> {
  // From here on it is decided whether a head of a stream is out: no sign of life may send one while money is moved.
  exchange.client?.stop()
  if (own) {
    await releaseUnanswered(exchange, own.error, 'upstream_failed')
    throw own.error
  }
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
      const error = failureError(exchange.admission.call, end)
      await releaseUnanswered(exchange, error, 'upstream_failed')
      throw error
    }
  }
}

/** The upstream's own words, as long as they are JSON and give nothing of the operator away. */
async function tellRejection(exchange: Exchange, answer: WholeAnswer): Promise<void> {
  const { dispatch, client } = exchange
  const isForeign = dispatch.isTranslated || client?.begun === true
  const body = isForeign ? null : redact(exchange, answer)
  if (body) return relayRejection(exchange, { ...answer, body })
  const known = isForeign ? readUpstreamError(dispatch.protocol, answer.body) : null
  const error = rejection(known, dispatch.route.provider, answer)
  await releaseUnanswered(exchange, error, 'upstream_failed')
  throw error
}

function redact(exchange: Exchange, answer: WholeAnswer): Buffer | null {
  const text = answer.body.toString()
  if (!/^\s*[[{]/.test(text)) return null
  const operators = exchange.admission.call.catalog.providers.get(answer.provider)
  const redacted = redactProvider(exchange.dispatch.route.provider, redactProvider(operators, text))
  return redacted === text ? answer.body : Buffer.from(redacted)
}

function failureError(call: Call, { reason, retryAfterSeconds }: Extract<AttemptEnd, { kind: 'failed' }>): AppError {
  if (reason === 'busy') {
    return new AppError('overloaded', 'All connections to this model are in use. Try again in a moment.', {
      retryAfterSeconds: 1,
    })
  }
  const late = reason === 'headers_timeout' || reason === 'idle_timeout' || reason === 'total_timeout'
  const what = late ? 'The model did not answer in time.' : 'The model cannot be reached right now.'
  const others = withheldFrom(call.request.owner, call.model)
  const more = others ? ` It has other providers, but by the workspace's policy ${others.why}.` : ''
  return new AppError('upstream_unavailable', `${what} Nothing was charged.${more}`, {
    cause: reason,
    retryAfterSeconds: Math.min(retryAfterSeconds ?? DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS),
    ...(others && { metadata: { reason: others.reason } }),
  })
}

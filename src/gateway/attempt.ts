/** One try of a call at one provider: sends it, judges the answer's head, and hands the body to the right relay. */
import type { IncomingHttpHeaders } from 'node:http'
import { failpoint } from '../base/failpoint.ts'
import type { Protocol } from '../base/words.ts'
import { addressGroup } from '../domain/client-address.ts'
import { googleRetrySeconds } from '../protocol/google-generate/error.ts'
import { readReply } from '../protocol/reply.ts'
import type { ReplyError, ReplySummary } from '../protocol/reply-summary.ts'
import { classifyUpstreamError, errorStatus } from '../protocol/upstream-error.ts'
import { parseJson } from '../protocol/wire-value.ts'
import type { UpstreamExchange, UpstreamFailure, UpstreamReceiver } from '../upstream/client.ts'
import { isEncoded, isEventStream, isJson, returnedHeaders } from '../upstream/headers.ts'
import type { Dispatch } from './dispatch.ts'
import type { Exchange } from './exchange.ts'
import { ownKeyFailure } from './own-key-error.ts'
import type { WholeAnswer } from './relay-json.ts'
import { StreamRelay } from './relay-stream.ts'
import { renderReply } from './render-reply.ts'
import type { Interruptible } from './under-way.ts'

/** How a try ended. */
export type AttemptEnd =
  /** A stream was relayed and settled. */
  | { readonly kind: 'streamed' }
  /** A whole answer is here, to be settled and sent. */
  | { readonly kind: 'answered'; readonly answer: WholeAnswer; readonly reply: ReplySummary }
  /** The upstream refused this request. `isPassing`: it was busy, another one might not be. */
  | { readonly kind: 'rejected'; readonly answer: WholeAnswer; readonly isPassing: boolean }
  /** Nothing came of it that the client has seen. `reason` is for the row and the log; `status`: what it amounts to. */
  | {
      readonly kind: 'failed'
      readonly reason: FailureReason
      readonly status: number | null
      readonly retryAfterSeconds: number | null
    }

/**
 * `operator`: the upstream refused the operator's account; `unavailable`: it failed by itself; `interrupted`: Zendo is
 * shutting down.
 */
export type FailureReason = UpstreamFailure | 'operator' | 'unavailable' | 'unreadable' | 'interrupted'

/** A whole answer larger than this is no answer. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
const MAX_ERROR_BYTES = 1024 * 1024

/** Refusals that are about the moment and not about the request. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 409, 425, 429])

/** Sends what `exchange.dispatch` holds. Resolves when the try is over; never rejects. */
export function attemptDispatch(exchange: Exchange): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    new Attempt(exchange, exchange.dispatch, resolve).start()
  })
}

class Attempt implements UpstreamReceiver, Interruptible {
  readonly #exchange: Exchange
  readonly #dispatch: Dispatch
  readonly #resolve: (end: AttemptEnd) => void
  readonly #startedAtMs: number
  readonly #onClose = (): void => this.#clientClosed()
  #upstream: UpstreamExchange | null = null
  #stream: StreamRelay | null = null
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #body: Buffer[] = []
  #bodyBytes = 0
  #stopDraining: (() => void) | null = null
  #over = false

  constructor(exchange: Exchange, dispatch: Dispatch, resolve: (end: AttemptEnd) => void) {
    this.#exchange = exchange
    this.#dispatch = dispatch
    this.#resolve = resolve
    this.#startedAtMs = exchange.gateway.clock()
  }

  start(): void {
    const { gateway, reply } = this.#exchange
    const { route, protocol, path, headers, body } = this.#dispatch
    const { provider } = route
    reply.response.once('close', this.#onClose)
    this.#exchange.attempt = this
    failpoint('dispatch.before_send')
    this.#upstream = gateway.upstream.send(
      {
        endpoint: provider.endpoints.get(protocol) ?? '',
        path,
        headers,
        body,
        timeouts: provider.timeouts,
        maxConnections: provider.maxConnections,
        credentialId: provider.own?.credentialId ?? null,
        egress: provider.own?.egress ?? null,
      },
      this,
    )
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    failpoint('upstream.after_head')
    this.#status = status
    this.#headers = headers
    if (isEncoded(headers)) {
      this.#fail('unreadable')
      return
    }
    if (status === 200 && this.#isStream(headers)) {
      if (this.#exchange.client) this.#startStream()
      else if (this.#dispatch.isTranslated) this.#fail('unreadable')
      else this.#startStream()
    }
  }

  #isStream(headers: IncomingHttpHeaders): boolean {
    if (this.#dispatch.form === 'array') return this.#exchange.client !== null && isJson(headers)
    return isEventStream(headers)
  }

  #startStream(): void {
    if (!this.#upstream) return
    this.#stream = new StreamRelay(this.#exchange, this.#upstream, {
      startedAtMs: this.#startedAtMs,
      contentType: this.#headers['content-type'],
      done: () => this.#finish({ kind: 'streamed' }),
      decline: this.#dispatch.route.provider.own ? (reason, error) => this.#decline(reason, error) : null,
    })
  }

  /** A stream that began with a failure was none: others may still serve, and the answer has a status. */
  #decline(reason: FailureReason, error: ReplyError): void {
    this.#stream = null
    this.#fail(reason, errorStatus(error))
  }

  onData(chunk: Buffer): void {
    if (this.#stream) {
      this.#stream.push(chunk)
      return
    }
    if (this.#over) return
    this.#body.push(chunk)
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > (this.#status < 300 ? MAX_ANSWER_BYTES : MAX_ERROR_BYTES)) this.#fail('unreadable')
  }

  onEnd(): void {
    if (this.#stream) this.#stream.end()
    else if (!this.#over) this.#judgeWhole(Buffer.concat(this.#body, this.#bodyBytes))
  }

  onFailure(failure: UpstreamFailure): void {
    if (this.#stream) this.#stream.fail(failure)
    else if (!this.#over) this.#fail(failure)
  }

  #judgeWhole(body: Buffer): void {
    const { protocol } = this.#dispatch
    if (this.#status >= 200 && this.#status < 300) {
      const { ok, ...reply } = readReply(protocol, body)
      if (ok) {
        this.#record('answered')
        this.#finish({ kind: 'answered', answer: this.#answer(this.#status, body, reply.hasOutput), reply })
        return
      }
      // A success that carries only an error is the error it carries (PP-70).
      const status = reply.error?.status ?? 0
      this.#judgeError(status >= 400 && status < 500 ? status : 502, body, errorStatus(reply.error))
      return
    }
    this.#judgeError(this.#status, body)
  }

  #judgeError(status: number, body: Buffer, told: number | null = status): void {
    const verdict = classifyUpstreamError(this.#dispatch.protocol, status, body)
    if (verdict !== 'rejected') {
      this.#fail(verdict, told)
      return
    }
    this.#record('rejected')
    this.#finish({ kind: 'rejected', answer: this.#answer(status, body), isPassing: PASSING_STATUSES.has(status) })
  }

  #answer(status: number, body: Buffer, hasOutput = false): WholeAnswer {
    return {
      provider: this.#dispatch.route.provider.id,
      status,
      retryAfterSeconds: retryAfterOf(this.#headers, this.#dispatch.protocol, status < 400 ? null : body),
      headers: returnedHeaders(this.#headers),
      body,
      render: (cost) => renderReply(this.#exchange, this.#dispatch, { body, hasOutput }, cost),
    }
  }

  interrupt(): void {
    if (this.#stream) this.#stream.interrupt()
    else this.#fail('interrupted')
  }

  #fail(reason: FailureReason, status = this.#status || null): void {
    if (this.#over) return
    this.#logFailure(reason)
    this.#record(reason)
    this.#finish({
      kind: 'failed',
      ...{ reason, status },
      retryAfterSeconds: retryAfterOf(this.#headers, this.#dispatch.protocol, null),
    })
    this.#upstream?.abort()
  }

  /** For the operator alone: the client is told nothing of why. Never the upstream's words, which may quote a prompt. */
  #logFailure(reason: FailureReason): void {
    if (this.#exchange.clientGone || reason === 'interrupted') return
    const { gateway, admission } = this.#exchange
    const failure = {
      requestId: admission.call.request.id,
      provider: this.#dispatch.route.provider.id,
      reason,
      status: this.#status === 0 ? null : this.#status,
    }
    // Whose key it is has it to mend, and the operator nothing.
    if (this.#dispatch.route.provider.own) {
      gateway.log.info(failure, "a provider failed before an answer to a workspace's own key")
    } else if (reason === 'operator') {
      gateway.operatorEvents.upstreamAccount(failure.provider, failure.status)
      gateway.log.error(failure, 'the provider refused its credential or account; check its key and balance')
    } else {
      gateway.log.warn(failure, 'a provider failed before an answer')
    }
  }

  #record(outcome: string): void {
    this.#exchange.attempts.push({
      provider: this.#dispatch.route.provider.id,
      status: this.#status === 0 ? null : this.#status,
      outcome,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#exchange.gateway.clock(),
    })
  }

  #finish(end: AttemptEnd): void {
    if (this.#over) return
    this.#over = true
    this.#reportOwnKey(end)
    this.#exchange.attempt = null
    this.#stopDraining?.()
    this.#exchange.reply.response.off('close', this.#onClose)
    this.#resolve(end)
  }

  /** An own key that fails is for the workspace's admins to see. */
  #reportOwnKey(end: AttemptEnd): void {
    const { own, id } = this.#dispatch.route.provider
    const failure = own && !this.#exchange.clientGone ? ownKeyFailure(id, end) : null
    if (own && failure) this.#exchange.gateway.ownKeys.report(own.credentialId, failure.reason)
  }

  #clientClosed(): void {
    if (this.#exchange.reply.response.writableFinished) return
    this.#exchange.clientGone = true
    failpoint('client.after_leave')
    this.#stream?.clientLeft()
    if (!this.#drain()) this.#upstream?.abort()
  }

  /**
   * Reads what is still coming for a while, because it tells what the answer cost. Returns false where that is not to be:
   * the answer is then broken off, and what was delivered of it is charged as an estimate.
   */
  #drain(): boolean {
    const { gateway, admission } = this.#exchange
    if (this.#dispatch.route.provider.onClientAbort === 'cancel') return false
    const { owner, address } = admission.call.request
    const leave = gateway.drains.enter(owner?.keyId ?? addressGroup(address))
    if (!leave) return false
    const timer = setTimeout(() => this.#upstream?.abort(), gateway.drainMs)
    this.#stopDraining = () => {
      clearTimeout(timer)
      leave()
    }
    return true
  }
}

/** Seconds; Google says them in the body. Null when the upstream says nothing, or a date. */
function retryAfterOf(headers: IncomingHttpHeaders, protocol: Protocol, body: Buffer | null): number | null {
  const header = headers['retry-after']
  const seconds = header === undefined ? Number.NaN : Number(header)
  if (Number.isFinite(seconds)) return seconds
  const milliseconds = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (Number.isFinite(milliseconds)) return milliseconds / 1000
  return protocol === 'google-generate' && body ? googleRetrySeconds(parseJson(body)) : null
}

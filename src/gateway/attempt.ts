/** One try of a call at one provider: sends it, judges the answer's head, and hands the body to the right relay. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Route } from '../domain/catalog.ts'
import { readReply } from '../protocol/reply.ts'
import type { ReplySummary } from '../protocol/reply-summary.ts'
import { rewriteRequest } from '../protocol/request.ts'
import { classifyUpstreamError } from '../protocol/upstream-error.ts'
import type { UpstreamExchange, UpstreamFailure, UpstreamReceiver } from '../upstream/client.ts'
import { isEncoded, isEventStream, returnedHeaders, upstreamHeaders } from '../upstream/headers.ts'
import type { Exchange } from './exchange.ts'
import type { WholeAnswer } from './relay-json.ts'
import { StreamRelay } from './relay-stream.ts'
import type { Interruptible } from './under-way.ts'

/** How a try ended. */
export type AttemptEnd =
  /** A stream was relayed and settled. */
  | { readonly kind: 'streamed' }
  /** A whole answer is here, to be settled and sent. */
  | { readonly kind: 'answered'; readonly answer: WholeAnswer; readonly reply: ReplySummary }
  /** The upstream refused this request; another one would too. */
  | { readonly kind: 'rejected'; readonly answer: WholeAnswer }
  /** Nothing came of it that the client has seen. `reason` is for the row and the log. */
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly retryAfterSeconds: number | null }

/**
 * `operator`: the upstream refused the operator's account; `unavailable`: it failed by itself; `interrupted`: Zendo is
 * shutting down.
 */
export type FailureReason = UpstreamFailure | 'operator' | 'unavailable' | 'unreadable' | 'interrupted'

/** A whole answer larger than this is no answer. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
const MAX_ERROR_BYTES = 1024 * 1024

const PATH = { 'openai-chat': '/chat/completions', 'anthropic-messages': '/messages' } as const

/** Sends the call over one route. Resolves when the try is over; never rejects. */
export function attemptRoute(exchange: Exchange, route: Route): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    new Attempt(exchange, route, resolve).start()
  })
}

class Attempt implements UpstreamReceiver, Interruptible {
  readonly #exchange: Exchange
  readonly #route: Route
  readonly #resolve: (end: AttemptEnd) => void
  readonly #startedAtMs: number
  readonly #onClose = (): void => this.#clientClosed()
  #upstream: UpstreamExchange | null = null
  #stream: StreamRelay | null = null
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #body: Buffer[] = []
  #bodyBytes = 0
  #drain: NodeJS.Timeout | null = null
  #over = false

  constructor(exchange: Exchange, route: Route, resolve: (end: AttemptEnd) => void) {
    this.#exchange = exchange
    this.#route = route
    this.#resolve = resolve
    this.#startedAtMs = exchange.gateway.clock()
  }

  start(): void {
    const { gateway, admission, reply } = this.#exchange
    const { request, fields } = admission.call
    const { provider, upstreamModel } = this.#route
    const slices = rewriteRequest(request.body, fields, { model: upstreamModel, askUsage: this.#asksUsage() })
    reply.response.once('close', this.#onClose)
    this.#exchange.attempt = this
    this.#upstream = gateway.upstream.send(
      {
        endpoint: provider.endpoints.get(request.protocol) ?? '',
        path: PATH[request.protocol],
        headers: upstreamHeaders(request.protocol, provider, request.forwardHeaders),
        body: slices,
        timeouts: provider.timeouts,
        maxConnections: provider.maxConnections,
      },
      this,
    )
  }

  /** Metering needs the usage that chat upstreams only stream when asked. */
  #asksUsage(): boolean {
    const { request, fields } = this.#exchange.admission.call
    return request.protocol === 'openai-chat' && fields.stream
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.#status = status
    this.#headers = headers
    if (isEncoded(headers)) {
      this.#fail('unreadable')
      return
    }
    if (status === 200 && isEventStream(headers) && this.#upstream) this.#startStream(this.#upstream)
  }

  #startStream(upstream: UpstreamExchange): void {
    const { fields } = this.#exchange.admission.call
    this.#stream = new StreamRelay(
      this.#exchange,
      { provider: this.#route.provider, startedAtMs: this.#startedAtMs },
      upstream,
      {
        contentType: this.#headers['content-type'] ?? 'text/event-stream',
        stripUsage: this.#asksUsage() && !fields.asksUsage,
        done: () => this.#finish({ kind: 'streamed' }),
      },
    )
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
    const { protocol } = this.#exchange.admission.call.request
    if (this.#status >= 200 && this.#status < 300) {
      const { ok, ...reply } = readReply(protocol, body)
      if (ok) {
        this.#record('answered')
        this.#finish({ kind: 'answered', answer: this.#answer(this.#status, body), reply })
        return
      }
      // A success that carries only an error is the error it carries (PP-70).
      const status = reply.error?.status ?? 0
      this.#judgeError(status >= 400 && status < 500 ? status : 502, body)
      return
    }
    this.#judgeError(this.#status, body)
  }

  #judgeError(status: number, body: Buffer): void {
    const verdict = classifyUpstreamError(this.#exchange.admission.call.request.protocol, status, body)
    if (verdict !== 'rejected') {
      this.#fail(verdict)
      return
    }
    this.#record('rejected')
    this.#finish({ kind: 'rejected', answer: this.#answer(status, body) })
  }

  #answer(status: number, body: Buffer): WholeAnswer {
    return { provider: this.#route.provider.id, status, headers: returnedHeaders(this.#headers), body }
  }

  interrupt(): void {
    if (this.#stream) this.#stream.interrupt()
    else this.#fail('interrupted')
  }

  #fail(reason: FailureReason): void {
    if (this.#over) return
    this.#logFailure(reason)
    this.#record(reason)
    const retryAfter = Number(this.#headers['retry-after'])
    this.#finish({ kind: 'failed', reason, retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null })
    this.#upstream?.abort()
  }

  /** For the operator alone: the client is told nothing of why. Never the upstream's words, which may quote a prompt. */
  #logFailure(reason: FailureReason): void {
    if (this.#exchange.clientGone || reason === 'interrupted') return
    const { gateway, admission } = this.#exchange
    const failure = {
      requestId: admission.call.request.id,
      provider: this.#route.provider.id,
      reason,
      status: this.#status === 0 ? null : this.#status,
    }
    if (reason === 'operator') {
      gateway.log.error(failure, 'the provider refused its credential or account; check its key and balance')
    } else {
      gateway.log.warn(failure, 'a provider failed before an answer')
    }
  }

  #record(outcome: string): void {
    this.#exchange.attempts.push({
      provider: this.#route.provider.id,
      status: this.#status === 0 ? null : this.#status,
      outcome,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#exchange.gateway.clock(),
    })
  }

  #finish(end: AttemptEnd): void {
    if (this.#over) return
    this.#over = true
    this.#exchange.attempt = null
    if (this.#drain) clearTimeout(this.#drain)
    this.#exchange.reply.response.off('close', this.#onClose)
    this.#resolve(end)
  }

  #clientClosed(): void {
    if (this.#exchange.reply.response.writableFinished) return
    this.#exchange.clientGone = true
    this.#stream?.clientLeft()
    // What is still coming is read for a while, because it tells what the answer cost.
    this.#drain = setTimeout(() => this.#upstream?.abort(), this.#exchange.gateway.drainMs)
  }
}

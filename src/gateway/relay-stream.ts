/**
 * Relays a streamed answer: bytes as they come, except that the terminal frame waits until the money is durable.
 *
 * States: running (bytes flow), settling (the end is known, its frame is kept back), settled (the frame goes out).
 * A stream that breaks off ends with the protocol's own error event, never as if it were complete.
 */
import { AppError, type ErrorCode } from '../base/errors.ts'
import type { Outcome } from '../domain/charge-policy.ts'
import { encodeStreamError } from '../protocol/errors.ts'
import { createStreamReader, type StreamReader } from '../protocol/stream-reader.ts'
import { classifyUpstreamError } from '../protocol/upstream-error.ts'
import type { UpstreamExchange, UpstreamFailure } from '../upstream/client.ts'
import { type AttemptContext, type Exchange, fundingHeaders, outcomeOfAnswer, resultOf } from './exchange.ts'
import { redactProvider } from './redact.ts'
import { settle } from './settlement.ts'

/** How long an upstream may go on after its terminal frame (a cost frame may follow) before it is cut off. */
const LINGER_MS = 2000

export class StreamRelay {
  readonly #exchange: Exchange
  readonly #attempt: AttemptContext
  readonly #upstream: UpstreamExchange
  readonly #reader: StreamReader
  readonly #done: () => void
  #state: 'running' | 'settling' | 'settled' = 'running'
  #failure: UpstreamFailure | null = null
  #upstreamEnded = false
  #interrupted = false
  #waitsForDrain = false
  #firstByteAtMs: number | null = null
  #timer: NodeJS.Timeout | null = null
  /** What the client had got when it left; null while it is there. */
  #deliveredTokens: number | null = null

  /** Sends the head at once; `done` is called when nothing is left to do. */
  constructor(
    exchange: Exchange,
    attempt: AttemptContext,
    upstream: UpstreamExchange,
    head: { contentType: string; stripUsage: boolean; done: () => void },
  ) {
    this.#exchange = exchange
    this.#attempt = attempt
    this.#upstream = upstream
    this.#done = head.done
    this.#reader = createStreamReader(exchange.admission.call.request.protocol, { stripUsage: head.stripUsage })
    if (exchange.clientGone) this.clientLeft()
    else this.#writeHead(head.contentType)
  }

  #writeHead(contentType: string): void {
    const { admission, reply } = this.#exchange
    const { response, headers } = reply
    response.writeHead(200, [
      ...headers,
      'content-type',
      contentType,
      'cache-control',
      'no-cache, no-transform',
      'x-accel-buffering',
      'no',
      ...fundingHeaders(admission, null),
    ])
    // Most heads leave together with the first event; one whose first event is late must not wait for it.
    setImmediate(() => {
      if (this.#firstByteAtMs === null && !response.writableEnded && !response.destroyed) response.flushHeaders()
    })
  }

  push(chunk: Buffer): void {
    if (this.#interrupted) return
    try {
      const out = this.#reader.push(chunk)
      // What follows an upstream's error may give away what the error itself may not.
      this.#write(this.#reader.ending === 'error' ? this.#redacted(out) : out)
    } catch (error) {
      this.#breakOff(error)
      return
    }
    if (this.#reader.ending !== null) this.#conclude()
  }

  /** The upstream's body ended. */
  end(): void {
    this.#upstreamEnded = true
    if (this.#state === 'settled') this.#close()
    if (this.#state !== 'running') return
    try {
      this.#write(this.#reader.end())
    } catch (error) {
      this.#breakOff(error)
      return
    }
    this.#conclude()
  }

  /** The connection to the upstream broke. */
  fail(failure: UpstreamFailure): void {
    this.#upstreamEnded = true
    if (this.#state === 'settled') this.#close()
    if (this.#state !== 'running') return
    this.#failure = failure
    this.#conclude()
  }

  /** The client left. What still comes is read on, until the attempt breaks it off. */
  clientLeft(): void {
    this.#deliveredTokens = this.#firstByteAtMs === null ? 0 : this.#reader.reply.deliveredTokens
    this.#upstream.resume()
  }

  /** Zendo is shutting down: the client is told in-band, and nothing is charged. */
  interrupt(): void {
    if (this.#state !== 'running') return
    this.#interrupted = true
    this.#conclude()
  }

  #breakOff(error: unknown): void {
    if (!(error instanceof AppError)) throw error
    this.#failure = 'protocol'
    this.#upstreamEnded = true
    // Concluded first: the abort reports back at once, and its reason is not this one.
    this.#conclude()
    this.#upstream.abort()
  }

  #write(buffers: readonly Buffer[]): void {
    const { response } = this.#exchange.reply
    if (buffers.length === 0 || this.#exchange.clientGone) return
    this.#firstByteAtMs ??= this.#exchange.gateway.clock()
    if (buffers.length > 1) response.cork()
    for (const buffer of buffers) response.write(buffer)
    if (buffers.length > 1) response.uncork()
    // Not what `write` returned: while corked it says full of bytes that the socket then takes, and no `drain` follows.
    if (response.writableNeedDrain && !this.#waitsForDrain && !this.#upstreamEnded) this.#waitForDrain()
  }

  #waitForDrain(): void {
    this.#waitsForDrain = true
    this.#upstream.pause()
    this.#exchange.reply.response.once('drain', () => {
      this.#waitsForDrain = false
      this.#upstream.resume()
    })
  }

  #conclude(): void {
    if (this.#state !== 'running') return
    this.#state = 'settling'
    this.#recordAttempt()
    const outcome = this.#outcome()
    const result = resultOf(this.#exchange, {
      outcome,
      reply: this.#reader.reply,
      deliveredTokens: this.#deliveredTokens,
      provider: this.#attempt.provider.id,
      status: 200,
      errorCode: errorCodeOf(outcome),
      firstByteAtMs: this.#firstByteAtMs,
    })
    if (outcome === 'upstream_cut' || outcome === 'upstream_failed') {
      const { gateway, admission } = this.#exchange
      const failure = { requestId: admission.call.request.id, provider: result.provider, reason: this.#failure }
      gateway.log.warn(failure, "a provider's stream broke off")
    }
    settle(this.#exchange.gateway, this.#exchange.admission, result).then(
      () => this.#finish(),
      (error: unknown) => this.#finishUnsettled(error),
    )
  }

  #outcome(): Outcome {
    if (this.#interrupted) return 'operator_fault'
    const { ending, reply } = this.#reader
    if (ending === 'complete') return outcomeOfAnswer(this.#exchange, reply)
    if (this.#exchange.clientGone && this.#failure === 'aborted') return 'client_stopped'
    return reply.hasOutput ? 'upstream_cut' : 'upstream_failed'
  }

  #recordAttempt(): void {
    this.#exchange.attempts.push({
      provider: this.#attempt.provider.id,
      status: 200,
      outcome: this.#reader.ending ?? this.#failure ?? 'cut',
      startedAtMs: this.#attempt.startedAtMs,
      endedAtMs: this.#exchange.gateway.clock(),
    })
  }

  #finish(): void {
    this.#state = 'settled'
    const { ending } = this.#reader
    if (this.#exchange.clientGone) {
      this.#close()
    } else if (this.#interrupted) {
      this.#writeError(interrupted())
      this.#close()
    } else if (ending === 'complete' || (ending === 'error' && !this.#hidesError())) {
      const held = this.#reader.takeHeld()
      this.#write(ending === 'error' ? this.#redacted(held) : held)
      if (this.#upstreamEnded) this.#close()
      else this.#timer = setTimeout(() => this.#close(), LINGER_MS)
    } else {
      this.#writeError(upstreamCut(this.#failure))
      this.#close()
    }
  }

  /** An error that is about the operator's account is not the client's to see. */
  #hidesError(): boolean {
    const { error } = this.#reader.reply
    if (!error) return true
    const body = Buffer.from(JSON.stringify({ error: { type: error.type, code: error.code, message: error.message } }))
    return (
      classifyUpstreamError(this.#exchange.admission.call.request.protocol, error.status ?? 400, body) === 'operator'
    )
  }

  /** The upstream's own words, less what they may give away. */
  #redacted(buffers: Buffer[]): Buffer[] {
    const text = Buffer.concat(buffers).toString()
    const redacted = redactProvider(this.#attempt.provider, text)
    return redacted === text ? buffers : [Buffer.from(redacted)]
  }

  #finishUnsettled(error: unknown): void {
    this.#state = 'settled'
    const { gateway, admission } = this.#exchange
    gateway.log.fatal({ requestId: admission.call.request.id, err: error }, 'settlement given up; the hold stays open')
    if (!this.#exchange.clientGone) {
      this.#writeError(
        new AppError(
          'storage_unavailable',
          'The ledger cannot be written right now; this answer is not charged. Please retry your request.',
        ),
      )
    }
    this.#close()
  }

  #writeError(error: AppError): void {
    const { gateway, admission, reply } = this.#exchange
    const { id, protocol } = admission.call.request
    if (!reply.response.writableEnded) {
      reply.response.write(encodeStreamError(protocol, error, { requestId: id, nowMs: gateway.clock() }))
    }
  }

  #close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (!this.#upstreamEnded) {
      this.#upstreamEnded = true
      this.#upstream.abort()
    }
    const { response } = this.#exchange.reply
    if (!response.writableEnded) response.end()
    this.#done()
  }
}

function errorCodeOf(outcome: Outcome): ErrorCode | null {
  if (outcome === 'operator_fault') return 'shutting_down'
  return outcome === 'upstream_cut' || outcome === 'upstream_failed' ? 'upstream_unavailable' : null
}

/** What a client is told whose answer a shutdown ended. */
export function interrupted(): AppError {
  return new AppError('shutting_down', 'Zendo is restarting; this answer is not charged. Please retry your request.', {
    retryAfterSeconds: 2,
  })
}

function upstreamCut(failure: UpstreamFailure | null): AppError {
  const reason =
    failure === 'idle_timeout' || failure === 'total_timeout'
      ? 'The model stopped sending before its answer was complete.'
      : "The model's answer broke off before it was complete."
  return new AppError('upstream_unavailable', `${reason} What is missing was not charged. Please retry your request.`)
}

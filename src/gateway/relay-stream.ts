/**
 * Relays a streamed answer: bytes as they come, except that the terminal frame waits until the money is durable.
 *
 * States: running (bytes flow), settling (the end is known, its frame is kept back), settled (the frame goes out).
 * A stream that breaks off ends with the protocol's own error event, never as if it were complete.
 */
import { AppError } from '../base/errors.ts'
import { failpoint } from '../base/failpoint.ts'
import { formatUsd } from '../base/money.ts'
import type { Outcome } from '../domain/charge-policy.ts'
import { promptEstimate } from '../domain/hold-size.ts'
import type { ReplyError } from '../protocol/reply-summary.ts'
import type { StreamReader } from '../protocol/stream-reader.ts'
import type { UpstreamExchange, UpstreamFailure } from '../upstream/client.ts'
import { ClientStream } from './client-stream.ts'
import type { Dispatch } from './dispatch.ts'
import { type Exchange, fundingHeaders, outcomeOfAnswer, resultOf, warningHeaders } from './exchange.ts'
import { redactProvider } from './redact.ts'
import { streamRejection } from './rejection.ts'
import { openReader, type ReplyReader } from './reply-reader.ts'
import { type Settlement, settle } from './settlement.ts'
import { createSlices, type Slices } from './slices.ts'
import { endStream, writeStreamError } from './stream-end.ts'
import { errorCodeOf, interrupted, ownFault, ownKeyFault, upstreamCut, verdictOf } from './stream-fault.ts'

/** How long an upstream may go on after its terminal frame (a cost frame may follow) before it is cut off. */
const LINGER_MS = 2000

export interface StreamHead {
  readonly startedAtMs: number
  readonly contentType: string | undefined
  /** Called when nothing is left to do. */
  readonly done: () => void
  /** Called in place of all else when the first event says that there is no answer; null: the client is told so in-band. */
  readonly decline: ((reason: 'operator' | 'unavailable', error: ReplyError) => void) | null
}

export class StreamRelay {
  readonly #exchange: Exchange
  readonly #dispatch: Dispatch
  readonly #startedAtMs: number
  readonly #upstream: UpstreamExchange
  readonly #client: ClientStream
  readonly #opened: ReplyReader
  readonly #reader: StreamReader
  readonly #slices: Slices
  readonly #done: () => void
  readonly #decline: StreamHead['decline']
  readonly #contentType: string | undefined
  #state: 'running' | 'settling' | 'settled' = 'running'
  #failure: UpstreamFailure | null = null
  #upstreamEnded = false
  #interrupted = false
  /** What went wrong in Zendo itself; the client is told so, and nothing is charged. */
  #fault: unknown = null
  #waitsForDrain = false
  #waitsForMoney = false
  #isWhole = true
  #firstByteAtMs: number | null = null
  #timer: NodeJS.Timeout | null = null
  /** What the client had got when it left; null while it is there. */
  #deliveredTokens: number | null = null

  /** Sends the head at once, or with the first event where it may still be declined. */
  constructor(exchange: Exchange, upstream: UpstreamExchange, head: StreamHead) {
    this.#exchange = exchange
    this.#dispatch = exchange.dispatch
    this.#startedAtMs = head.startedAtMs
    this.#upstream = upstream
    this.#done = head.done
    this.#decline = head.decline
    this.#contentType = head.contentType
    this.#client = exchange.client ?? unaskedStream(exchange)
    this.#opened = openReader(exchange, exchange.dispatch)
    this.#reader = this.#opened.reader
    this.#slices = createSlices(exchange.gateway, exchange.admission)
    if (exchange.clientGone) this.clientLeft()
    else if (!this.#decline) this.#begin()
  }

  #begin(): void {
    this.#client.begin(this.#dispatch.isTranslated ? undefined : this.#contentType)
  }

  push(chunk: Buffer): void {
    if (this.#interrupted) return
    try {
      const out = this.#reader.push(chunk)
      if (this.#isDeclined()) return
      // What follows an upstream's error may give away what the error itself may not.
      this.#write(this.#reader.ending === 'error' ? this.#redacted(out) : out)
      failpoint('stream.after_chunk')
      if (this.#state === 'running' && this.#reader.ending === null) this.#payAhead()
    } catch (error) {
      this.#breakOff(error)
      return
    }
    if (this.#reader.ending !== null) this.#conclude()
  }

  /** Whether it was no answer from its first event on, and was handed back as a failure before the client saw any of it. */
  #isDeclined(): boolean {
    const { ending, reply } = this.#reader
    if (!this.#decline || this.#client.begun || ending !== 'error' || !reply.error || reply.hasOutput) return false
    const verdict = verdictOf(this.#dispatch, reply.error)
    if (verdict === 'rejected') return false
    this.#state = 'settled'
    this.#decline(verdict, reply.error)
    return true
  }

  /** Ends the answer as at its length limit when no more of it can be paid for. */
  #payAhead(): void {
    const verdict = this.#slices.observe(this.#reader.outputTokens)
    if (verdict === 'wait') this.#waitForMoney()
    else if (verdict === 'stop') this.#stopPolitely()
  }

  /** Nothing more is taken from the upstream before it is known whether it can be paid for. */
  #waitForMoney(): void {
    if (this.#waitsForMoney) return
    this.#waitsForMoney = true
    this.#upstream.pause()
    void this.#slices.decided().then(() => {
      this.#waitsForMoney = false
      if (this.#state === 'running' && this.#reader.ending === null) this.#payAhead()
      if (!this.#waitsForMoney && !this.#waitsForDrain) this.#upstream.resume()
    })
  }

  #stopPolitely(): void {
    const { gateway, admission } = this.#exchange
    const { request, fields } = admission.call
    this.#reader.endPolitely({
      code: 'limit_stopped',
      message: this.#slices.reason(),
      requestId: request.id,
      model: fields.model,
      nowMs: gateway.clock(),
      promptTokens: promptEstimate(request.body.length, admission.call.model),
    })
    this.#conclude()
    this.#upstreamEnded = true
    this.#upstream.abort()
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
    if (!(error instanceof AppError)) this.#fault = error
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
    this.#begin()
    this.#client.write(buffers)
    // Not what `write` returned: while corked it says full of bytes that the socket then takes, and no `drain` follows.
    if (response.writableNeedDrain && !this.#waitsForDrain && !this.#upstreamEnded) this.#waitForDrain()
  }

  #waitForDrain(): void {
    this.#waitsForDrain = true
    this.#upstream.pause()
    this.#exchange.reply.response.once('drain', () => {
      this.#waitsForDrain = false
      if (!this.#waitsForMoney) this.#upstream.resume()
    })
  }

  #conclude(): void {
    if (this.#state !== 'running') return
    this.#state = 'settling'
    if (!this.#exchange.clientGone) this.#begin()
    this.#recordAttempt()
    this.#remember()
    const outcome = this.#outcome()
    const result = resultOf(this.#exchange, {
      outcome,
      reply: this.#reader.reply,
      deliveredTokens: this.#deliveredTokens,
      provider: this.#dispatch.route.provider.id,
      status: 200,
      errorCode: this.#fault === null ? errorCodeOf(outcome) : 'internal',
      firstByteAtMs: this.#firstByteAtMs,
    })
    if (outcome === 'upstream_cut' || outcome === 'upstream_failed') {
      const { gateway, admission } = this.#exchange
      const failure = {
        requestId: admission.call.request.id,
        provider: result.provider,
        reason: this.#failure ?? this.#reader.ending,
      }
      gateway.log.warn(failure, "a provider's stream broke off")
    }
    if (this.#fault !== null) {
      const { gateway, admission } = this.#exchange
      gateway.log.error({ requestId: admission.call.request.id, err: this.#fault }, 'a stream could not be relayed')
    }
    settle(this.#exchange.gateway, this.#exchange.admission, result)
      .then(
        (settlement) => this.#finish(settlement),
        (error: unknown) => this.#finishUnsettled(error),
      )
      .catch((error: unknown) => this.#giveUp(error))
  }

  /** What is learned from an answer is a help for later ones, and never worth losing this one. */
  #remember(): void {
    try {
      this.#opened.remember()
    } catch (err) {
      const { gateway, admission } = this.#exchange
      gateway.log.error({ requestId: admission.call.request.id, err }, 'an answer could not be learned from')
    }
  }

  /** The end of an answer cannot be written: it must not look complete, and the request must come to its end. */
  #giveUp(err: unknown): void {
    const { gateway, admission } = this.#exchange
    gateway.log.fatal({ requestId: admission.call.request.id, err }, 'the end of a stream could not be written')
    this.#writeError(ownFault(err))
    this.#close()
  }

  #outcome(): Outcome {
    if (this.#interrupted || this.#fault !== null) return 'operator_fault'
    const { ending, reply } = this.#reader
    if (ending === 'complete') return outcomeOfAnswer(this.#exchange, reply)
    if (ending === 'stopped') return 'limit_stopped'
    if (this.#exchange.clientGone && this.#failure === 'aborted') return 'client_stopped'
    return reply.hasOutput ? 'upstream_cut' : 'upstream_failed'
  }

  #recordAttempt(): void {
    this.#exchange.attempts.push({
      provider: this.#dispatch.route.provider.id,
      status: 200,
      outcome: this.#reader.ending ?? this.#failure ?? 'cut',
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#exchange.gateway.clock(),
    })
  }

  #finish(settlement: Settlement): void {
    this.#state = 'settled'
    const { ending, reply } = this.#reader
    if (this.#exchange.clientGone) {
      this.#close()
    } else if (this.#interrupted || this.#fault !== null) {
      this.#writeError(this.#interrupted ? interrupted() : ownFault(this.#fault))
      this.#close()
    } else if (ending === 'complete' || ending === 'stopped') {
      this.#writeEnd(settlement)
      failpoint('frame.after_end')
    } else if (ending === 'error' && !this.#hidesError()) {
      this.#writeUpstreamError()
    } else {
      this.#writeError(ownKeyFault(this.#exchange.gateway, this.#dispatch, reply.error) ?? upstreamCut(this.#failure))
      this.#close()
    }
  }

  #writeEnd(settlement: Settlement): void {
    const { includeCost } = this.#exchange.admission.call.request
    this.#write(this.#reader.takeHeld(includeCost ? formatUsd(settlement.charged) : null))
    // After a translated end nothing of the upstream's can follow: its client need not wait for it.
    if (this.#dispatch.isTranslated) this.#endResponse()
    this.#linger()
  }

  /** As it came where the answer is relayed, else in the client's form. */
  #writeUpstreamError(): void {
    if (this.#dispatch.isTranslated) {
      this.#writeError(streamRejection(this.#reader.reply.error, this.#dispatch.route.provider))
      this.#close()
      return
    }
    this.#write(this.#redacted(this.#reader.takeHeld()))
    if (this.#dispatch.protocol === 'google-generate') this.#close()
    else this.#linger()
  }

  #linger(): void {
    if (this.#upstreamEnded) this.#close()
    else this.#timer = setTimeout(() => this.#close(), LINGER_MS)
  }

  /** An error that is about the operator's account is not the client's to see. */
  #hidesError(): boolean {
    const { error } = this.#reader.reply
    return !error || verdictOf(this.#dispatch, error) === 'operator'
  }

  /** The upstream's own words, less what they may give away. */
  #redacted(buffers: Buffer[]): Buffer[] {
    const text = Buffer.concat(buffers).toString()
    const redacted = redactProvider(this.#dispatch.route.provider, text)
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
    this.#isWhole = false
    writeStreamError(this.#exchange, error, this.#reader.position())
  }

  #close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (!this.#upstreamEnded) {
      this.#upstreamEnded = true
      this.#upstream.abort()
    }
    this.#endResponse()
    this.#done()
  }

  #endResponse(): void {
    this.#client.stop()
    endStream(this.#exchange, this.#isWhole && this.#reader.ending !== 'error')
  }
}

/** The stream of an upstream that was asked for a whole answer, and is relayed all the same. */
function unaskedStream({ admission, reply, dispatch }: Exchange): ClientStream {
  return new ClientStream(reply.response, {
    protocol: admission.call.request.protocol,
    form: admission.call.request.form,
    keepAliveMs: 0,
    headers: () => [...reply.headers, ...fundingHeaders(admission, null), ...warningHeaders(dispatch)],
  })
}

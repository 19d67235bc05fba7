/**
 * Reads a streamed reply of one protocol and gives it out in another, event by event, without looking ahead.
 *
 * The same reader as for a relayed stream decides how it ended and what it amounted to, so that an answer costs the
 * same whichever protocol its client speaks.
 */
import type { Protocol } from '../base/words.ts'
import { PLAIN_END, type StreamDecoder, type StreamEncoder } from './codec.ts'
import { codecOf } from './codecs.ts'
import type { EventReader } from './event-reader.ts'
import { createEventReader, createScanner } from './event-readers.ts'
import { frameText } from './frame-text.ts'
import type { IrEvent, IrFinish } from './ir/event.ts'
import { type EndDetail, type PoliteEnd, usageSoFar } from './polite-end.ts'
import type { ReplySummary } from './reply-summary.ts'
import type { SseBlock, SseScanner, SseScannerOptions } from './sse.ts'
import type { StreamReader } from './stream-reader.ts'
import { parseJson } from './wire-value.ts'

export interface TranslatingReaderOptions extends SseScannerOptions {
  /** The upstream's protocol. */
  readonly from: Protocol
  readonly encoder: StreamEncoder
  /** Is shown every event of the reply. */
  readonly onEvent: (event: IrEvent) => void
  /** The id and the name that the client gets of a call. */
  readonly renameCall: (call: { id: string; name: string }) => { id: string; name: string }
}

export function createTranslatingReader(options: TranslatingReaderOptions): StreamReader {
  return new TranslatingReader(options)
}

const AT_CAP: IrFinish = { finish: 'length', raw: null, stopSequence: null }
/** What a decoder still tells of a reply that is ended early: the rest and the ends of texts and thoughts. */
const CLOSING: ReadonlySet<IrEvent['type']> = new Set([
  'text-delta',
  'citation',
  'text-end',
  'thinking-delta',
  'thinking-end',
])

class TranslatingReader implements StreamReader {
  readonly #events: EventReader
  readonly #scanner: SseScanner
  readonly #decoder: StreamDecoder
  readonly #encoder: StreamEncoder
  readonly #onEvent: (event: IrEvent) => void
  readonly #renameCall: TranslatingReaderOptions['renameCall']
  #finish: IrFinish | null = null
  #hasCalls = false
  #cutReply: ReplySummary | null = null
  #stop: PoliteEnd | null = null
  ending: StreamReader['ending'] = null

  constructor({ from, encoder, onEvent, renameCall, ...scanning }: TranslatingReaderOptions) {
    this.#events = createEventReader(from, false)
    this.#scanner = createScanner('sse', scanning)
    this.#decoder = codecOf(from).createStreamDecoder()
    this.#encoder = encoder
    this.#onEvent = onEvent
    this.#renameCall = renameCall
  }

  push(chunk: Buffer): Buffer[] {
    if (this.ending !== null) return []
    this.#scanner.feed(chunk)
    let text = ''
    for (let block = this.#scanner.next(); block !== null && this.ending === null; block = this.#scanner.next()) {
      text += this.#take(block)
    }
    return text === '' ? [] : [Buffer.from(frameText(text))]
  }

  end(): Buffer[] {
    if (this.ending !== null) return []
    const last = this.#scanner.finish()
    const before = last === null ? null : this.#events.summary()
    const text = last === null ? '' : this.#take(last)
    if (this.ending === null) this.ending = this.#events.mayEnd() ? 'complete' : 'cut'
    // A piece of an event that gave the client nothing counts for nothing.
    if (this.ending === 'cut' && text === '') this.#cutReply = before
    return text === '' ? [] : [Buffer.from(frameText(text))]
  }

  #take(block: SseBlock): string {
    if (block.kind !== 'event') {
      if (block.kind === 'other' && this.#events.onOther?.(block) === 'error') this.ending = 'error'
      return ''
    }
    const verdict = this.#events.onEvent(block)
    if (verdict === 'error') {
      this.ending = 'error'
      return ''
    }
    const data = parseJson(block.data, block.dataStart, block.dataEnd)
    const text = data === undefined ? '' : this.#write(this.#decoder.decode(block.name, data))
    if (verdict === 'complete') this.ending = 'complete'
    return text
  }

  #write(events: readonly IrEvent[]): string {
    let text = ''
    for (const made of events) {
      const event = made.type === 'tool-call-start' ? { ...made, ...this.#renameCall(made) } : made
      this.#onEvent(event)
      if (event.type === 'tool-call-start') this.#hasCalls = true
      if (event.type === 'finish') this.#finish = event
      else text += this.#encoder.encode(event)
    }
    return text
  }

  endPolitely(end: PoliteEnd): void {
    if (this.ending !== null) return
    this.#stop = end
    this.ending = 'stopped'
  }

  takeHeld(cost: string | null = null): Buffer[] {
    if (this.ending !== 'complete' && this.ending !== 'stopped') return []
    const { finish, text, detail } = this.#close()
    const known = this.#events.summary()
    const usage = this.#stop ? usageSoFar(known, this.#stop) : known.usage
    return [Buffer.from(frameText(text + this.#encoder.finish({ finish, usage, cost, detail })))]
  }

  #close(): { finish: IrFinish; text: string; detail?: EndDetail } {
    const rest = this.#decoder.end()
    if (this.#stop && this.#events.namedFinish() === null) {
      // A call that is open stays so: what there is of its input must not look whole.
      return { finish: AT_CAP, text: this.#write(rest.filter(({ type }) => CLOSING.has(type))), detail: this.#stop }
    }
    const text = this.#write(rest)
    // Streams that end without a reason: whoever is given calls must know that they are to be answered.
    const plain = this.#hasCalls ? 'tool_calls' : PLAIN_END.finish
    return { finish: this.#finish ?? { ...PLAIN_END, finish: this.#events.summary().finish ?? plain }, text }
  }

  get outputTokens() {
    return this.#events.outputTokens()
  }

  get reply(): ReplySummary {
    const reply = this.#cutReply ?? this.#events.summary()
    return this.#stop ? { ...reply, finish: this.#events.namedFinish() ?? 'length' } : reply
  }

  position() {
    return this.#encoder.position()
  }
}

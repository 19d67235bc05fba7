/**
 * Relays a streamed reply byte for byte and reads from it on the side what the request is settled with.
 *
 * Whole events go on as soon as they are there, as slices of the chunks they came in. The event that ends the reply
 * is kept back, so that the client sees the end only when the money is safe.
 */
import type { Protocol } from '../base/words.ts'
import type { StreamPosition } from './codec.ts'
import { addCost, hasClosingUsage } from './cost.ts'
import type { EventReader, Verdict } from './event-reader.ts'
import { createEventReader, createScanner, type StreamForm } from './event-readers.ts'
import { type ArrayPlace, framesAsBytes, type PoliteEnd } from './polite-end.ts'
import type { ReplySummary } from './reply-summary.ts'
import type { SseBlock, SseScanner, SseScannerOptions } from './sse.ts'
import { parseJson } from './wire-value.ts'

export interface StreamReader {
  /**
   * Takes the next bytes of the upstream's body; returns what may go to the client now, in order. From the terminal
   * (or error) event on, everything is kept back. @throws AppError `upstream_unavailable` on an event too large.
   */
  push(chunk: Buffer): Buffer[]
  /**
   * The body ended. Returns the rest that may go before the terminal frame; afterwards `ending` is decided. A body
   * that is cut inside an event ends with the last whole event: the piece goes nowhere and counts for nothing.
   */
  end(): Buffer[]
  /**
   * Null while running; once decided it stays. `complete`: the terminal event came, or (where the protocol has none) a
   * finish reason and then the end. `error`: the upstream sent an error event, or a terminal event with too much
   * behind it at once. `cut`: the body ended without any of these. `stopped`: by `endPolitely`.
   */
  readonly ending: 'complete' | 'error' | 'cut' | 'stopped' | null
  /**
   * Ends the reply here, after the events that were passed on, as one that met its cap on output; `takeHeld` then gives
   * what completes the client's stream. What still comes from the upstream goes nowhere and counts for nothing. Does
   * nothing once `ending` is decided. A model that has told already why it ended keeps its reason (`reply.finish`).
   */
  endPolitely(end: PoliteEnd): void
  /**
   * Takes out what is kept back, with the charge put into its usage when one is given. Afterwards `push` hands later
   * bytes straight through (of a reply that was not `stopped`).
   */
  takeHeld(cost?: string | null): Buffer[]
  /**
   * Output tokens so far, cheap to read after every chunk: one for each four bytes of what was delivered (texts, shown
   * reasoning, input of tools), or what the upstream has counted itself when that is more.
   */
  readonly outputTokens: number
  readonly reply: ReplySummary
  /** Where an error event would stand. */
  position(): StreamPosition
}

export interface StreamReaderOptions extends SseScannerOptions {
  /** Google: server-sent events, or one JSON array. */
  readonly form?: StreamForm
  /** Chat: take the usage-only event out, which the gateway had asked for and the client had not. */
  readonly stripUsage: boolean
  /** Answers that were asked for (`n`, `candidateCount`); 1 when absent. */
  readonly answers?: number
  /** Keep the event with the closing usage back too, so that `takeHeld` can put the charge into it. */
  readonly holdUsage?: boolean
  /** Is shown, parsed, the events that hold one of its markers; all of them when it has none. */
  readonly observer?: EventObserver | undefined
  /** Bytes after the terminal event that are kept at most; once there are more, they and all later ones are dropped. */
  readonly maxHeldBytes?: number
}

export interface EventObserver {
  readonly markers: readonly Buffer[] | null
  onEvent(name: string | null, data: unknown): void
}

const DEFAULT_MAX_HELD_BYTES = 64 * 1024
/** Pieces between two elements of an array; no upstream has more than two or three. */
const MAX_BETWEEN = 16

export function createStreamReader(protocol: Protocol, options: StreamReaderOptions): StreamReader {
  const events = createEventReader(protocol, options.stripUsage, options.answers)
  return relay(protocol, events, createScanner(options.form ?? 'sse', options), options)
}

function relay(
  protocol: Protocol,
  events: EventReader,
  scanner: SseScanner,
  { form = 'sse', observer, holdUsage = false, maxHeldBytes = DEFAULT_MAX_HELD_BYTES }: StreamReaderOptions,
): StreamReader {
  const observe = observer && observing(observer)
  let ending: StreamReader['ending'] = null
  let held: Buffer[] = []
  let heldBytes = 0
  let isPassing = false
  let lastVerdict: Verdict = 'pass'
  /** Events that may turn out to be the last ones, and what came behind them. */
  let deferred: Buffer[] = []
  let deferredBytes = 0
  /** Of an array: what stands before the next element goes with it, so that an error can follow any element. */
  let between: SseBlock[] = []
  /** What was delivered when the body broke off inside an event, and where the next one would have stood. */
  let cut: { readonly reply: ReplySummary; readonly position: StreamPosition } | null = null
  /** What was delivered before it was ended. */
  let stoppedReply: ReplySummary | null = null
  /** Where an array stands after what was passed on or deferred. */
  let place: ArrayPlace = 'start'

  /** Keeps what came after the terminal frame; false from the first bytes on that are too many. */
  function hold(bytes: Buffer): boolean {
    heldBytes += bytes.length
    if (heldBytes > maxHeldBytes) return false
    held.push(bytes)
    return true
  }

  function judge(block: SseBlock): Verdict {
    const verdict = events.onEvent(block)
    observe?.(block)
    return holdUsage && verdict === 'pass' && hasClosingUsage(protocol, block) ? 'defer' : verdict
  }

  function defer(block: SseBlock): void {
    for (const one of [...takeBetween(), block]) {
      place = placeAfter(one, place)
      deferred.push(bytesOf(one))
      deferredBytes += one.end - one.start
    }
  }

  function takeBetween(): SseBlock[] {
    if (between.length === 0) return between
    const taken = between
    between = []
    return taken
  }

  function releaseDeferred(run: Run): void {
    if (deferred.length === 0) return
    closeRun(run)
    run.done.push(...deferred)
    deferred = []
    deferredBytes = 0
  }

  function pass(block: SseBlock, run: Run): void {
    // Blank lines and comments are no next event; a held usage waits for the next one or for the end.
    if (deferred.length > 0 && (block.kind !== 'event' || holdUsage) && deferredBytes < maxHeldBytes) {
      defer(block)
      return
    }
    releaseDeferred(run)
    for (const one of takeBetween()) sendOn(one, run)
    sendOn(block, run)
  }

  function sendOn(block: SseBlock, run: Run): void {
    if (form === 'array') place = placeAfter(block, place)
    addToRun(run, block)
  }

  function position(): StreamPosition {
    return events.position?.() ?? { sequence: 0, replyId: events.summary().upstreamId }
  }

  /** Sends a block on, drops it, or ends the reply with it; false when the reply has ended. */
  function take(block: SseBlock, run: Run): boolean {
    if (form === 'array' && block.kind === 'other' && between.length < MAX_BETWEEN) {
      between.push(block)
      return true
    }
    if (block.kind === 'event') {
      lastVerdict = judge(block)
      if (lastVerdict === 'defer') releaseDeferred(run)
    } else if (block.kind === 'other') lastVerdict = events.onOther?.(block) ?? 'pass'
    if (lastVerdict === 'pass') pass(block, run)
    else if (lastVerdict === 'defer') defer(block)
    if (lastVerdict === 'pass' || lastVerdict === 'strip' || lastVerdict === 'defer') return true
    ending = lastVerdict
    held.push(...deferred, ...takeBetween().map(bytesOf), bytesOf(block))
    for (const rest of scanner.takeRest()) if (!hold(rest)) ending = 'error'
    return false
  }

  return {
    push(chunk) {
      if (ending === 'stopped') return []
      if (isPassing) return heldBytes > maxHeldBytes ? [] : [chunk]
      if (ending !== null) {
        hold(chunk)
        return []
      }
      scanner.feed(chunk)
      const run = newRun()
      for (let block = scanner.next(); block !== null; block = scanner.next()) if (!take(block, run)) break
      return finishRun(run)
    },
    end() {
      if (ending !== null) return []
      const run = newRun()
      const last = scanner.finish()
      const before = last === null ? null : { reply: events.summary(), position: position() }
      if (last !== null && !take(last, run)) return []
      ending = events.mayEnd() ? 'complete' : 'cut'
      if (ending === 'complete') {
        held = [...deferred, ...takeBetween().map(bytesOf)]
        return finishRun(run)
      }
      // A piece of an event is nobody's: the error event that the gateway writes next must begin on its own line.
      cut = before
      return deferred
    },
    get ending() {
      return ending
    },
    endPolitely(end) {
      if (ending !== null) return
      stoppedReply = { ...events.summary(), finish: events.namedFinish() ?? 'length' }
      ending = 'stopped'
      held = [...deferred, ...framesAsBytes(events.endEarly(end), form, place)]
    },
    takeHeld(cost = null) {
      isPassing = true
      const taken = cost === null ? held : held.map((bytes) => addCost(protocol, bytes, cost))
      held = []
      return taken
    },
    get outputTokens() {
      return events.outputTokens()
    },
    get reply() {
      return stoppedReply ?? cut?.reply ?? events.summary()
    },
    position: () => cut?.position ?? position(),
  }
}

/** Shows an observer its events. A chunk is searched once, however many events are in it: nearly none holds a marker. */
function observing({ markers, onEvent }: EventObserver): (block: SseBlock) => void {
  let searched: Buffer | null = null
  let mayHold = true
  return (block) => {
    const { data, dataStart, dataEnd } = block
    if (markers !== null) {
      if (data !== searched) {
        searched = data
        mayHold = markers.some((marker) => data.includes(marker))
      }
      if (!mayHold || !markers.some((marker) => data.subarray(dataStart, dataEnd).includes(marker))) return
    }
    const value = parseJson(data, dataStart, dataEnd)
    if (value !== undefined) onEvent(block.name, value)
  }
}

const OPEN_BRACKET = 0x5b
const COMMA = 0x2c

function placeAfter({ kind, bytes, start, end }: SseBlock, place: ArrayPlace): ArrayPlace {
  if (kind === 'event') return 'element'
  const between = bytes.subarray(start, end)
  if (between.includes(OPEN_BRACKET)) return 'opened'
  return between.includes(COMMA) ? 'comma' : place
}

function bytesOf({ bytes, start, end }: SseBlock): Buffer {
  return bytes.subarray(start, end)
}

/** Puts neighbouring blocks of one chunk back together, so that they go out as one buffer. */
interface Run {
  readonly done: Buffer[]
  bytes: Buffer | null
  start: number
  end: number
}

function newRun(): Run {
  return { done: [], bytes: null, start: 0, end: 0 }
}

function addToRun(run: Run, block: SseBlock): void {
  if (run.bytes === block.bytes && run.end === block.start) {
    run.end = block.end
    return
  }
  closeRun(run)
  run.bytes = block.bytes
  run.start = block.start
  run.end = block.end
}

function closeRun(run: Run): void {
  if (run.bytes === null) return
  const isWhole = run.start === 0 && run.end === run.bytes.length
  run.done.push(isWhole ? run.bytes : run.bytes.subarray(run.start, run.end))
  run.bytes = null
}

function finishRun(run: Run): Buffer[] {
  closeRun(run)
  return run.done
}

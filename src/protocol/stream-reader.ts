/**
 * Relays a streamed reply byte for byte and reads from it on the side what the request is settled with.
 *
 * Whole events go on as soon as they are there, as slices of the chunks they came in. The event that ends the reply
 * is kept back, so that the client sees the end only when the money is safe.
 */
import { createMessagesReader } from './anthropic-messages/stream.ts'
import type { EventReader, Verdict } from './event-reader.ts'
import { createChatReader } from './openai-chat/stream.ts'
import type { RelayProtocol } from './relay-protocol.ts'
import type { ReplySummary } from './reply-summary.ts'
import { createSseScanner, type SseBlock, type SseScanner, type SseScannerOptions } from './sse.ts'

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
   * Null while running; once decided it stays. `complete`: the terminal event came, or (chat) a finish reason and
   * then the end. `error`: the upstream sent an error event, or a terminal event with too much behind it at once.
   * `cut`: the body ended without any of these.
   */
  readonly ending: 'complete' | 'error' | 'cut' | null
  /** Takes out what is kept back. Afterwards `push` hands later bytes straight through. */
  takeHeld(): Buffer[]
  readonly reply: ReplySummary
}

export interface StreamReaderOptions extends SseScannerOptions {
  /** Chat: take the usage-only event out, which the gateway had asked for and the client had not. */
  readonly stripUsage: boolean
  /** Bytes after the terminal event that are kept at most; once there are more, they and all later ones are dropped. */
  readonly maxHeldBytes?: number
}

const DEFAULT_MAX_HELD_BYTES = 64 * 1024

export function createStreamReader(protocol: RelayProtocol, options: StreamReaderOptions): StreamReader {
  const events = protocol === 'openai-chat' ? createChatReader(options.stripUsage) : createMessagesReader()
  return relay(events, createSseScanner(options), options.maxHeldBytes ?? DEFAULT_MAX_HELD_BYTES)
}

function relay(events: EventReader, scanner: SseScanner, maxHeldBytes: number): StreamReader {
  let ending: StreamReader['ending'] = null
  let held: Buffer[] = []
  let heldBytes = 0
  let isPassing = false
  let lastVerdict: Verdict = 'pass'
  /** What was delivered when the body broke off inside an event. */
  let cutReply: ReplySummary | null = null

  /** Keeps what came after the terminal frame; false from the first bytes on that are too many. */
  function hold(bytes: Buffer): boolean {
    heldBytes += bytes.length
    if (heldBytes > maxHeldBytes) return false
    held.push(bytes)
    return true
  }

  /** Sends a block on, drops it, or ends the reply with it; false when the reply has ended. */
  function take(block: SseBlock, run: Run): boolean {
    if (block.kind === 'event') lastVerdict = events.onEvent(block)
    else if (block.kind === 'other') lastVerdict = 'pass'
    if (lastVerdict === 'pass') addToRun(run, block)
    if (lastVerdict === 'pass' || lastVerdict === 'strip') return true
    ending = lastVerdict
    held.push(block.bytes.subarray(block.start, block.end))
    for (const rest of scanner.takeRest()) if (!hold(rest)) ending = 'error'
    return false
  }

  return {
    push(chunk) {
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
      const before = last === null ? null : events.summary()
      if (last !== null && !take(last, run)) return []
      ending = events.mayEnd() ? 'complete' : 'cut'
      if (ending === 'complete') return finishRun(run)
      // A piece of an event is nobody's: the error event that the gateway writes next must begin on its own line.
      cutReply = before
      return []
    },
    get ending() {
      return ending
    },
    takeHeld() {
      isPassing = true
      const taken = held
      held = []
      return taken
    },
    get reply() {
      return cutReply ?? events.summary()
    },
  }
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

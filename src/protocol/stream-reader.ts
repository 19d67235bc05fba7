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
  /** The body ended. Returns the rest that may go before the terminal frame; afterwards `ending` is decided. */
  end(): Buffer[]
  /**
   * Null while running. `complete`: the terminal event came, or (chat) a finish reason and then the end. `error`: the
   * upstream sent an error event, or too much after the end. `cut`: the body ended without any of these.
   */
  readonly ending: 'complete' | 'error' | 'cut' | null
  /** Takes out what is kept back. Afterwards `push` hands later bytes straight through. */
  takeHeld(): Buffer[]
  readonly reply: ReplySummary
}

export interface StreamReaderOptions extends SseScannerOptions {
  /** Chat: take the usage-only event out, which the gateway had asked for and the client had not. */
  readonly stripUsage: boolean
  /** Bytes after the terminal event that are kept at most. */
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

  function hold(bytes: Buffer): void {
    heldBytes += bytes.length
    if (heldBytes > maxHeldBytes) ending = 'error'
    else if (bytes.length > 0) held.push(bytes)
  }

  /** Sends a block on, drops it, or ends the reply with it; false when the reply has ended. */
  function take(block: SseBlock, run: Run): boolean {
    if (block.kind === 'event') lastVerdict = events.onEvent(block)
    else if (block.kind === 'other') lastVerdict = 'pass'
    if (lastVerdict === 'pass') addToRun(run, block)
    if (lastVerdict === 'pass' || lastVerdict === 'strip') return true
    ending = lastVerdict
    held.push(block.bytes.subarray(block.start, block.end))
    for (const rest of scanner.takeRest()) hold(rest)
    return false
  }

  return {
    push(chunk) {
      if (isPassing) return [chunk]
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
      if (last === null || take(last, run)) ending = events.mayEnd() ? 'complete' : 'cut'
      return finishRun(run)
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
      return events.summary()
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

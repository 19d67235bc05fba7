/** What a protocol knows about the events of its streamed replies; `stream-reader.ts` relays by it. */
import type { Usage } from '../base/usage.ts'
import type { StreamPosition } from './codec.ts'
import type { Spotted } from './event-spotter.ts'
import type { Frame, PoliteEnd } from './polite-end.ts'
import type { Finish, ReplySummary } from './reply-summary.ts'
import type { SseBlock } from './sse.ts'

/**
 * `pass`: on to the client. `strip`: not for the client, who had not asked for it. `complete`, `error`: the event
 * ends the reply, and it and all after it wait until the request is settled. `defer`: may be the last one (a protocol
 * without a terminal event): it waits for the next event, or for the settlement when none comes.
 */
export type Verdict = 'pass' | 'strip' | 'defer' | 'complete' | 'error'

export interface EventReader {
  /** Takes a block of kind `event`. */
  onEvent(block: SseBlock): Verdict
  /** Takes a block of kind `other`, for protocols whose errors can stand outside of events. */
  onOther?(block: SseBlock): Verdict
  /** Whether a body that ends now, without a terminal event, is a whole reply. */
  mayEnd(): boolean
  summary(): ReplySummary
  /** Where an error event would stand, for wires that number their events. */
  position?(): StreamPosition
  /** See `StreamReader`. Cheap: it is asked for after every chunk. */
  outputTokens(): number
  /** Why the model has ended, once it has told so for good: only counters can follow. */
  namedFinish(): Finish | null
  /**
   * What completes the client's stream after the events so far, as if the model had met its cap on output; after a named
   * finish, what is missing behind that.
   */
  endEarly(end: PoliteEnd): readonly Frame[]
}

/** How much output went by, over all events. */
export interface Delivered {
  textBytes: number
  refusalBytes: number
  reasoningBytes: number
  hasToolCall: boolean
  /** Output that is neither text nor a call of the client's tools: images, sound, results of server tools. */
  hasOther: boolean
}

export function nothingDelivered(): Delivered {
  return { textBytes: 0, refusalBytes: 0, reasoningBytes: 0, hasToolCall: false, hasOther: false }
}

export function addDelivered(delivered: Delivered, found: Spotted): void {
  delivered.textBytes += found.textBytes
  delivered.refusalBytes += found.refusalBytes
  delivered.reasoningBytes += Math.max(found.reasoningBytes, found.reasoningContentBytes, found.reasoningDetailsBytes)
  delivered.hasToolCall ||= found.hasToolCall
  delivered.hasOther ||= found.hasMedia
}

export function hasOutput(delivered: Delivered): boolean {
  return delivered.textBytes > 0 || delivered.reasoningBytes > 0 || delivered.hasToolCall || delivered.hasOther
}

const BYTES_PER_TOKEN = 4

/** Tokens that the delivered text amounts to: one per four bytes, at least one once anything was delivered. */
export function estimateTokens(delivered: Delivered): number {
  if (!hasOutput(delivered)) return 0
  return Math.max(1, Math.ceil((delivered.textBytes + delivered.reasoningBytes) / BYTES_PER_TOKEN))
}

/** The larger of what was delivered and what the upstream has counted itself: hidden reasoning is in the second only. */
export function outputSoFar(delivered: Delivered, usage: Usage | null): number {
  return Math.max(estimateTokens(delivered), usage?.output ?? 0)
}

/**
 * Finds callers that send the very same body again and again, as an agent does that is stuck.
 *
 * Bodies are told apart by a keyed hash, which stays in memory. Looking through 400 KB takes SHA-256 a fifth of the
 * time that the whole request takes, so a body is hashed only if one of its length was there before: an agent's body
 * grows with every turn. The price is that the first of a length counts as the same as those that follow, so that a
 * loop may be found one repetition early.
 */
import { createHmac } from 'node:crypto'
import { SECOND_MS } from '../base/time.ts'
import type { TrafficLimits } from '../domain/catalog.ts'

/** Why a body is refused. */
export interface Loop {
  /** How many the same were let through within the time that counts. */
  readonly count: number
  /** The first digits of the body's keyed hash. */
  readonly hash: string
  /** Milliseconds until it may be sent again, exactly. */
  readonly retryAfterMs: number
  /** Whether this is the first refusal of this loop. */
  readonly isNew: boolean
}

export interface Sent {
  /** What of the request stands in its path: a model's name, or nothing. */
  readonly target: string
  readonly body: Buffer
}

export type LoopLimit = NonNullable<TrafficLimits['loop']>

export interface LoopBreaker {
  /** Null when what `id` sends is let through, and counted. What is refused does not count, so a loop ends by itself. */
  judge(id: string, sent: Sent, limit: LoopLimit, nowMs: number): Loop | null
}

export interface LoopBreakerOptions {
  /** Keys the hashes. */
  readonly secret: string
  /** Different bodies that are remembered at most. */
  readonly maxTraces?: number
}

/** Some 20 MB at most, with the default limit. */
const DEFAULT_MAX_TRACES = 50_000
/** For each new trace, so many others are looked at. */
const LOOKS = 4
const SHOWN_DIGITS = 8

/** When the same was let through, ascending, for as long as that counts. */
interface Trace {
  atMs: number[]
  /** Whether it is part of something that came more than once. */
  isRepeated: boolean
  isTold: boolean
}

export function createLoopBreaker({ secret, maxTraces = DEFAULT_MAX_TRACES }: LoopBreakerOptions): LoopBreaker {
  const traces = new Map<string, Trace>()
  // Kept, so that each look goes on where the last one ended; a new one would pass over everything deleted before.
  let hand = traces.entries()

  function find(name: string, spanMs: number, nowMs: number): Trace | null {
    const trace = traces.get(name)
    if (!trace) return null
    expire(trace, spanMs, nowMs)
    if (trace.atMs.length > 0) return trace
    traces.delete(name)
    return null
  }

  /** In a flood of different bodies those seen once give way, and never the repeated ones. */
  function hasRoom(spanMs: number, nowMs: number): boolean {
    for (let looks = 0; looks < LOOKS; looks++) {
      const { done, value } = hand.next()
      if (done) {
        hand = traces.entries()
        continue
      }
      const [name, trace] = value
      expire(trace, spanMs, nowMs)
      const givesWay = traces.size >= maxTraces && !trace.isRepeated
      if (givesWay || trace.atMs.length === 0) traces.delete(name)
    }
    return traces.size < maxTraces
  }

  function count(name: string, trace: Trace | null, spanMs: number, nowMs: number): void {
    if (trace) trace.atMs.push(nowMs)
    else if (hasRoom(spanMs, nowMs)) traces.set(name, { atMs: [nowMs], isRepeated: false, isTold: false })
  }

  return {
    judge(id, { target, body }, { repeats, seconds }, nowMs) {
      const spanMs = seconds * SECOND_MS
      const lengthName = `${id} ${target.length} ${body.length}`
      const first = find(lengthName, spanMs, nowMs)
      if (!first) {
        count(lengthName, null, spanMs, nowMs)
        return null
      }
      const digest = createHmac('sha256', secret).update(`${target}\n`).update(body).digest('hex')
      const name = `${id} ${digest}`
      const trace = find(name, spanMs, nowMs)
      if (trace) first.isRepeated = trace.isRepeated = true
      const same = [...first.atMs, ...(trace?.atMs ?? [])].sort((a, b) => a - b)
      if (same.length < repeats) {
        count(name, trace, spanMs, nowMs)
        return null
      }
      const isNew = trace?.isTold === false
      if (trace) trace.isTold = true
      // When this one no longer counts, fewer than `repeats` do.
      const lastInTheWay = same[same.length - repeats] ?? nowMs
      return {
        count: same.length,
        hash: digest.slice(0, SHOWN_DIGITS),
        retryAfterMs: lastInTheWay + spanMs - nowMs,
        isNew,
      }
    },
  }
}

/** An instant after now was noted before the clock was set back: it no longer says how long ago that was. */
function expire(trace: Trace, spanMs: number, nowMs: number): void {
  const counts = (atMs: number): boolean => atMs > nowMs - spanMs && atMs <= nowMs
  if (!trace.atMs.every(counts)) trace.atMs = trace.atMs.filter(counts)
}

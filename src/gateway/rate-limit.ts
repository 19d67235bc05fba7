/**
 * Request rates by GCRA in its leaky-bucket form (ITU-T I.371, annex A): a request fills a bucket by one, the bucket
 * drains at the rate, and what would run over has to wait. So no span of t ever sees more than burst + rate × t.
 *
 * Memory is bounded without letting anybody go free: only a bucket that has run dry is forgotten, which changes
 * nothing. Where too many are filled at once, as in a flood of addresses, newcomers share a fixed number of buckets.
 */
import { createHmac } from 'node:crypto'
import { MINUTE_MS } from '../base/time.ts'
import type { RateLimit } from '../domain/catalog.ts'

export interface RateLimiter {
  /**
   * Takes one request of `id`: 0 when it is admitted, else the milliseconds until one would be. They are exact: this
   * long and not a millisecond less, if nobody else of this id comes first. A refused request costs nothing.
   */
  take(id: string, rate: RateLimit, nowMs: number): number
}

export interface RateLimiterOptions {
  /** Chooses the bucket that an id shares, so that nobody can aim at another's. */
  readonly secret: string
  /** Ids with a bucket of their own at most. */
  readonly maxOwn?: number
  /** Buckets that all further ids share. */
  readonly maxShared?: number
}

/** What a request weighs where a bucket drains by `requestsPerMinute` a millisecond: all numbers are whole, none is rounded. */
const REQUEST = MINUTE_MS
/** Some 10 MB at most. */
const DEFAULT_MAX_OWN = 50_000
const DEFAULT_MAX_SHARED = 1024
/** For each new bucket, so many others are looked at; two would already keep up with any number of new ones. */
const LOOKS = 4

interface Bucket {
  level: number
  atMs: number
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { secret, maxOwn = DEFAULT_MAX_OWN, maxShared = DEFAULT_MAX_SHARED } = options
  const own = new Map<string, Bucket>()
  const shared = new Map<number, Bucket>()
  // Kept, so that each look goes on where the last one ended; a new one would pass over everything deleted before.
  let hand = own.entries()

  function forgetDry(rate: RateLimit, nowMs: number): void {
    for (let looks = 0; looks < LOOKS; looks++) {
      const { done, value } = hand.next()
      if (done) hand = own.entries()
      else if (levelAt(value[1], rate, nowMs) === 0) own.delete(value[0])
    }
    for (const [slot, bucket] of shared) {
      if (levelAt(bucket, rate, nowMs) > 0) break
      shared.delete(slot)
    }
  }

  function bucketOf(id: string, rate: RateLimit, nowMs: number): Bucket {
    const known = own.get(id)
    if (known) return known
    forgetDry(rate, nowMs)
    const bucket: Bucket = { level: 0, atMs: nowMs }
    if (shared.size === 0 && own.size < maxOwn) {
      own.set(id, bucket)
      return bucket
    }
    const slot = slotOf(secret, id, maxShared)
    const common = shared.get(slot)
    const isDry = !common || levelAt(common, rate, nowMs) === 0
    if (isDry) shared.delete(slot)
    // While what an id shares is filled it stays there: a bucket of its own would be a second allowance.
    if (isDry && own.size < maxOwn) own.set(id, bucket)
    else if (isDry) shared.set(slot, bucket)
    else return common
    return bucket
  }

  return {
    take(id, rate, nowMs) {
      const bucket = bucketOf(id, rate, nowMs)
      bucket.level = levelAt(bucket, rate, nowMs)
      bucket.atMs = nowMs
      const excess = bucket.level + REQUEST - rate.burst * REQUEST
      if (excess > 0) return Math.ceil(excess / rate.requestsPerMinute)
      bucket.level += REQUEST
      return 0
    },
  }
}

/** A clock that was set back drains nothing, and a burst that was made smaller leaves no debt. */
function levelAt({ level, atMs }: Bucket, { requestsPerMinute, burst }: RateLimit, nowMs: number): number {
  const drained = Math.max(0, nowMs - atMs) * requestsPerMinute
  return Math.min(Math.max(0, level - drained), burst * REQUEST)
}

function slotOf(secret: string, id: string, slots: number): number {
  return createHmac('sha256', secret).update(id).digest().readUInt32BE(0) % slots
}

/** When a delivery that failed is tried again, and when no more. Pure. */
import { DAY_MS, HOUR_MS, SECOND_MS } from '../base/time.ts'

const FIRST_DELAY_MS = 5 * SECOND_MS
const GROWTH = 3
const MAX_DELAY_MS = 6 * HOUR_MS
/** Three days of tries at most; also how long a receiver that left the file may take to come back. */
export const RETRY_FOR_MS = 3 * DAY_MS
/** Of each delay a quarter at most is left out at random, so that receivers are not met by all retries at once. */
const JITTER = 0.25

/**
 * Milliseconds until the next try after `tries` tries, or null when that was the last: all delays together are below
 * three days. What the receiver asked for (`retry-after`) is kept to, up to the longest delay.
 * @param random from 0 to below 1
 */
export function retryDelayMs(tries: number, random: number, retryAfterMs = 0): number | null {
  const full = delayAfter(tries)
  if (waitedAfter(tries) + full > RETRY_FOR_MS) return null
  return Math.max(Math.round(full * (1 - JITTER * random)), Math.min(retryAfterMs, MAX_DELAY_MS))
}

function delayAfter(tries: number): number {
  return Math.min(FIRST_DELAY_MS * GROWTH ** (tries - 1), MAX_DELAY_MS)
}

/** The full delays before the last of `tries` tries. */
function waitedAfter(tries: number): number {
  let sum = 0
  for (let earlier = 1; earlier < tries && sum <= RETRY_FOR_MS; earlier++) sum += delayAfter(earlier)
  return sum
}

/** A `retry-after` header, seconds or a date, in milliseconds from now; 0 when there is none that makes sense. */
export function parseRetryAfterMs(header: string | string[] | undefined, nowMs: number): number {
  if (typeof header !== 'string') return 0
  const wait = /^\d{1,9}$/.test(header) ? Number(header) * SECOND_MS : Date.parse(header) - nowMs
  return Number.isFinite(wait) ? Math.max(0, wait) : 0
}

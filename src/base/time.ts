/** Time as milliseconds since the epoch, always handed in, so that tests can move it. */

/** Returns the present in milliseconds since the epoch. */
export type Clock = () => number

export const SECOND_MS = 1000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** `2026-11-20T08:00:00.000Z` */
export function formatInstant(atMs: number): string {
  return new Date(atMs).toISOString()
}

/** Seconds until an instant, rounded up so that waiting them out is always enough; never negative. */
export function secondsUntil(atMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((atMs - nowMs) / SECOND_MS))
}

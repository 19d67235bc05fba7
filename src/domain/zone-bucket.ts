/**
 * The day and the hour of an instant in a time zone, for sums of use. Pure.
 *
 * The database counts by quarter hours of UTC, which need no knowledge of zones and are the same on every engine. No zone
 * of our time is off UTC by anything but whole quarters, and none changes its offset between two, so that a quarter lies in
 * one day and in one hour of every zone.
 */

export const QUARTER_MS = 15 * 60_000
/** A year of hours has 35,040 quarters; beyond that, older ones are worked out again. */
const MAX_REMEMBERED = 50_000

export interface ZoneBuckets {
  /** `2026-11-20` */
  day(atMs: number): string
  /** The begin of the hour on the zone's clocks, with its offset, so that an hour that comes twice is two: `2026-10-25T02:00+01:00`. */
  hour(atMs: number): string
}

/** A name of the IANA database, as `Europe/Berlin`; offsets are none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][\w+/-]{1,63}$/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** @throws RangeError when there is no such zone. */
export function createZoneBuckets(zone: string): ZoneBuckets {
  const localTime = (atMs: number): Temporal.ZonedDateTime =>
    Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(zone)
  return {
    day: rememberByQuarter((atMs) => localTime(atMs).toPlainDate().toString()),
    hour: rememberByQuarter((atMs) => {
      const local = localTime(atMs)
      return `${local.toPlainDate()}T${String(local.hour).padStart(2, '0')}:00${local.offset}`
    }),
  }
}

function rememberByQuarter(label: (atMs: number) => string): (atMs: number) => string {
  const known = new Map<number, string>()
  return (atMs) => {
    const quarter = Math.floor(atMs / QUARTER_MS)
    const found = known.get(quarter)
    if (found !== undefined) return found
    if (known.size >= MAX_REMEMBERED) known.clear()
    const made = label(quarter * QUARTER_MS)
    known.set(quarter, made)
    return made
  }
}

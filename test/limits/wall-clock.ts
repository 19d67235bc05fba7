/**
 * A second opinion on calendars: what the clocks of a zone show, read off `Intl.DateTimeFormat`, and no other source.
 *
 * A date is the number of days since 1970-01-01. A date begins with the first instant at which the clocks show it or a
 * later one, and whatever they show afterwards, it has begun.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'

export type Unit = 'day' | 'week' | 'month'

/** Further than any zone is from UTC, with a change of clocks on top. */
const MARGIN_MS = 16 * HOUR_MS
/** Days to look at on each side of an instant to find the first and the last of its period. */
const REACH: Readonly<Record<Unit, number>> = { day: 4, week: 16, month: 64 }

const DIGITS = {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
} as const

const clocks = new Map<string, Intl.DateTimeFormat>()
const begins = new Map<string, number>()

/** What the clocks show at an instant, as the instant at which clocks of UTC show the same. */
export function shownAt(zone: string, atMs: number): number {
  let clock = clocks.get(zone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-CA', { ...DIGITS, timeZone: zone, hourCycle: 'h23' })
    clocks.set(zone, clock)
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (clock.format(atMs).match(/\d+/g) ?? []).map(
    Number,
  )
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/** The instant at which a date begins. Looks at every minute around it where clocks change nearby. */
export function dateBegins(zone: string, date: number): number {
  const key = `${zone} ${date}`
  const known = begins.get(key)
  if (known !== undefined) return known
  const midnight = date * DAY_MS
  const offsets = new Set<number>()
  for (let at = midnight - MARGIN_MS; at <= midnight + MARGIN_MS; at += HOUR_MS) offsets.add(shownAt(zone, at) - at)
  const [offset = 0] = offsets
  let begin = offsets.size === 1 ? midnight - offset : midnight - MARGIN_MS
  while (shownAt(zone, begin) < midnight) begin += MINUTE_MS
  begins.set(key, begin)
  return begin
}

/** The instants at which periods begin around an instant: two at least are later than it, and ascending. */
export function periodsBegin(unit: Unit, zone: string, weekStart: number, atMs: number): number[] {
  const today = Math.floor(atMs / DAY_MS)
  const found: number[] = []
  for (let date = today - REACH[unit]; date <= today + REACH[unit]; date++) {
    if (!isFirst(unit, date, weekStart)) continue
    const begin = dateBegins(zone, date)
    if (begin !== found.at(-1)) found.push(begin)
  }
  return found
}

function isFirst(unit: Unit, date: number, weekStart: number): boolean {
  if (unit === 'day') return true
  if (unit === 'month') return new Date(date * DAY_MS).getUTCDate() === 1
  // 1970-01-01 was a Thursday.
  const daysSinceMonday = (((date + 3) % 7) + 7) % 7
  return daysSinceMonday + 1 === weekStart
}

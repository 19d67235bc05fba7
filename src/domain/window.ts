/**
 * Value windows: when a counter of value starts and ends, what counts in it now, and when an amount fits again. Pure.
 *
 * Windows of plans and periods of caps are counters, a row each (`MeterState`). A row keeps the bounds that it was
 * opened with: neither a change of plan, time zone or week start moves them, nor a clock that is set back.
 */
import { addUsd, type NanoUsd, nanoUsd, ZERO_USD } from '../base/money.ts'
import { DAY_MS } from '../base/time.ts'
import type { WindowSpec } from './catalog.ts'

/** Whose midnights and weeks `calendar` windows follow. */
export interface Calendar {
  /** IANA name: `Europe/Berlin`. */
  readonly timeZone: string
  /** 1 is Monday, 7 is Sunday, as ISO 8601 has it. */
  readonly weekStart: number
}

export const UTC_CALENDAR: Calendar = { timeZone: 'UTC', weekStart: 1 }

/** From `startsAtMs` on, and before `endsAtMs`. */
export interface WindowBounds {
  readonly startsAtMs: number
  readonly endsAtMs: number
}

/** One counter row, or with `id` null the one that would be opened now. */
export interface MeterState extends WindowBounds {
  readonly id: string | null
  readonly settled: NanoUsd
  /** What requests under way hold of it. */
  readonly held: NanoUsd
  /** The highest threshold, in percent, that was told of it. */
  readonly told: number
}

/** A window as it stands. */
export interface WindowState {
  readonly spec: WindowSpec
  /** The row that a hold made now counts in. */
  readonly current: MeterState
  /** The other rows that count now: the other buckets of a sliding window. */
  readonly earlier: readonly MeterState[]
  /** Open rows whose turn comes when `current` has ended. There are some only while the clock is set back. */
  readonly later?: readonly MeterState[]
  /** Summed over `current` and `earlier`. */
  readonly settled: NanoUsd
  readonly held: NanoUsd
}

type Unit = NonNullable<WindowSpec['unit']>

const WEEK_MS = 7 * DAY_MS
/** 1970-01-05, the first Monday after the epoch. */
const FIRST_MONDAY_MS = 4 * DAY_MS
const BUCKETS = 60

/**
 * The bounds of the row that a request admitted now would count in, if none is open.
 *
 * - `session`: from now on, for its length.
 * - `calendar`: the day, week or month of the calendar's zone. A day with a change of the clock has 23 or 25 hours.
 * - `anchored`: days, weeks and months from the anchor on, in UTC. A month without the anchor's day ends on its last.
 * - `sliding`: the present of 60 buckets per length, aligned to the epoch. It ends when all of it is older than the
 *   length, so that what was counted stays for the length and at most a sixtieth more, never less.
 *
 * @throws RangeError when the zone is unknown.
 */
export function windowBoundsAt(
  spec: WindowSpec,
  nowMs: number,
  anchorMs: number,
  calendar: Calendar = UTC_CALENDAR,
): WindowBounds {
  switch (spec.kind) {
    case 'session':
      return { startsAtMs: nowMs, endsAtMs: nowMs + spec.lengthMs }
    case 'calendar':
      return calendarPeriod(unitOf(spec), nowMs, calendar)
    case 'anchored':
      return anchoredPeriod(unitOf(spec), nowMs, anchorMs)
    case 'sliding':
      return bucketAt(spec.lengthMs, nowMs)
  }
}

/**
 * What counts in a window now. `rows` are the rows of its subject and name with `endsAtMs > nowMs`, in any order; none
 * is left out of the count because the spec has changed since it was opened.
 *
 * Rows that have ended may be among them, and the latest should be: then a fresh window does not start before it ended,
 * though the calendar was changed meanwhile. They count for nothing.
 *
 * @throws RangeError when the zone is unknown.
 */
export function windowStateOf(
  spec: WindowSpec,
  rows: readonly MeterState[],
  nowMs: number,
  anchorMs: number,
  calendar: Calendar = UTC_CALENDAR,
): WindowState {
  const open = rows.filter((row) => row.endsAtMs > nowMs)
  if (spec.kind === 'sliding') {
    const bucket = bucketAt(spec.lengthMs, nowMs)
    const current = open.find((row) => row.endsAtMs === bucket.endsAtMs) ?? unopened(ownBucket(bucket, rows, nowMs))
    return stateOf(spec, current, open)
  }
  if (open.length > 0) return firstState(spec, open)
  return stateOf(spec, unopened(freshPeriod(spec, rows, nowMs, anchorMs, calendar)), [])
}

/** What is left of a window, never negative. */
export function roomOf({ spec, settled, held }: WindowState): NanoUsd {
  const room = spec.limit - settled - held
  return room > 0n ? nanoUsd(room) : ZERO_USD
}

/**
 * When `amount` fits, if nothing more is spent: an absolute instant that only spending moves to a later one. To show
 * when a window is whole again, ask for its limit.
 *
 * An amount that fits already gets the end of the current window; null if that says nothing, because the window slides
 * or is a session that no request has opened. Null too for an amount above the limit: it never fits.
 */
export function resetsAtOf(state: WindowState, amount: NanoUsd): number | null {
  const { spec, current, earlier, later = [] } = state
  if (amount <= roomOf(state)) {
    const isPeriod = spec.kind !== 'sliding' && earlier.length === 0
    return isPeriod && !(spec.kind === 'session' && current.id === null) ? current.endsAtMs : null
  }
  const leaving = [current, ...earlier].sort((a, b) => a.endsAtMs - b.endsAtMs)
  let room = spec.limit - state.settled - state.held
  for (const [index, row] of leaving.entries()) {
    room += row.settled + row.held
    const next = index === leaving.length - 1 && later.length > 0 ? firstState(spec, later) : null
    if (next !== null && amount > roomOf(next)) return resetsAtOf(next, amount)
    if (amount <= room) return row.endsAtMs
  }
  return null
}

/** The state while the earliest of open rows is the current one. */
function firstState(spec: WindowSpec, open: readonly MeterState[]): WindowState {
  const [counting, later] = firstPeriod(open)
  // Of rows that overlap, holds count in the one that stays longest: with an earlier end they would leave too soon.
  const current = counting.reduce((last, row) => (row.endsAtMs > last.endsAtMs ? row : last))
  const state = stateOf(spec, current, counting)
  return later.length === 0 ? state : { ...state, later }
}

function stateOf(spec: WindowSpec, current: MeterState, counting: readonly MeterState[]): WindowState {
  const earlier = counting.filter((row) => row !== current)
  let [settled, held] = [current.settled, current.held]
  for (const row of earlier) {
    settled = addUsd(settled, row.settled)
    held = addUsd(held, row.held)
  }
  return { spec, current, earlier, settled, held }
}

function unopened(bounds: WindowBounds): MeterState {
  return { id: null, settled: ZERO_USD, held: ZERO_USD, told: 0, ...bounds }
}

/**
 * The earliest of the open rows, also when it starts later than now (the clock was set back, and a second window would
 * double the limit), with the rows that overlap it; and the rest. Rows that overlap are buckets of a window that slid
 * until its spec was changed: none of them may be forgotten.
 */
function firstPeriod(open: readonly MeterState[]): [counting: readonly MeterState[], later: readonly MeterState[]] {
  const rows = open.toSorted((a, b) => a.startsAtMs - b.startsAtMs)
  let reachMs = Number.NEGATIVE_INFINITY
  const end = rows.findIndex((row, index) => {
    if (index > 0 && row.startsAtMs >= reachMs) return true
    reachMs = Math.max(reachMs, row.endsAtMs)
    return false
  })
  return end === -1 ? [rows, []] : [rows.slice(0, end), rows.slice(end)]
}

/**
 * The bounds of a window to open. After a change of calendar its period may have begun before the last window ended:
 * then it starts where that one ended, and goes on to the end of the next period if it would be shorter than six
 * sevenths of one. So windows never overlap, and no one gets more of them by moving midnights to and fro.
 */
function freshPeriod(
  spec: WindowSpec,
  ended: readonly MeterState[],
  nowMs: number,
  anchorMs: number,
  calendar: Calendar,
): WindowBounds {
  const period = windowBoundsAt(spec, nowMs, anchorMs, calendar)
  const startsAtMs = startAfter(ended, period, nowMs)
  const isShort = (period.endsAtMs - startsAtMs) * 7 < (period.endsAtMs - period.startsAtMs) * 6
  const last = isShort ? windowBoundsAt(spec, period.endsAtMs, anchorMs, calendar) : period
  return { startsAtMs, endsAtMs: last.endsAtMs }
}

/** Rows are told apart by their starts: those of a former spec may have taken the bucket's, but not its end. */
function ownBucket(bucket: WindowBounds, rows: readonly MeterState[], nowMs: number): WindowBounds {
  const taken = new Set(rows.map((row) => row.startsAtMs))
  let startsAtMs = startAfter(
    rows.filter((row) => row.startsAtMs >= bucket.startsAtMs),
    bucket,
    nowMs,
  )
  while (taken.has(startsAtMs)) startsAtMs -= 1
  return { startsAtMs, endsAtMs: bucket.endsAtMs }
}

/** The start of `bounds`, or the end of the last row that ended within them. */
function startAfter(rows: readonly MeterState[], bounds: WindowBounds, nowMs: number): number {
  return rows.reduce(
    (start, { endsAtMs }) => (endsAtMs <= nowMs ? Math.max(start, endsAtMs) : start),
    bounds.startsAtMs,
  )
}

function unitOf({ name, unit }: WindowSpec): Unit {
  if (unit === null) throw new TypeError(`the window ${name} has no unit`)
  return unit
}

function calendarPeriod(unit: Unit, nowMs: number, calendar: Calendar): WindowBounds {
  if (calendar.timeZone !== 'UTC') return zonedPeriod(unit, nowMs, calendar)
  if (unit === 'month') return utcMonth(nowMs)
  if (unit === 'day') return stepFrom(0, DAY_MS, nowMs)
  return stepFrom(FIRST_MONDAY_MS + (calendar.weekStart - 1) * DAY_MS, WEEK_MS, nowMs)
}

function anchoredPeriod(unit: Unit, nowMs: number, anchorMs: number): WindowBounds {
  if (unit === 'month') return anchoredMonth(nowMs, anchorMs)
  return stepFrom(anchorMs, unit === 'day' ? DAY_MS : WEEK_MS, nowMs)
}

function stepFrom(originMs: number, stepMs: number, nowMs: number): WindowBounds {
  const startsAtMs = Math.floor((nowMs - originMs) / stepMs) * stepMs + originMs
  return { startsAtMs, endsAtMs: startsAtMs + stepMs }
}

/**
 * A period starts with the first instant of its first date, whichever time that is: some zones have no midnight on the
 * day on which their clocks change. Where clocks went back across midnight, the date before comes again for a while;
 * it belongs to the new period, which has begun.
 */
function zonedPeriod(unit: Unit, nowMs: number, { timeZone, weekStart }: Calendar): WindowBounds {
  const startOf = (date: Temporal.PlainDate): number => date.toZonedDateTime(timeZone).epochMilliseconds
  const step = unit === 'day' ? { days: 1 } : unit === 'week' ? { weeks: 1 } : { months: 1 }
  const today = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone).toPlainDate()
  let date = firstDateOf(unit, today, weekStart)
  let startsAtMs = startOf(date)
  for (;;) {
    date = date.add(step)
    const endsAtMs = startOf(date)
    if (endsAtMs > nowMs) return { startsAtMs, endsAtMs }
    startsAtMs = endsAtMs
  }
}

function firstDateOf(unit: Unit, date: Temporal.PlainDate, weekStart: number): Temporal.PlainDate {
  if (unit === 'day') return date
  if (unit === 'month') return date.with({ day: 1 })
  return date.subtract({ days: (date.dayOfWeek - weekStart + 7) % 7 })
}

function utcMonth(nowMs: number): WindowBounds {
  const now = new Date(nowMs)
  const startsAtMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
  return { startsAtMs, endsAtMs: Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1) }
}

function anchoredMonth(nowMs: number, anchorMs: number): WindowBounds {
  const anchor = new Date(anchorMs)
  const now = new Date(nowMs)
  let months = (now.getUTCFullYear() - anchor.getUTCFullYear()) * 12 + now.getUTCMonth() - anchor.getUTCMonth()
  if (monthsAfter(anchor, months) > nowMs) months--
  return { startsAtMs: monthsAfter(anchor, months), endsAtMs: monthsAfter(anchor, months + 1) }
}

/** The anchor's day and time of day, so many months later; the 31st becomes the last day of a shorter month. */
function monthsAfter(anchor: Date, months: number): number {
  const year = anchor.getUTCFullYear()
  const month = anchor.getUTCMonth() + months
  const daysInMonth = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  const timeOfDayMs = anchor.getTime() - Date.UTC(year, anchor.getUTCMonth(), anchor.getUTCDate())
  return Date.UTC(year, month, Math.min(anchor.getUTCDate(), daysInMonth)) + timeOfDayMs
}

function bucketAt(lengthMs: number, nowMs: number): WindowBounds {
  const bucketMs = Math.ceil(lengthMs / BUCKETS)
  const { startsAtMs, endsAtMs } = stepFrom(0, bucketMs, nowMs)
  return { startsAtMs, endsAtMs: endsAtMs + lengthMs }
}

/** Rules with one mistake each, of the kind that gateways really made: an oracle that accepts one proves nothing. */
import { ZERO_USD } from '../../src/base/money.ts'
import { DAY_MS, HOUR_MS } from '../../src/base/time.ts'
import {
  type Calendar,
  type MeterState,
  resetsAtOf,
  UTC_CALENDAR,
  type WindowBounds,
  type WindowState,
  windowBoundsAt,
  windowStateOf,
} from '../../src/domain/window.ts'
import type { Rules } from './program.ts'

type StateArguments = Parameters<typeof windowStateOf>

/** Changes what the right rule is asked. */
function asking(change: (...args: StateArguments) => StateArguments): Rules {
  return { windowStateOf: (...args) => windowStateOf(...change(...args)), resetsAtOf }
}

/** Changes what the right rule answers. */
function answering(change: (state: WindowState, ...args: StateArguments) => WindowState): Rules {
  return { windowStateOf: (...args) => change(windowStateOf(...args), ...args), resetsAtOf }
}

/** Changes the bounds of a window that is about to be opened, and of those of one kind alone. */
function opening(
  kind: 'calendar' | 'anchored',
  change: (bounds: MeterState, calendar: Calendar) => WindowBounds,
): Rules {
  return answering((state, spec, _rows, _nowMs, _anchorMs, calendar = UTC_CALENDAR) => {
    if (state.current.id !== null || spec.kind !== kind) return state
    return { ...state, current: { ...state.current, ...change(state.current, calendar) } }
  })
}

function shifted({ startsAtMs, endsAtMs }: WindowBounds, byMs: number): WindowBounds {
  return { startsAtMs: startsAtMs + byMs, endsAtMs: endsAtMs + byMs }
}

function offsetOf(zone: string, atMs: number): number {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(zone).offsetNanoseconds / 1e6
}

/** The anchor as it is after a February. */
function afterFebruary(anchorMs: number): number {
  const daysLate = new Date(anchorMs).getUTCDate() - 28
  return daysLate > 0 ? anchorMs - daysLate * DAY_MS : anchorMs
}

function wholeDays({ startsAtMs, endsAtMs }: WindowBounds): WindowBounds {
  const wholeMs = Math.round((endsAtMs - startsAtMs) / DAY_MS) * DAY_MS
  return Math.abs(wholeMs - (endsAtMs - startsAtMs)) <= HOUR_MS
    ? { startsAtMs, endsAtMs: startsAtMs + wholeMs }
    : { startsAtMs, endsAtMs }
}

export const WRONG_RULES: Readonly<Record<string, Rules>> = {
  'a day has 24 hours, also when clocks change': opening('calendar', wholeDays),
  'midnight is that of UTC everywhere': asking((spec, rows, nowMs, anchorMs, calendar = UTC_CALENDAR) => {
    return [spec, rows, nowMs, anchorMs, { ...calendar, timeZone: 'UTC' }]
  }),
  'the offset of the zone is applied twice': opening('calendar', (bounds, { timeZone }) =>
    shifted(bounds, -offsetOf(timeZone, bounds.startsAtMs)),
  ),
  'weeks start on Monday whatever the setting': asking((spec, rows, nowMs, anchorMs, calendar = UTC_CALENDAR) => {
    return [spec, rows, nowMs, anchorMs, { ...calendar, weekStart: 1 }]
  }),
  'a month has 30 days': opening('anchored', ({ startsAtMs, endsAtMs }) => ({
    startsAtMs,
    endsAtMs: endsAtMs - startsAtMs > 8 * DAY_MS ? startsAtMs + 30 * DAY_MS : endsAtMs,
  })),
  'an anchor on the 31st stays on the 28th after a February': asking((spec, rows, nowMs, anchorMs, calendar) => {
    return [spec, rows, nowMs, afterFebruary(anchorMs), calendar ?? UTC_CALENDAR]
  }),
  'a clock that is set back opens a second window': asking((spec, rows, nowMs, ...rest) => {
    return [spec, rows.filter((row) => row.startsAtMs <= nowMs), nowMs, ...rest]
  }),
  'of several open windows the latest is the current one': asking((spec, rows, ...rest) => {
    return [spec, spec.kind === 'sliding' ? rows : rows.slice(-1), ...rest]
  }),
  'a change of zone moves the open window': answering((state, spec, _rows, nowMs, anchorMs, calendar) => {
    if (spec.kind !== 'calendar') return state
    return { ...state, current: { ...state.current, ...windowBoundsAt(spec, nowMs, anchorMs, calendar) } }
  }),
  'a change of zone lets windows overlap': asking((spec, rows, nowMs, ...rest) => {
    return [spec, rows.filter((row) => row.endsAtMs > nowMs), nowMs, ...rest]
  }),
  'a window still counts at the instant of its end': asking((spec, rows, nowMs, ...rest) => {
    return [spec, rows.map((row) => (row.endsAtMs === nowMs ? { ...row, endsAtMs: nowMs + 1 } : row)), nowMs, ...rest]
  }),
  'a bucket leaves when its first instant does': asking((spec, rows, nowMs, ...rest) => {
    const isIn = (row: MeterState): boolean => row.startsAtMs + spec.lengthMs > nowMs
    return [spec, spec.kind === 'sliding' ? rows.filter(isIn) : rows, nowMs, ...rest]
  }),
  'what requests under way hold is not counted': answering((state) => ({ ...state, held: ZERO_USD })),
  'a sliding window resets with its present bucket': {
    windowStateOf,
    resetsAtOf: (state, amount) =>
      resetsAtOf(state, amount) === null ? null : Math.max(resetsAtOf(state, amount) ?? 0, state.current.endsAtMs),
  },
  'what can never fit resets like the rest': {
    windowStateOf,
    resetsAtOf: (state, amount) => resetsAtOf(state, amount) ?? state.current.endsAtMs,
  },
}

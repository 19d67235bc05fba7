import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nanoUsd, parseUsd, ZERO_USD } from '../base/money.ts'
import { formatInstant, HOUR_MS, MINUTE_MS } from '../base/time.ts'
import type { WindowSpec } from './catalog.ts'
import {
  type Calendar,
  type MeterState,
  resetsAtOf,
  roomOf,
  UTC_CALENDAR,
  type WindowBounds,
  type WindowState,
  windowBoundsAt,
  windowStateOf,
} from './window.ts'

const LIMIT = parseUsd(12)
const session: WindowSpec = { name: '5 hour', kind: 'session', lengthMs: 5 * HOUR_MS, unit: null, limit: LIMIT }
const sliding: WindowSpec = { ...session, name: 'last 5 hours', kind: 'sliding' }
const week: WindowSpec = { name: 'weekly', kind: 'calendar', lengthMs: 0, unit: 'week', limit: LIMIT }
const month: WindowSpec = { name: 'monthly', kind: 'anchored', lengthMs: 0, unit: 'month', limit: LIMIT }
const ANCHOR = '2026-01-31T10:30:00Z'

const at = (text: string): number => Date.parse(text)
const inZone = (timeZone: string, weekStart = 1): Calendar => ({ timeZone, weekStart })
const textOf = (bounds: WindowBounds): string[] => [formatInstant(bounds.startsAtMs), formatInstant(bounds.endsAtMs)]

function boundsText(spec: WindowSpec, now: string, calendar?: Calendar): string[] {
  return textOf(windowBoundsAt(spec, at(now), at(ANCHOR), calendar))
}

function row(start: string, end: string, amounts: { settled?: number; held?: number } = {}): MeterState {
  const { settled = 0, held = 0 } = amounts
  const bounds = { startsAtMs: at(start), endsAtMs: at(end) }
  return { id: `${start} on`, ...bounds, settled: parseUsd(settled), held: parseUsd(held), told: 0 }
}

function stateAt(spec: WindowSpec, rows: readonly MeterState[], now: string, calendar?: Calendar): WindowState {
  return windowStateOf(spec, rows, at(now), at(ANCHOR), calendar)
}

describe('window bounds', () => {
  it('a session starts with the request and lasts its hours', () => {
    const bounds = boundsText(session, '2026-11-20T08:00:00Z')
    assert.deepEqual(bounds, ['2026-11-20T08:00:00.000Z', '2026-11-20T13:00:00.000Z'])
  })

  it('a week starts Monday 00:00 UTC, if nothing else is set', () => {
    const friday = boundsText(week, '2026-11-20T08:00:00Z')
    assert.deepEqual(friday, ['2026-11-16T00:00:00.000Z', '2026-11-23T00:00:00.000Z'])
    assert.deepEqual(boundsText(week, '2026-11-16T00:00:00Z'), friday)
    assert.deepEqual(boundsText(week, '2026-11-22T23:59:59.999Z'), friday)
  })

  it('a week starts on the day of the workspace, at its midnight', () => {
    const sunday = ['2026-11-15T05:00:00.000Z', '2026-11-22T05:00:00.000Z']
    assert.deepEqual(boundsText(week, '2026-11-20T08:00:00Z', inZone('America/New_York', 7)), sunday)
    const saturday = ['2026-11-21T00:00:00.000Z', '2026-11-28T00:00:00.000Z']
    assert.deepEqual(boundsText(week, '2026-11-21T00:00:00Z', { ...UTC_CALENDAR, weekStart: 6 }), saturday)
  })

  it('a calendar day has as many hours as its clocks say', () => {
    const day: WindowSpec = { ...week, unit: 'day' }
    const hours = (now: string, timeZone: string): number => {
      const { startsAtMs, endsAtMs } = windowBoundsAt(day, at(now), 0, inZone(timeZone))
      return (endsAtMs - startsAtMs) / HOUR_MS
    }
    assert.equal(hours('2026-03-29T12:00:00Z', 'UTC'), 24)
    assert.equal(hours('2026-03-29T12:00:00Z', 'Europe/Berlin'), 23)
    assert.equal(hours('2026-10-25T12:00:00Z', 'Europe/Berlin'), 25)
    assert.equal(hours('2026-04-05T00:00:00Z', 'Australia/Lord_Howe'), 24.5)
    assert.equal(hours('2026-03-08T12:00:00Z', 'America/Havana'), 23)
  })

  it('a day that has no midnight starts with its first instant', () => {
    const day: WindowSpec = { ...week, unit: 'day' }
    const first = boundsText(day, '2026-03-08T05:00:00Z', inZone('America/Havana'))
    assert.deepEqual(first, ['2026-03-08T05:00:00.000Z', '2026-03-09T04:00:00.000Z'])
    const before = boundsText(day, '2026-03-08T04:59:59.999Z', inZone('America/Havana'))
    assert.deepEqual(before, ['2026-03-07T05:00:00.000Z', '2026-03-08T05:00:00.000Z'])
  })

  it('a calendar month starts on its first, also where that is still the last elsewhere', () => {
    const calendarMonth: WindowSpec = { ...month, kind: 'calendar' }
    const inUtc = ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']
    assert.deepEqual(boundsText(calendarMonth, '2026-12-31T23:59:59Z'), inUtc)
    const ahead = ['2026-12-31T10:00:00.000Z', '2027-01-31T10:00:00.000Z']
    assert.deepEqual(boundsText(calendarMonth, '2026-12-31T10:00:00Z', inZone('Pacific/Kiritimati')), ahead)
    const behind = ['2026-12-01T11:00:00.000Z', '2027-01-01T11:00:00.000Z']
    assert.deepEqual(boundsText(calendarMonth, '2027-01-01T10:59:59Z', inZone('Pacific/Pago_Pago')), behind)
  })

  it('a month runs from the anchor, and a day that a month lacks is its last', () => {
    const february = boundsText(month, '2026-02-20T00:00:00Z')
    assert.deepEqual(february, ['2026-01-31T10:30:00.000Z', '2026-02-28T10:30:00.000Z'])
    const march = boundsText(month, '2026-02-28T10:30:00Z')
    assert.deepEqual(march, ['2026-02-28T10:30:00.000Z', '2026-03-31T10:30:00.000Z'])
    const leap = boundsText(month, '2028-02-29T10:29:59Z')
    assert.deepEqual(leap, ['2028-01-31T10:30:00.000Z', '2028-02-29T10:30:00.000Z'])
  })

  it('an anchored day or week is a day or week, from the anchor on', () => {
    const ofWeek = boundsText({ ...month, unit: 'week' }, '2026-02-08T10:00:00Z')
    assert.deepEqual(ofWeek, ['2026-02-07T10:30:00.000Z', '2026-02-14T10:30:00.000Z'])
    const ofDay = boundsText({ ...month, unit: 'day' }, '2026-02-08T10:00:00Z', inZone('Europe/Berlin'))
    assert.deepEqual(ofDay, ['2026-02-07T10:30:00.000Z', '2026-02-08T10:30:00.000Z'])
  })

  it('a bucket of a sliding window ends when all of it is older than the length', () => {
    const bounds = boundsText(sliding, '2026-11-20T08:04:59.999Z')
    assert.deepEqual(bounds, ['2026-11-20T08:00:00.000Z', '2026-11-20T13:05:00.000Z'])
    assert.equal(boundsText(sliding, '2026-11-20T08:05:00Z')[0], '2026-11-20T08:05:00.000Z')
  })

  it('a zone that does not exist, or a period without a unit, is an error', () => {
    assert.throws(() => boundsText(week, ANCHOR, inZone('Mars/Olympus')), RangeError)
    assert.throws(() => boundsText({ ...week, unit: null }, ANCHOR), TypeError)
  })
})

describe('the state of a window', () => {
  it('is fresh when none is open, whatever earlier ones counted and hold', () => {
    const full = row('2026-11-20T03:00:00Z', '2026-11-20T08:00:00Z', { settled: 8, held: 4 })
    assert.equal(roomOf(stateAt(session, [full], '2026-11-20T07:59:59.999Z')), ZERO_USD)
    const next = stateAt(session, [full], '2026-11-20T08:00:00Z')
    assert.equal(next.current.id, null)
    assert.equal(roomOf(next), LIMIT)
    assert.deepEqual(textOf(next.current), ['2026-11-20T08:00:00.000Z', '2026-11-20T13:00:00.000Z'])
  })

  it('is the one that is open when the clock is set back before its start', () => {
    const first = row('2026-11-20T08:00:00Z', '2026-11-20T13:00:00Z', { settled: 12 })
    const second = row('2026-11-20T14:00:00Z', '2026-11-20T19:00:00Z', { settled: 5 })
    const state = stateAt(session, [second, first], '2026-11-20T07:00:00Z')
    assert.equal(state.current, first)
    assert.equal(state.settled, parseUsd(12))
    assert.deepEqual([state.earlier, state.later], [[], [second]])
  })

  it('is not moved by a change of zone, and the next starts where it ends', () => {
    const open = row('2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z', { settled: 1 })
    const east = inZone('Pacific/Kiritimati')
    assert.equal(stateAt(week, [open], '2026-11-22T23:59:59Z', east).current, open)
    // Monday there begins on Sunday 10:00 UTC.
    const next = stateAt(week, [open], '2026-11-23T00:00:00Z', east).current
    assert.deepEqual(textOf(next), ['2026-11-23T00:00:00.000Z', '2026-11-29T10:00:00.000Z'])
  })

  it('after a change of week start lasts a week rather than the days that are left', () => {
    const ended = row('2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z', { settled: 12 })
    const next = stateAt(week, [ended], '2026-11-23T00:00:00Z', { ...UTC_CALENDAR, weekStart: 2 }).current
    assert.deepEqual(textOf(next), ['2026-11-23T00:00:00.000Z', '2026-12-01T00:00:00.000Z'])
  })

  it('of a sliding window is all its buckets', () => {
    const before = row('2026-11-20T05:00:00Z', '2026-11-20T10:05:00Z', { settled: 5 })
    const present = row('2026-11-20T08:00:00Z', '2026-11-20T13:05:00Z', { held: 4 })
    const state = stateAt(sliding, [before, present], '2026-11-20T08:03:00Z')
    assert.deepEqual([state.current, state.earlier], [present, [before]])
    assert.deepEqual([state.settled, state.held, roomOf(state)], [parseUsd(5), parseUsd(4), parseUsd(3)])
    const later = stateAt(sliding, [before, present], '2026-11-20T10:05:00Z')
    assert.equal(later.current.id, null)
    assert.deepEqual([later.earlier, roomOf(later)], [[present], parseUsd(8)])
  })

  it('that slid until its plan was changed still counts all its buckets, and holds stay with the last', () => {
    const first = row('2026-11-20T05:00:00Z', '2026-11-20T10:05:00Z', { settled: 5 })
    const last = row('2026-11-20T08:00:00Z', '2026-11-20T13:05:00Z', { settled: 4 })
    const state = stateAt(week, [first, last], '2026-11-20T09:00:00Z')
    assert.deepEqual([state.current, state.earlier, roomOf(state)], [last, [first], parseUsd(3)])
    assert.deepEqual([resetsAtOf(state, parseUsd(3)), resetsAtOf(state, parseUsd(4))], [null, first.endsAtMs])
  })

  it('that slid counts a bucket also when one between has a shorter stay', () => {
    const rows = [
      row('2026-11-20T05:00:00Z', '2026-11-20T10:05:00Z', { settled: 1 }),
      row('2026-11-20T08:00:00Z', '2026-11-20T09:01:00Z', { settled: 2 }),
      row('2026-11-20T08:55:00Z', '2026-11-20T09:56:00Z', { settled: 3 }),
      row('2026-11-20T09:56:00Z', '2026-11-20T10:57:00Z', { settled: 4 }),
    ]
    assert.equal(stateAt(week, rows, '2026-11-20T09:00:00Z').settled, parseUsd(10))
  })

  it('that slides in longer steps than before takes no start that an ended row may have', () => {
    const days: WindowSpec = { ...sliding, lengthMs: 72 * HOUR_MS }
    const ended = row('2026-11-20T12:05:00Z', '2026-11-20T13:06:00Z', { settled: 12 })
    const { current } = stateAt(days, [ended], '2026-11-20T13:07:00Z')
    assert.deepEqual(textOf(current), ['2026-11-20T13:06:00.000Z', '2026-11-23T13:12:00.000Z'])
  })

  it('that slides counts what was open before it did, and takes no start that is taken', () => {
    const open = row('2026-11-20T08:00:00Z', '2026-11-20T13:00:00Z', { settled: 9 })
    const state = stateAt(sliding, [open], '2026-11-20T08:00:00Z')
    assert.equal(roomOf(state), parseUsd(3))
    assert.deepEqual(textOf(state.current), ['2026-11-20T07:59:59.999Z', '2026-11-20T13:05:00.000Z'])
  })

  it('has never less than nothing left', () => {
    const over = row('2026-11-20T08:00:00Z', '2026-11-20T13:00:00Z', { settled: 13 })
    assert.equal(roomOf(stateAt(session, [over], '2026-11-20T09:00:00Z')), ZERO_USD)
  })
})

describe('the reset of a window', () => {
  const reset = (state: WindowState, amount: number): string | null => {
    const resetsAtMs = resetsAtOf(state, parseUsd(amount))
    return resetsAtMs === null ? null : formatInstant(resetsAtMs)
  }

  it('is its end, and never for what is larger than the limit', () => {
    const state = stateAt(week, [], '2026-11-20T08:00:00Z')
    assert.equal(reset(state, 0), '2026-11-23T00:00:00.000Z')
    assert.equal(reset(state, 12), '2026-11-23T00:00:00.000Z')
    assert.equal(resetsAtOf(state, nanoUsd(LIMIT + 1n)), null)
  })

  it('of a session is told once it has opened', () => {
    assert.equal(reset(stateAt(session, [], '2026-11-20T08:00:00Z'), 12), null)
    const open = row('2026-11-20T08:00:00Z', '2026-11-20T13:00:00Z')
    assert.equal(reset(stateAt(session, [open], '2026-11-20T09:00:00Z'), 12), '2026-11-20T13:00:00.000Z')
  })

  it('of a sliding window is when enough has left it', () => {
    const rows = [
      row('2026-11-20T05:00:00Z', '2026-11-20T10:05:00Z', { settled: 2 }),
      row('2026-11-20T06:00:00Z', '2026-11-20T11:05:00Z'),
      row('2026-11-20T07:00:00Z', '2026-11-20T12:05:00Z', { settled: 3, held: 1 }),
      row('2026-11-20T08:00:00Z', '2026-11-20T13:05:00Z', { settled: 6 }),
    ]
    const state = stateAt(sliding, rows, '2026-11-20T09:00:00Z')
    const resets = [1, 2, 3, 6, 7, 12].map((amount) => reset(state, amount))
    const [first, third, fourth] = ['10:05', '12:05', '13:05'].map((time) => `2026-11-20T${time}:00.000Z`)
    assert.deepEqual(resets, [first, first, third, third, fourth, fourth])
    assert.equal(reset(state, 0), null, 'what fits has nothing to wait for')
  })

  it('of a window before another that is full is when that one ends', () => {
    const first = row('2026-11-20T08:00:00Z', '2026-11-20T13:00:00Z', { settled: 12 })
    const second = row('2026-11-20T14:00:00Z', '2026-11-20T19:00:00Z', { settled: 5 })
    const state = stateAt(session, [first, second], '2026-11-20T07:00:00Z')
    assert.equal(reset(state, 7), '2026-11-20T13:00:00.000Z')
    assert.equal(reset(state, 8), '2026-11-20T19:00:00.000Z')
  })

  it('does not move while a client that was refused asks again and again', () => {
    const full = row('2026-11-20T08:00:00Z', '2026-11-20T13:00:00Z', { settled: 12 })
    for (let now = full.startsAtMs; now < full.endsAtMs; now += MINUTE_MS) {
      assert.equal(resetsAtOf(windowStateOf(session, [full], now, 0), parseUsd(1)), full.endsAtMs)
    }
  })
})

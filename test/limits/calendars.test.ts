/** L01: calendar periods begin when the clocks of the zone say so, to the millisecond, and follow without a gap (PP-34). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ZERO_USD } from '../../src/base/money.ts'
import { DAY_MS, formatInstant, MINUTE_MS } from '../../src/base/time.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import { type WindowBounds, windowBoundsAt } from '../../src/domain/window.ts'
import { dateBegins, periodsBegin, type Unit } from './wall-clock.ts'
import { anchor, calendar, instant, unitSpec, ZONES } from './worlds.ts'

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)
const YEARS = [2010, 2011, 2026, 2027, 2028]
const UNITS: readonly Unit[] = ['day', 'week', 'month']

const specOf = (unit: Unit): WindowSpec => ({ name: unit, kind: 'calendar', lengthMs: 0, unit, limit: ZERO_USD })
type BoundsAt = (unit: Unit, atMs: number, timeZone: string, weekStart: number) => WindowBounds
const boundsAt: BoundsAt = (unit, atMs, timeZone, weekStart) =>
  windowBoundsAt(specOf(unit), atMs, 0, { timeZone, weekStart })

/** Throws at the first day of a year about whose begin the period is not the oracle's. */
function sweep(year: number, timeZone: string, bounds: BoundsAt): void {
  const first = Date.UTC(year, 0, 1) / DAY_MS
  for (let date = first; date < first + 366; date++) {
    const begin = dateBegins(timeZone, date)
    for (const unit of UNITS) {
      const weekStart = (date % 7) + 1
      const begins = periodsBegin(unit, timeZone, weekStart, begin)
      for (const atMs of [begin, begin - 1, begin + 30 * MINUTE_MS]) {
        const startsAtMs = Math.max(...begins.filter((at) => at <= atMs))
        const endsAtMs = Math.min(...begins.filter((at) => at > atMs))
        const place = `${unit} at ${formatInstant(atMs)} in ${timeZone}, weeks from ${weekStart}`
        assert.deepEqual(bounds(unit, atMs, timeZone, weekStart), { startsAtMs, endsAtMs }, place)
      }
    }
  }
}

describe('calendar periods', () => {
  for (const timeZone of ZONES) {
    it(`of ${timeZone} begin as its clocks say, on every day of ${YEARS.length} years`, () => {
      for (const year of YEARS) sweep(year, timeZone, boundsAt)
    })
  }

  it('are the same in UTC by the short way and by that of the zones', () => {
    const random = fc.tuple(instant, fc.constantFrom(...UNITS), fc.integer({ min: 1, max: 7 }))
    fc.assert(
      fc.property(random, ([atMs, unit, weekStart]) => {
        assert.deepEqual(boundsAt(unit, atMs, 'UTC', weekStart), boundsAt(unit, atMs, 'Etc/UTC', weekStart))
      }),
      { seed, numRuns: 5000 },
    )
  })

  it(`and those from an anchor are around now and follow each other without a gap (ZENDO_TEST_SEED=${seed})`, () => {
    fc.assert(
      fc.property(unitSpec, instant, anchor, calendar, (spec, nowMs, anchorMs, zone) => {
        const { startsAtMs, endsAtMs } = windowBoundsAt(spec, nowMs, anchorMs, zone)
        assert.ok(startsAtMs <= nowMs && nowMs < endsAtMs)
        assert.deepEqual(windowBoundsAt(spec, startsAtMs, anchorMs, zone), { startsAtMs, endsAtMs })
        assert.equal(windowBoundsAt(spec, endsAtMs, anchorMs, zone).startsAtMs, endsAtMs)
        assert.equal(windowBoundsAt(spec, startsAtMs - 1, anchorMs, zone).endsAtMs, startsAtMs)
      }),
      { seed, numRuns: 20_000 },
    )
  })
})

describe('the sweep refuses', () => {
  type StartOf = (date: Temporal.PlainDate, timeZone: string) => Temporal.ZonedDateTime
  type Next = (start: Temporal.ZonedDateTime) => Temporal.ZonedDateTime
  const days = (startOf: StartOf, next: Next): BoundsAt => {
    return (unit, atMs, timeZone, weekStart) => {
      if (unit !== 'day') return boundsAt(unit, atMs, timeZone, weekStart)
      const today = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone).toPlainDate()
      const start = startOf(today, timeZone)
      return { startsAtMs: start.epochMilliseconds, endsAtMs: next(start).epochMilliseconds }
    }
  }
  const startOfDay: StartOf = (date, timeZone) => date.toZonedDateTime(timeZone)

  it('days of 24 hours', () => {
    const wrong = days(startOfDay, (start) => start.add({ hours: 24 }))
    assert.throws(() => sweep(2026, 'Europe/Berlin', wrong), /day at 2026-03-28T23:00/)
    sweep(2026, 'Asia/Kathmandu', wrong)
  })

  it('days that begin before a midnight which the clocks skip', () => {
    const early: StartOf = (date, timeZone) =>
      date.toPlainDateTime().toZonedDateTime(timeZone, { disambiguation: 'earlier' })
    const wrong = days(early, (start) => startOfDay(start.add({ hours: 26 }).toPlainDate(), start.timeZoneId))
    assert.throws(() => sweep(2026, 'America/Havana', wrong), /day at 2026-03-08T05:00/)
  })

  it('days that begin twice because clocks go back across midnight', () => {
    const wrong = days(startOfDay, (start) => startOfDay(start.toPlainDate().add({ days: 1 }), start.timeZoneId))
    assert.throws(() => sweep(2010, 'America/St_Johns', wrong), /day at 2010-11-07T03:00/)
    sweep(2026, 'America/Havana', wrong)
  })
})

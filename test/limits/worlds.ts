/** Where and when random programs take place: zones with odd clocks, and the dates on which these show. */
import fc from 'fast-check'
import { nanoUsd } from '../../src/base/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import type { Calendar } from '../../src/domain/window.ts'

export interface World {
  readonly spec: WindowSpec
  readonly calendar: Calendar
  readonly anchorMs: number
  readonly startMs: number
}

export const ZONES: readonly string[] = [
  'UTC',
  // The first and the last to see a day.
  'Pacific/Kiritimati',
  'Pacific/Pago_Pago',
  'Europe/Berlin',
  'America/New_York',
  // No midnight on the day on which clocks go forward.
  'America/Havana',
  'Asia/Beirut',
  'Africa/Cairo',
  'America/Santiago',
  // Clocks go back for a month each year.
  'Africa/Casablanca',
  // Clocks change by half an hour.
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  // Clocks went back at one minute past midnight: the date before came again.
  'America/St_Johns',
  // Has no 30 December 2011.
  'Pacific/Apia',
]

/** Changes of clocks in the zones above, leap days, ends of months and years. */
const DATES: readonly string[] = [
  '2026-02-15',
  '2026-03-08',
  '2026-03-22',
  '2026-03-29',
  '2026-04-05',
  '2026-04-24',
  '2026-09-06',
  '2026-10-04',
  '2026-10-25',
  '2026-10-29',
  '2026-11-01',
  '2026-12-31',
  '2027-02-28',
  '2028-02-29',
  '2028-12-31',
  '2010-03-14',
  '2010-11-07',
  '2011-12-30',
]

const LIMIT = nanoUsd(1000n)
const LENGTHS_MS: readonly number[] = [
  MINUTE_MS,
  10 * MINUTE_MS,
  HOUR_MS,
  5 * HOUR_MS,
  24 * HOUR_MS,
  7 * DAY_MS,
  61_000,
]

/** Within three days of one of the dates. */
export const instant: fc.Arbitrary<number> = fc
  .tuple(fc.constantFrom(...DATES), fc.integer({ min: -3 * DAY_MS, max: 3 * DAY_MS }))
  .map(([date, offsetMs]) => Date.parse(`${date}T00:00:00Z`) + offsetMs)

export const calendar: fc.Arbitrary<Calendar> = fc.record({
  timeZone: fc.constantFrom(...ZONES),
  weekStart: fc.integer({ min: 1, max: 7 }),
})

/** Often the end of a month, and up to some years before or after the program. */
export const anchor: fc.Arbitrary<number> = fc
  .tuple(
    fc.integer({ min: 2008, max: 2029 }),
    fc.integer({ min: 0, max: 11 }),
    fc.oneof(fc.constantFrom(1, 28, 29, 30, 31), fc.integer({ min: 1, max: 31 })),
    fc.integer({ min: 0, max: DAY_MS - 1 }),
  )
  .map(([year, month, day, timeMs]) => Date.UTC(year, month, day) + timeMs)

export const lengthSpec: fc.Arbitrary<WindowSpec> = fc
  .tuple(fc.constantFrom('session', 'sliding'), fc.constantFrom(...LENGTHS_MS))
  .map(([kind, lengthMs]) => ({ name: kind, kind, lengthMs, unit: null, limit: LIMIT }))

export const unitSpec: fc.Arbitrary<WindowSpec> = fc
  .tuple(fc.constantFrom('calendar', 'anchored'), fc.constantFrom('day', 'week', 'month'))
  .map(([kind, unit]) => ({ name: `${kind} ${unit}`, kind, lengthMs: 0, unit, limit: LIMIT }))

export const world: fc.Arbitrary<World> = fc.record({
  spec: fc.oneof(lengthSpec, { arbitrary: unitSpec, weight: 2 }),
  calendar,
  anchorMs: anchor,
  startMs: instant,
})

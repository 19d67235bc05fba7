/**
 * What windows must say, from a log of every hold instead of counters, and from wall clocks instead of date
 * arithmetic: short and slow. Shares no code with the rules it judges but their types.
 */
import { DAY_MS } from '../../src/base/time.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import type { Calendar, WindowBounds } from '../../src/domain/window.ts'
import { periodsBegin } from './wall-clock.ts'

/** A hold that was admitted, with the window that it counts in. */
export interface LoggedHold extends WindowBounds {
  readonly atMs: number
  held: bigint
  settled: bigint
}

export interface Scene {
  readonly spec: WindowSpec
  readonly anchorMs: number
  readonly calendar: Calendar
  readonly log: readonly LoggedHold[]
}

export interface Expected {
  readonly bounds: WindowBounds
  readonly isOpen: boolean
  readonly settled: bigint
  readonly held: bigint
}

export function expectedAt(scene: Scene, nowMs: number): Expected {
  const open = scene.log.filter((hold) => hold.endsAtMs > nowMs)
  if (scene.spec.kind === 'sliding') {
    const bounds = bucketOf(scene.spec.lengthMs, nowMs)
    return { bounds, isOpen: open.length > 0, ...sums(open) }
  }
  const first = open.reduce<LoggedHold | undefined>(
    (a, b) => (a === undefined || b.startsAtMs < a.startsAtMs ? b : a),
    undefined,
  )
  if (first === undefined) return { bounds: freshAt(scene, nowMs), isOpen: false, settled: 0n, held: 0n }
  return { bounds: first, isOpen: true, ...sums(open.filter((hold) => hold.startsAtMs === first.startsAtMs)) }
}

export function fitsAt(scene: Scene, nowMs: number, amount: bigint): boolean {
  const { settled, held } = expectedAt(scene, nowMs)
  return settled + held + amount <= scene.spec.limit
}

/** The first end of a window at which the amount fits. */
export function expectedReset(scene: Scene, nowMs: number, amount: bigint): number | null {
  const { spec, log } = scene
  if (amount > spec.limit) return null
  if (fitsAt(scene, nowMs, amount)) {
    const { bounds, isOpen } = expectedAt(scene, nowMs)
    const saysNothing = spec.kind === 'sliding' || (spec.kind === 'session' && !isOpen)
    return saysNothing ? null : bounds.endsAtMs
  }
  const ends = log.map((hold) => hold.endsAtMs).filter((end) => end > nowMs)
  const fitting = ends.filter((end) => fitsAt(scene, end, amount))
  return Math.min(...fitting)
}

/** What was held or spent in the last `spanMs`, to the millisecond: the truth that a sliding window approaches. */
export function spentWithin(log: readonly LoggedHold[], spanMs: number, nowMs: number): bigint {
  const { settled, held } = sums(log.filter((hold) => hold.atMs + spanMs > nowMs))
  return settled + held
}

function sums(holds: readonly LoggedHold[]): { settled: bigint; held: bigint } {
  let [settled, held] = [0n, 0n]
  for (const hold of holds) {
    settled += hold.settled
    held += hold.held
  }
  return { settled, held }
}

/** The window that opens now. If one ended within its period, the calendar was changed: it goes on from there. */
function freshAt(scene: Scene, nowMs: number): WindowBounds {
  if (scene.spec.kind === 'session') return { startsAtMs: nowMs, endsAtMs: nowMs + scene.spec.lengthMs }
  const begins = beginsAround(scene, nowMs)
  const startsAtMs = Math.max(...begins.filter((begin) => begin <= nowMs))
  const [end = 0, endOfNext = 0] = begins.filter((begin) => begin > nowMs)
  const ended = scene.log.map((hold) => hold.endsAtMs).filter((at) => at > startsAtMs && at <= nowMs)
  if (ended.length === 0) return { startsAtMs, endsAtMs: end }
  const from = Math.max(...ended)
  const missing = from - startsAtMs
  return { startsAtMs: from, endsAtMs: missing > (end - startsAtMs) / 7 ? endOfNext : end }
}

function beginsAround({ spec, anchorMs, calendar }: Scene, nowMs: number): number[] {
  const unit = spec.unit ?? 'day'
  if (spec.kind === 'calendar') return periodsBegin(unit, calendar.timeZone, calendar.weekStart, nowMs)
  return unit === 'month' ? monthsAround(anchorMs, nowMs) : stepsAround(anchorMs, unit === 'day' ? 1 : 7, nowMs)
}

function stepsAround(anchorMs: number, days: number, nowMs: number): number[] {
  let at = anchorMs
  while (at > nowMs) at -= days * DAY_MS
  while (at + days * DAY_MS <= nowMs) at += days * DAY_MS
  return [at, at + days * DAY_MS, at + 2 * days * DAY_MS]
}

/** Month by month from two before now: the anchor's day, or the last that the month has. */
function monthsAround(anchorMs: number, nowMs: number): number[] {
  const anchorDay = new Date(anchorMs).getUTCDate()
  const timeOfDayMs = anchorMs - Math.floor(anchorMs / DAY_MS) * DAY_MS
  const year = new Date(nowMs).getUTCFullYear()
  const month = new Date(nowMs).getUTCMonth()
  return [-2, -1, 0, 1, 2, 3].map((months) => {
    let day = anchorDay
    while (new Date(Date.UTC(year, month + months, day)).getUTCDate() !== day) day -= 1
    return Date.UTC(year, month + months, day) + timeOfDayMs
  })
}

function bucketOf(lengthMs: number, nowMs: number): WindowBounds {
  const bucketMs = Math.ceil(lengthMs / 60)
  const startsAtMs = nowMs - (nowMs % bucketMs)
  return { startsAtMs, endsAtMs: startsAtMs + bucketMs + lengthMs }
}

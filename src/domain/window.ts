/** Value windows of a plan: when they start and end, and whether a hold fits. Pure. */
import { type NanoUsd, ZERO_USD } from '../base/money.ts'
import { DAY_MS } from '../base/time.ts'
import type { WindowSpec } from './catalog.ts'

export interface WindowBounds {
  readonly startsAtMs: number
  readonly endsAtMs: number
}

/** A window as it stands: what it has counted and what open requests hold of it. */
export interface WindowState extends WindowBounds {
  readonly spec: WindowSpec
  readonly settled: NanoUsd
  readonly held: NanoUsd
}

const WEEK_MS = 7 * DAY_MS
/** 1970-01-05, the first Monday after the epoch. */
const FIRST_MONDAY_MS = 4 * DAY_MS

/**
 * The window that a request admitted now would count in, if none is open.
 * A session starts now; calendar weeks start Monday 00:00 UTC; anchored weeks and months run from the seat's start.
 */
export function windowBoundsAt(spec: WindowSpec, nowMs: number, anchorMs: number): WindowBounds {
  switch (spec.kind) {
    case 'session':
      return { startsAtMs: nowMs, endsAtMs: nowMs + spec.lengthMs }
    case 'calendar':
      return spec.unit === 'month' ? calendarMonth(nowMs) : weekFrom(FIRST_MONDAY_MS, nowMs)
    case 'anchored':
      return spec.unit === 'week' ? weekFrom(anchorMs, nowMs) : anchoredMonth(nowMs, anchorMs)
  }
}

function weekFrom(anchorMs: number, nowMs: number): WindowBounds {
  const startsAtMs = Math.floor((nowMs - anchorMs) / WEEK_MS) * WEEK_MS + anchorMs
  return { startsAtMs, endsAtMs: startsAtMs + WEEK_MS }
}

function calendarMonth(nowMs: number): WindowBounds {
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

/** The first window, in the plan's order, that a hold does not fit; null when it fits them all. */
export function findFullWindow<W extends WindowState>(windows: readonly W[], hold: NanoUsd): W | null {
  return windows.find((window) => window.settled + window.held + hold > window.spec.limit) ?? null
}

/** What is left of a window, never negative. */
export function windowRemaining(window: WindowState): NanoUsd {
  const left = window.spec.limit - window.settled - window.held
  return (left > 0n ? left : ZERO_USD) as NanoUsd
}

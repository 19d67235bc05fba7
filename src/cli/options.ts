/** Reads the values of options and arguments; what cannot be read is a usage error. */
import { InvalidArgumentError } from 'commander'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../base/time.ts'
import { parseCapAmount } from '../control/cap.ts'
import { MAX_PRIORITY, parseGrantAmount } from '../control/credit.ts'

export function parseSwitch(text: string): boolean {
  if (text === 'on') return true
  if (text === 'off') return false
  throw new InvalidArgumentError('It is either on or off.')
}

/** A refusal of the value is one of the command line. */
function asArgument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : '')
    }
  }
}

export const parseDollars = asArgument(parseGrantAmount)

/** As `parseDollars`, and nothing at all is an amount, too. */
export const parseCapDollars = asArgument(parseCapAmount)

export function parsePriority(text: string): number {
  const priority = Number(text)
  if (/^\d{1,4}$/.test(text) && priority <= MAX_PRIORITY) return priority
  throw new InvalidArgumentError(`It is a whole number from 0 to ${MAX_PRIORITY}.`)
}

/** `2026-12-31`, which is its first instant in UTC, or `2026-12-31T12:00:00Z`. Days that do not exist are refused. */
export function parseInstant(text: string): number {
  try {
    const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text)
    return Temporal.Instant.from(isDay ? `${text}T00:00Z` : text).epochMilliseconds
  } catch {
    throw new InvalidArgumentError('It is like 2026-12-31 or 2026-12-31T12:00:00Z.')
  }
}

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']

/** 1 is Monday, 7 is Sunday. */
export function parseWeekday(text: string): number {
  const day = WEEKDAYS.indexOf(text.toLowerCase()) + 1
  if (day === 0) throw new InvalidArgumentError(`It is one of ${WEEKDAYS.join(', ')}.`)
  return day
}

export function formatWeekday(day: number): string {
  return WEEKDAYS[day - 1] ?? String(day)
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('It is a number from 0 to 65535.')
  return port
}

/** `7d`, `12h`, `30m` ago, or an instant: `2026-11-01`, `2026-11-01T12:00:00Z`. */
export type Since = { readonly agoMs: number } | { readonly atMs: number }

const UNIT_MS: Readonly<Record<string, number>> = { d: DAY_MS, h: HOUR_MS, m: MINUTE_MS }

export function parseSince(text: string): Since {
  const [, count, unit] = /^(\d{1,5})([dhm])$/.exec(text) ?? []
  const unitMs = UNIT_MS[unit ?? '']
  if (count !== undefined && unitMs !== undefined) return { agoMs: Number(count) * unitMs }
  const atMs = /^\d{4}-\d{2}-\d{2}(T[\d:.]+Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('It is like 7d, 12h, 30m, 2026-11-01 or 2026-11-01T12:00:00Z.')
  return { atMs }
}

export function sinceMs(since: Since, nowMs: number): number {
  return 'atMs' in since ? since.atMs : nowMs - since.agoMs
}

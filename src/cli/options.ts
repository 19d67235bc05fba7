/** Reads the values of options and arguments; what cannot be read is a usage error. */
import { InvalidArgumentError } from 'commander'
import type { NanoUsd } from '../base/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../base/time.ts'
import { parseGrantAmount } from '../control/credit.ts'

export function parseSwitch(text: string): boolean {
  if (text === 'on') return true
  if (text === 'off') return false
  throw new InvalidArgumentError('It is either on or off.')
}

export function parseDollars(text: string): NanoUsd {
  try {
    return parseGrantAmount(text)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : '')
  }
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

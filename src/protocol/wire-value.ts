/** Reading single values out of parsed JSON that may hold anything. */

export type WireObject = Readonly<Record<string, unknown>>

/** The value as an object with members, or null. */
export function asObject(value: unknown): WireObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as WireObject) : null
}

export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** Text that says something: null for the empty string. */
export function asName(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** Parses JSON bytes; undefined when they are none. */
export function parseJson(bytes: Buffer, start = 0, end = bytes.length): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', start, end))
  } catch {
    return undefined
  }
}

/** More tokens than any request has; what claims more is nonsense, and its price must still fit a ledger's column. */
const MAX_COUNT = 1_000_000_000

/**
 * A token counter as the wire gives it: a whole number from 0 to a billion. Fractions are cut off, what is out of
 * bounds is brought to the nearest bound; null when it is not a number at all.
 */
export function asCount(value: unknown): number | null {
  if (typeof value !== 'number' || Number.isNaN(value)) return null
  return clampCount(value)
}

export function clampCount(value: number): number {
  return Math.min(Math.max(Math.trunc(value), 0), MAX_COUNT)
}

/** The largest of several spellings of one counter; null when all are missing. */
export function largestCount(...values: readonly unknown[]): number | null {
  let largest: number | null = null
  for (const value of values) {
    const count = asCount(value)
    if (count !== null && (largest === null || count > largest)) largest = count
  }
  return largest
}

/** Prices a second time, with exact fractions and nothing of the code under test: what a usage costs before any rounding. */
import type { Price } from '../../src/domain/catalog.ts'

/** A fraction of nano-dollars. */
export interface Fraction {
  readonly over: bigint
  readonly under: bigint
}

export interface Counts {
  readonly input: number
  readonly cachedRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly output: number
}

type Rate = keyof Counts

const RATES: readonly Rate[] = ['input', 'cachedRead', 'cacheWrite5m', 'cacheWrite1h', 'output']

export function add(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.under + b.over * a.under, under: a.under * b.under }
}

export function times(a: Fraction, b: Fraction): Fraction {
  return { over: a.over * b.over, under: a.under * b.under }
}

export function compare(a: Fraction, b: Fraction): bigint {
  return a.over * b.under - b.over * a.under
}

/** To the nearest whole, halves up: the largest whole that is not above the value and a half. */
export function nearest({ over, under }: Fraction): bigint {
  return floor({ over: over * 2n + under, under: under * 2n })
}

export function floor({ over, under }: Fraction): bigint {
  const whole = over / under
  return over < 0n && whole * under !== over ? whole - 1n : whole
}

export function ceiling(value: Fraction): bigint {
  return -floor({ over: -value.over, under: value.under })
}

/** A dollar rate is for a million tokens. */
export function exactCost(price: Price, counts: Counts): Fraction {
  const prompt = counts.input + counts.cachedRead + counts.cacheWrite5m + counts.cacheWrite1h
  const reached = price.tiers.filter(({ above }) => prompt > above).sort((a, b) => b.above - a.above)
  const rates = reached[0] ?? price.base
  return RATES.map((name) =>
    times({ over: rates[name], under: 1_000_000n }, { over: BigInt(counts[name]), under: 1n }),
  ).reduce(add, { over: 0n, under: 1n })
}

/** What is charged for it, in whole nano-dollars. */
export function exactCharge(price: Price, counts: Counts): bigint {
  return nearest(exactCost(price, counts))
}

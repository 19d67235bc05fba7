/**
 * The prices of the test models and what a usage costs at them, computed as exact fractions and apart from the
 * gateway's own arithmetic. No token costs a whole number of nano-dollars, so that a wrong rounding shows.
 */
import type { RecordedUsage } from './case.ts'

/** Dollars per million tokens, as the config file takes them. */
export const TEST_PRICE = {
  input: 1.0007,
  output: 5.0009,
  cachedRead: 0.100300001,
  cacheWrite5m: 1.2505,
  cacheWrite1h: 2.0002,
} as const

/** Disjoint tokens; the names are those of the request row. */
export interface Buckets {
  readonly input_tokens: number
  readonly cached_read_tokens: number
  readonly cache_write_5m_tokens: number
  readonly cache_write_1h_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
}

/** Writes whose life the vendor does not tell count as five-minute ones; reasoning can be no more than the output. */
export function bucketsOf(usage: RecordedUsage): Buckets {
  const write1h = usage.cache_write_1h ?? 0
  return {
    input_tokens: usage.input ?? 0,
    cached_read_tokens: usage.cached_read ?? 0,
    cache_write_5m_tokens: (usage.cache_write ?? 0) - write1h,
    cache_write_1h_tokens: write1h,
    output_tokens: usage.output ?? 0,
    reasoning_tokens: Math.min(usage.reasoning ?? 0, usage.output ?? 0),
  }
}

/** Nano-dollars: the exact sum over all buckets, rounded once to the nearest, halves up. */
export function costOf(buckets: Buckets): bigint {
  const [numerator, denominator] = [
    times(buckets.input_tokens, TEST_PRICE.input),
    times(buckets.cached_read_tokens, TEST_PRICE.cachedRead),
    times(buckets.cache_write_5m_tokens, TEST_PRICE.cacheWrite5m),
    times(buckets.cache_write_1h_tokens, TEST_PRICE.cacheWrite1h),
    times(buckets.output_tokens, TEST_PRICE.output),
  ].reduce(addFractions)
  return (2n * numerator + denominator) / (2n * denominator)
}

type Fraction = readonly [numerator: bigint, denominator: bigint]

/** Tokens × dollars per million tokens, in nano-dollars: tokens × dollars × 1000. */
function times(tokens: number, dollarsPerMillion: number): Fraction {
  const [whole, decimals = ''] = String(dollarsPerMillion).split('.')
  return [BigInt(tokens) * BigInt(`${whole}${decimals}`) * 1000n, 10n ** BigInt(decimals.length)]
}

function addFractions(a: Fraction, b: Fraction): Fraction {
  return [a[0] * b[1] + b[0] * a[1], a[1] * b[1]]
}

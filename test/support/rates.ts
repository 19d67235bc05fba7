/** Rates of a price from dollars as text, in the order in which vendors list them. */
import { parseUsd } from '../../src/base/money.ts'
import type { PriceRates } from '../../src/domain/catalog.ts'

export function ratesOf(
  input: string,
  output: string,
  cachedRead: string,
  cacheWrite5m: string,
  cacheWrite1h: string,
): PriceRates {
  return {
    input: parseUsd(input),
    output: parseUsd(output),
    cachedRead: parseUsd(cachedRead),
    cacheWrite5m: parseUsd(cacheWrite5m),
    cacheWrite1h: parseUsd(cacheWrite1h),
  }
}

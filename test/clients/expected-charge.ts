/** What a usage must cost, computed apart from the code under test. The test prices are whole nano-dollars a token. */
import type { Usage } from '../../src/base/usage.ts'

/** Nano-dollars per token. */
export interface PriceTable {
  readonly input: bigint
  readonly cachedRead: bigint
  readonly cacheWrite5m: bigint
  readonly output: bigint
}

export function expectedCharge(price: PriceTable, usage: Usage): bigint {
  return (
    price.input * BigInt(usage.input) +
    price.cachedRead * BigInt(usage.cachedRead) +
    price.cacheWrite5m * BigInt(usage.cacheWrite5m) +
    price.output * BigInt(usage.output)
  )
}

/** As a plan counts it, halves up. */
export function weighted(charge: bigint, weightPpm: bigint): bigint {
  return (charge * weightPpm + 500_000n) / 1_000_000n
}

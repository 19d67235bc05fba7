/**
 * Prices against a second implementation with exact fractions. `ZENDO_PRICE_CASES=1000000` makes the long run; what is
 * too much for one test is split over five.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nanoUsd, unweighUsd, weighUsd } from '../../src/base/money.ts'
import { NO_USAGE, promptTokens, type Usage } from '../../src/base/usage.ts'
import type { Price, PriceRates } from '../../src/domain/catalog.ts'
import { coveredOutput, fullCover, type HoldSize, holdFor, nextHold, partialCover } from '../../src/domain/hold-size.ts'
import { chargeForUsage, dearestRates, worstCaseCharge } from '../../src/domain/price.ts'
import { ceiling, compare, exactCharge, exactCost, nearest, times } from './exact-price.ts'

/** Of all properties together. */
const CASES = Number(process.env.ZENDO_PRICE_CASES ?? 100_000)
const PROPERTIES = 5
const RUNS = { numRuns: Math.ceil(CASES / PROPERTIES) }

/** Free, cheap, dear, and far beyond anything that is sold; fractions of a nano-dollar a token included. */
const rate = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: 1n, max: 999_999n }),
  fc.bigInt({ min: 1_000_000n, max: 200_000_000_000n }),
  fc.bigInt({ min: 1n, max: 10n ** 15n }),
)
const rates: fc.Arbitrary<PriceRates> = fc
  .tuple(rate, rate, rate, rate, rate)
  .map(([input, output, cachedRead, cacheWrite5m, cacheWrite1h]) => ({
    input: nanoUsd(input),
    output: nanoUsd(output),
    cachedRead: nanoUsd(cachedRead),
    cacheWrite5m: nanoUsd(cacheWrite5m),
    cacheWrite1h: nanoUsd(cacheWrite1h),
  }))
const tokens = fc.oneof(
  fc.constant(0),
  fc.nat(1000),
  fc.nat(2_000_000),
  fc.constantFrom(199_999, 200_000, 200_001),
  fc.maxSafeNat().map((count) => Math.floor(count / 8)),
)
const price: fc.Arbitrary<Price> = fc
  .tuple(rates, fc.uniqueArray(fc.tuple(tokens, rates), { maxLength: 3, selector: ([above]) => above }))
  .map(([base, tiers]) => ({
    version: 'any',
    base,
    tiers: tiers.sort(([a], [b]) => a - b).map(([above, own]) => ({ above, ...own })),
  }))
const usage: fc.Arbitrary<Usage> = fc
  .tuple(tokens, tokens, tokens, tokens, tokens)
  .map(([input, cachedRead, cacheWrite5m, cacheWrite1h, output]) => ({
    ...{ input, cachedRead, cacheWrite5m, cacheWrite1h, output },
    reasoning: Math.floor(output / 2),
  }))

const BUCKETS = ['input', 'cachedRead', 'cacheWrite5m', 'cacheWrite1h', 'output'] as const

/** Whole numbers of nano-dollars, as halves of one to compare with. */
function isWithinHalf(charge: bigint, exact: ReturnType<typeof exactCost>): boolean {
  const twice = { over: exact.over * 2n, under: exact.under }
  return (
    compare({ over: charge * 2n - 1n, under: 1n }, twice) <= 0n &&
    compare({ over: charge * 2n + 1n, under: 1n }, twice) > 0n
  )
}

describe('prices', () => {
  it(`are the exact fraction, rounded once (${RUNS.numRuns} cases)`, () => {
    fc.assert(
      fc.property(price, usage, (own, used) => {
        const charge = chargeForUsage(own, used)
        assert.equal(charge, exactCharge(own, used))
        assert.ok(isWithinHalf(charge, exactCost(own, used)))
        assert.equal(chargeForUsage(own, { ...used, reasoning: 0 }), charge)
      }),
      RUNS,
    )
  })

  it('never fall when more is used at the same rates', () => {
    fc.assert(
      fc.property(rates, usage, fc.constantFrom(...BUCKETS), fc.nat(10_000), (base, used, bucket, more) => {
        const flat: Price = { version: 'flat', base, tiers: [] }
        const larger = { ...used, [bucket]: used[bucket] + more }
        assert.ok(chargeForUsage(flat, larger) >= chargeForUsage(flat, used))
      }),
      RUNS,
    )
  })

  it('of the parts of an answer are the price of the whole, but for one rounding each', () => {
    fc.assert(
      fc.property(rates, fc.array(usage, { minLength: 1, maxLength: 6 }), (base, parts) => {
        const flat: Price = { version: 'flat', base, tiers: [] }
        const whole = parts.reduce(sumUsage, NO_USAGE)
        const apart = parts.reduce((sum, part) => sum + chargeForUsage(flat, part), 0n)
        const difference = chargeForUsage(flat, whole) - apart
        const limit = BigInt(parts.length)
        assert.ok(difference <= limit && difference >= -limit, `${difference} for ${parts.length} parts`)
      }),
      RUNS,
    )
  })

  it('never exceed a hold whose bounds the tokens keep, whole, in slices or what could be afforded', () => {
    fc.assert(
      fc.property(price, usage, tokens, tokens, fc.nat(10_000), (own, used, spare, room, slice) => {
        const prompt = promptTokens(used) + Math.min(spare, 1_000_000)
        const charge = chargeForUsage(own, used)
        assert.ok(charge <= worstCaseCharge(own, prompt, used.output))
        const size = sizeOf(own, prompt, used.output, slice + 1)
        assert.ok(charge <= fullCover(size).hold)
        checkCover(own, used, size, nanoUsd(room))
        checkGrowth(size)
      }),
      RUNS,
    )
  })

  it('are weighed exactly, and what a window has room for is found exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.bigInt({ min: 0n, max: 10n ** 8n }), (amount, weight) => {
        const exact = times({ over: amount, under: 1n }, { over: weight, under: 1_000_000n })
        assert.equal(weighUsd(nanoUsd(amount), weight), nearest(exact))
        const most = unweighUsd(nanoUsd(amount), weight)
        if (most === null) return assert.equal(weight, 0n)
        assert.ok(weighUsd(most, weight) <= amount)
        assert.ok(weighUsd(nanoUsd(most + 1n), weight) > amount)
      }),
      RUNS,
    )
  })
})

function sumUsage(a: Usage, b: Usage): Usage {
  return {
    input: a.input + b.input,
    cachedRead: a.cachedRead + b.cachedRead,
    cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
    cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
  }
}

function sizeOf(own: Price, prompt: number, output: number, slice: number): HoldSize {
  const dearest = dearestRates(own, prompt)
  return {
    prompt: BigInt(prompt) * dearest.input,
    outputRate: dearest.output,
    output,
    leastOutput: Math.min(output, 1),
    slice,
  }
}

/** What is covered of a room fits it, and covers as many tokens as it says. */
function checkCover(own: Price, used: Usage, size: HoldSize, room: ReturnType<typeof nanoUsd>): void {
  const cover = partialCover(size, room)
  if (!cover) return
  assert.ok(cover.hold <= cover.maxHold && cover.maxHold <= room, 'a cover fits its room')
  const output = cover.output ?? size.output
  assert.equal(cover.maxHold, ceiling({ over: size.prompt + BigInt(output) * size.outputRate, under: 1_000_000n }))
  assert.ok(chargeForUsage(own, { ...used, output: Math.min(used.output, output) }) <= cover.maxHold)
}

/** Slices end at the worst case, and each covers what was delivered before it. */
function checkGrowth(size: HoldSize): void {
  const { maxHold } = fullCover(size)
  let hold = holdFor(size, Math.min(size.slice ?? size.output, size.output))
  for (let steps = 0; hold < maxHold && steps < 5; steps++) {
    const next = nextHold(size, hold, maxHold)
    assert.ok(next > hold && next <= maxHold, 'a slice grows, and no further than the worst case')
    assert.ok(coveredOutput(size, next) >= coveredOutput(size, hold))
    hold = next
  }
}

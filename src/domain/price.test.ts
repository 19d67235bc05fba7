import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseUsd } from '../base/money.ts'
import { NO_USAGE, promptTokens, type Usage } from '../base/usage.ts'
import type { Price, PriceRates } from './catalog.ts'
import { chargeForUsage, ratesForPrompt, worstCaseCharge } from './price.ts'

function rates(input: string, output: string, cachedRead: string, write5m: string, write1h: string): PriceRates {
  return {
    input: parseUsd(input),
    output: parseUsd(output),
    cachedRead: parseUsd(cachedRead),
    cacheWrite5m: parseUsd(write5m),
    cacheWrite1h: parseUsd(write1h),
  }
}

const price: Price = {
  version: 'p_test',
  base: rates('3', '15', '0.30', '3.75', '6'),
  tiers: [{ above: 200_000, ...rates('6', '22.50', '0.60', '7.50', '12') }],
}

describe('price', () => {
  it('charges each bucket at its own rate', () => {
    const usage: Usage = { ...NO_USAGE, input: 100, cachedRead: 1000, cacheWrite5m: 10, cacheWrite1h: 1, output: 50 }
    // 100×3 + 1000×0.30 + 10×3.75 + 1×6 + 50×15 = 1393.5 millionths of a dollar
    assert.equal(chargeForUsage(price, usage), 1_393_500n)
  })

  it('a tier applies to the whole request once the prompt is above it, cached tokens included', () => {
    assert.equal(ratesForPrompt(price, 200_000), price.base)
    assert.equal(ratesForPrompt(price, 200_001), price.tiers[0])
    const usage: Usage = { ...NO_USAGE, cachedRead: 200_000, input: 1, output: 10 }
    assert.equal(
      chargeForUsage(price, usage),
      (200_000n * 600_000_000n + 6_000_000_000n + 10n * 22_500_000_000n) / 1_000_000n,
    )
  })

  it('reasoning is part of the output and not charged again', () => {
    const usage: Usage = { ...NO_USAGE, output: 10 }
    assert.equal(chargeForUsage(price, { ...usage, reasoning: 10 }), chargeForUsage(price, usage))
  })

  it('no usage within the bounds of a hold costs more than it', () => {
    const tokens = fc.integer({ min: 0, max: 300_000 })
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, tokens, (input, cachedRead, cacheWrite5m, cacheWrite1h, output) => {
        const usage: Usage = { ...NO_USAGE, input, cachedRead, cacheWrite5m, cacheWrite1h, output }
        const held = worstCaseCharge(price, promptTokens(usage), output)
        assert.ok(chargeForUsage(price, usage) <= held)
      }),
    )
  })
})

/** Prices a usage, and the worst case of a request before it is sent. Pure; exact until the one rounding. */
import { maxUsd, type NanoUsd, priceTokens, roundCharge, roundHoldUp } from '../base/money.ts'
import { promptTokens, type Usage } from '../base/usage.ts'
import type { Price, PriceRates } from './catalog.ts'

/** The rates for a prompt of this many tokens: those of the highest tier it is above, else the base rates. */
export function ratesForPrompt(price: Price, tokens: number): PriceRates {
  let rates: PriceRates = price.base
  for (const tier of price.tiers) if (tokens > tier.above) rates = tier
  return rates
}

/** What a usage costs at list price, rounded once. */
export function chargeForUsage(price: Price, usage: Usage): NanoUsd {
  const rates = ratesForPrompt(price, promptTokens(usage))
  return roundCharge(
    priceTokens(usage.input, rates.input) +
      priceTokens(usage.cachedRead, rates.cachedRead) +
      priceTokens(usage.cacheWrite5m, rates.cacheWrite5m) +
      priceTokens(usage.cacheWrite1h, rates.cacheWrite1h) +
      priceTokens(usage.output, rates.output),
  )
}

/** The dearest rates that could apply to a prompt of at most this many tokens: of any bucket, in any tier within reach. */
export function dearestRates(price: Price, promptBound: number): { readonly input: NanoUsd; readonly output: NanoUsd } {
  let input = dearestPromptRate(price.base)
  let output = price.base.output
  for (const tier of price.tiers) {
    if (promptBound <= tier.above) continue
    input = maxUsd(input, dearestPromptRate(tier))
    output = maxUsd(output, tier.output)
  }
  return { input, output }
}

/** The most a request can cost: its prompt bound and output cap, each at the dearest rate that could apply. */
export function worstCaseCharge(price: Price, promptBound: number, outputCap: number): NanoUsd {
  const { input, output } = dearestRates(price, promptBound)
  return roundHoldUp(priceTokens(promptBound, input) + priceTokens(outputCap, output))
}

function dearestPromptRate(rates: PriceRates): NanoUsd {
  return maxUsd(maxUsd(rates.input, rates.cachedRead), maxUsd(rates.cacheWrite5m, rates.cacheWrite1h))
}

/** Exact decimals of what is no plain amount of dollars: weights, and tokens times a price. */

/** `1`, `0.5`: parts per million as a plain decimal. */
export function formatWeight(ppm: bigint): string {
  return formatDecimal(ppm, 6, 0)
}

/** Tokens times nano-dollars per million tokens, in dollars with all of its fifteen decimals that are not zero. */
export function formatProduct(nanoUsdTokens: bigint): string {
  return formatDecimal(nanoUsdTokens, 15, 2)
}

function formatDecimal(value: bigint, decimals: number, minDecimals: number): string {
  const digits = value.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '').padEnd(minDecimals, '0')
  return fraction === '' ? digits.slice(0, -decimals) : `${digits.slice(0, -decimals)}.${fraction}`
}

/**
 * Money as whole nano-dollars: the only file that computes with it.
 *
 * A nano-dollar is 1e-9 USD. Amounts are `bigint`, so sums and products are exact; a division rounds once, by the
 * function that names how. Prices are nano-dollars per one million tokens: $1.40 per 1M is 1_400_000_000n.
 */

declare const nanoUsdBrand: unique symbol

/** An amount of money in nano-dollars (1e-9 USD). May be negative in ledger entries. */
export type NanoUsd = bigint & { readonly [nanoUsdBrand]: true }

export const ZERO_USD = 0n as NanoUsd
const NANO_PER_USD = 1_000_000_000n
const TOKENS_PER_PRICE = 1_000_000n
/** A weight of 1, in parts per million. */
export const WEIGHT_ONE = 1_000_000n

/** Brands a whole number of nano-dollars, for instance one read from the database. */
export function nanoUsd(amount: bigint | number): NanoUsd {
  return BigInt(amount) as NanoUsd
}

/**
 * Reads a decimal number of dollars exactly: `"1.40"`, `5`, `0.0028`. Nothing is rounded.
 * @throws RangeError when the text is not a plain decimal or has more than nine decimals.
 */
export function parseUsd(dollars: string | number): NanoUsd {
  return parseDecimal(dollars, 9) as NanoUsd
}

/** Reads a weight (1, 0.5, 4) into parts per million. @throws RangeError as `parseUsd`, above six decimals. */
export function parseWeight(weight: string | number): bigint {
  return parseDecimal(weight, 6)
}

function parseDecimal(value: string | number, decimals: number): bigint {
  const text = typeof value === 'number' ? plainDecimal(value) : value.trim()
  const match = /^(-?)(\d{1,18})(?:\.(\d+))?$/.exec(text)
  if (!match) throw new RangeError(`not a decimal number: ${text.slice(0, 40)}`)
  const fraction = (match[3] ?? '').replace(/0+$/, '')
  if (fraction.length > decimals) throw new RangeError(`more than ${decimals} decimals: ${text.slice(0, 40)}`)
  const magnitude = BigInt(match[2] as string) * 10n ** BigInt(decimals) + BigInt(fraction.padEnd(decimals, '0') || '0')
  return match[1] ? -magnitude : magnitude
}

/** JavaScript writes 2.8e-7 for small numbers; `toFixed` would round, so the exponent is resolved by hand. */
function plainDecimal(value: number): string {
  const text = String(value)
  const match = /^(-?)(\d+)(?:\.(\d+))?e-(\d+)$/.exec(text)
  if (!match) return text
  const digits = (match[2] as string) + (match[3] ?? '')
  const shift = Number(match[4]) - (match[2] as string).length
  return `${match[1]}0.${'0'.repeat(Math.max(shift, 0))}${digits}`
}

/** Dollars as exact text without trailing zeros beyond cents: `1.40`, `0.0000004`, `-3.00`. */
export function formatUsd(amount: bigint): string {
  const negative = amount < 0n
  const magnitude = negative ? -amount : amount
  const fraction = (magnitude % NANO_PER_USD).toString().padStart(9, '0').replace(/0+$/, '').padEnd(2, '0')
  return `${negative ? '-' : ''}${magnitude / NANO_PER_USD}.${fraction}`
}

/** Dollars as a float, for display and JSON of the public service's shape only; never for arithmetic. */
export function toUsdNumber(amount: bigint): number {
  return Number(formatUsd(amount))
}

export function subtractUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return (a - b) as NanoUsd
}

export function minUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return a < b ? a : b
}

export function maxUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return a > b ? a : b
}

/** Tokens times a price, exact, in nano-dollar-tokens: sum these, then divide once. */
export function priceTokens(tokens: number, pricePerMillion: NanoUsd): bigint {
  return BigInt(tokens) * pricePerMillion
}

/** The one rounding of a charge: to the nearest nano-dollar, halves up. */
export function roundCharge(nanoUsdTokens: bigint): NanoUsd {
  return ((nanoUsdTokens + TOKENS_PER_PRICE / 2n) / TOKENS_PER_PRICE) as NanoUsd
}

/** The rounding of a hold: upwards, so that it always covers the charge. */
export function roundHoldUp(nanoUsdTokens: bigint): NanoUsd {
  return ((nanoUsdTokens + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE) as NanoUsd
}

/** An amount as a plan counts it: times the weight (parts per million), to the nearest nano-dollar, halves up. */
export function weighUsd(amount: NanoUsd, weightPpm: bigint): NanoUsd {
  if (weightPpm === WEIGHT_ONE) return amount
  return ((amount * weightPpm + WEIGHT_ONE / 2n) / WEIGHT_ONE) as NanoUsd
}

/** The largest amount that counts at most `room` in a plan of this weight; null when any amount does. */
export function unweighUsd(room: NanoUsd, weightPpm: bigint): NanoUsd | null {
  if (weightPpm === 0n) return null
  if (weightPpm === WEIGHT_ONE) return room
  return (((room + 1n) * WEIGHT_ONE - WEIGHT_ONE / 2n - 1n) / weightPpm) as NanoUsd
}

/** Tokens that an amount pays for at most, at a price per million; null when any number does. */
export function affordableTokens(nanoUsdTokens: bigint, pricePerMillion: NanoUsd): bigint | null {
  return pricePerMillion === 0n ? null : nanoUsdTokens / pricePerMillion
}

/** An amount as nano-dollar-tokens, the unit of `priceTokens`. */
export function asTokenPrice(amount: NanoUsd): bigint {
  return amount * TOKENS_PER_PRICE
}

export function addUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return (a + b) as NanoUsd
}

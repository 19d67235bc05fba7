/** The values a `zendo.jsonc` is made of, each with its limits and its refusal in plain words. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { parseUsd, parseWeight } from '../base/money.ts'

/** A price above this is a slip of the decimal point, and sums of it could leave 64 bits. */
const MAX_USD = 1_000_000
const MAX_WEIGHT = 1000
/** What a timer takes at most: longer ones fire at once. */
const MAX_TIMER_MS = 2_147_483_647

/** The exact amount, or null when it is not a plain decimal number of nano-dollars. */
function usdOrNull(value: string | number): bigint | null {
  try {
    return parseUsd(value)
  } catch {
    return null
  }
}

function weightOrNull(value: string | number): bigint | null {
  try {
    return parseWeight(value)
  } catch {
    return null
  }
}

const dollars = z
  .union([z.number(), z.string()], { error: 'expected dollars: a number or a decimal text such as "0.0028"' })
  .superRefine((value, context) => {
    const amount = usdOrNull(value)
    if (amount === null) context.addIssue('expected dollars: a plain decimal with at most nine decimals')
    else if (amount < 0n) context.addIssue('must not be negative')
    else if (amount > parseUsd(MAX_USD)) context.addIssue(`must not be above ${MAX_USD} dollars`)
  })

/** Dollars per one million tokens, or a fee; zero is allowed. */
export const usd = dollars

/** Dollars above zero: a limit of nothing would refuse everything. */
export const positiveUsd = dollars.refine((value) => usdOrNull(value) !== 0n, { error: 'must be above zero' })

/** How many dollars of plan window a dollar of list price consumes; six decimals. */
export const planWeight = z
  .union([z.number(), z.string()], { error: 'expected a weight: a number or a decimal text such as "0.5"' })
  .superRefine((value, context) => {
    const weight = weightOrNull(value)
    if (weight === null) context.addIssue('expected a weight: a plain decimal with at most six decimals')
    else if (weight <= 0n) context.addIssue('must be above zero')
    else if (weight > parseWeight(MAX_WEIGHT)) context.addIssue(`must not be above ${MAX_WEIGHT}`)
  })

/** At most what still prices into a ledger's 64 bits at any price. */
export const tokens = z
  .int({ error: 'expected a whole number of tokens' })
  .min(1, { error: 'must be above zero' })
  .max(100_000_000, { error: 'must be at most 100,000,000' })

export const tokenCount = z
  .int({ error: 'expected a whole number of tokens' })
  .min(0, { error: 'must not be negative' })

export const timeoutMs = z
  .int({ error: 'expected whole milliseconds' })
  .min(1, { error: 'must be above zero' })
  .max(MAX_TIMER_MS, { error: `must not be above ${MAX_TIMER_MS} (24.8 days)` })

export const keepAliveSeconds = z
  .number({ error: 'expected a number of seconds' })
  .min(0, { error: 'must not be negative' })
  .max(3600, { error: 'must not be above 3600 (an hour)' })
  .refine((seconds) => seconds === 0 || seconds >= 0.05, { error: 'must be 0 (none) or at least 0.05' })

export function count(min: number, max: number) {
  return z
    .int({ error: 'expected a whole number' })
    .min(min, { error: min === 0 ? 'must not be negative' : `must be at least ${min}` })
    .max(max, { error: `must not be above ${max}` })
}

export function text(maxLength: number) {
  return z
    .string({ error: 'expected a text' })
    .min(1, { error: 'must not be empty' })
    .max(maxLength, { error: `must not be longer than ${maxLength} characters` })
    .regex(/^\P{Cc}*$/u, { error: 'must not hold control characters' })
}

/** Keys of `models` and `aliases`. A client's prefix is taken off before the look-up, so an id cannot begin with one. */
export const modelId = z.string().regex(/^(?!(?:opencode|opencode-go|zendo)\/)[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/, {
  error:
    'not a model id: letters, digits and . _ : @ / - (128 at most), not beginning with opencode/, opencode-go/ or zendo/',
})

export const providerId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'not a provider id: letters, digits and . _ - (64 at most)',
})

export const planId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'not a plan id: letters, digits and . _ - (64 at most)',
})

export const date = z.iso.date({ error: 'expected a date: YYYY-MM-DD' })

/** The reason never repeats the address: what is wrong with it may be the password in it. */
export const baseUrl = z.string({ error: 'expected an address (URL)' }).superRefine((value, context) => {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) {
    context.addIssue('expected an address that begins with http:// or https://')
    return
  }
  const url = new URL(value)
  if (url.username !== '' || url.password !== '') context.addIssue('must not hold a user name or password: use apiKey')
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(value)) {
    context.addIssue('must not hold a query or fragment: paths are appended to it')
  }
})

/** `env:NAME`, `file:path` or the credential itself. The reason never repeats the value. */
export const secret = z
  .string({ error: 'expected a text: "env:NAME", "file:path" or the credential itself' })
  .superRefine((value, context) => {
    if (value.startsWith('env:')) {
      if (!/^env:[A-Za-z_][A-Za-z0-9_]*$/.test(value)) context.addIssue('expected the name of a variable after env:')
    } else if (value.startsWith('file:')) {
      if (!/^file:\P{Cc}+$/u.test(value)) context.addIssue('expected a path after file:')
    } else if (!isCredential(value)) {
      context.addIssue('a credential has visible characters only, no spaces, 4096 at most')
    }
  })

/** Whether a value can stand in a request header as it is. */
export function isCredential(value: string): boolean {
  return /^[\x21-\x7e]{1,4096}$/.test(value)
}

/** `10.0.0.0/8`, `2001:db8::/32` or a single address. */
export const addressRange = z.string({ error: 'expected an address or range' }).refine(isAddressRange, {
  error: 'expected an address or a range such as 10.0.0.0/8 or 2001:db8::/32',
})

function isAddressRange(value: string): boolean {
  const [address = '', prefix, more] = value.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return false
  if (prefix === undefined) return true
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)
}

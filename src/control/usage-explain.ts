/** Shows how one request came to its charge: rates, tokens, each product, the rounding, who paid and by which rule. */
import { formatUsd, priceTokens, subtractUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { promptTokens } from '../base/usage.ts'
import type { Price, PriceRates } from '../domain/catalog.ts'
import { chargeRuleOf, OUTCOMES } from '../domain/charge-policy.ts'
import { ratesForPrompt } from '../domain/price.ts'
import type { Database } from '../store/database.ts'
import { loadPriceVersion, parsePriceVersion } from '../store/price-version.ts'
import { listAttempts, listRequestWindows, loadRequest, type RequestRow } from '../store/usage-report.ts'

type Bucket = keyof PriceRates
const BUCKETS: readonly Bucket[] = ['input', 'cachedRead', 'cacheWrite5m', 'cacheWrite1h', 'output']

export interface ExplainedBucket {
  readonly bucket: Bucket
  readonly tokens: number
  /** Dollars per 1M tokens; null for a free model. */
  readonly rate: string | null
  /** Tokens times rate, exact. */
  readonly product: string | null
}

/** Amounts are dollars as exact text. */
export interface Explanation {
  readonly id: string
  readonly workspaceID: string | null
  readonly key: string | null
  readonly product: string
  readonly protocol: string
  readonly model: string
  readonly created_at: string
  readonly ended_at: string | null
  readonly state: RequestRow['state']
  readonly status: number | null
  readonly error_code: string | null
  readonly provider: string | null
  readonly attempts: readonly { n: number; provider: string; status: number | null; outcome: string }[]
  readonly outcome: string | null
  /** The charge policy's rule for that outcome, and its version. */
  readonly rule: string | null
  readonly policy_version: number | null
  readonly estimated: boolean
  readonly funding: RequestRow['funding']
  readonly price_version: string | null
  /** The tier that applied: its threshold in prompt tokens, or null for the base rates. */
  readonly tier_above: number | null
  readonly buckets: readonly ExplainedBucket[]
  /** Of the products, exact; null for a free model. */
  readonly sum: string | null
  readonly rounding: string
  readonly hold: string
  /** List price; null while the request is under way. */
  readonly cost: string | null
  readonly charged: string | null
  readonly charged_nano: string | null
  /** What the operator bears: cost above the hold. */
  readonly written_off: string | null
  /** Dollars of window per dollar of list price. */
  readonly weight: string
  readonly windows: readonly {
    readonly name: string
    readonly held: string
    readonly counted: string
    readonly counted_nano: string
    readonly starts_at: string
    readonly ends_at: string
  }[]
}

/** Undefined when there is no such request. Released requests show their tokens, which were not charged. */
export function explainRequest(db: Database, requestId: string): Explanation | undefined {
  const row = loadRequest(db, requestId)
  if (!row) return undefined
  const price = loadPrice(db, row)
  return {
    id: row.id,
    workspaceID: row.workspaceId,
    key: row.keyId,
    product: row.product,
    protocol: row.protocol,
    model: row.model,
    created_at: formatInstant(row.createdAtMs),
    ended_at: row.endedAtMs === null ? null : formatInstant(row.endedAtMs),
    state: row.state,
    status: numberOrNull(row.status),
    error_code: row.errorCode,
    provider: row.provider,
    attempts: listAttempts(db, row.id).map((attempt) => ({
      ...attempt,
      n: Number(attempt.n),
      status: numberOrNull(attempt.status),
    })),
    ...explainPolicy(row),
    funding: row.funding,
    ...explainPrice(row, price),
    ...explainAmounts(row),
    windows: listRequestWindows(db, row.id).map((window) => ({
      name: window.name,
      held: formatUsd(window.held),
      counted: formatUsd(window.counted),
      counted_nano: String(window.counted),
      starts_at: formatInstant(window.startsAtMs),
      ends_at: formatInstant(window.endsAtMs),
    })),
  }
}

function loadPrice(db: Database, row: RequestRow): Price | null {
  if (row.priceVersion === null) return null
  const version = loadPriceVersion(db, row.priceVersion)
  return version === undefined ? null : parsePriceVersion(version)
}

function explainPolicy(row: RequestRow): Pick<Explanation, 'outcome' | 'rule' | 'policy_version' | 'estimated'> {
  const outcome = OUTCOMES.find((known) => known === row.outcome)
  return {
    outcome: row.outcome,
    rule: outcome === undefined ? null : chargeRuleOf(outcome),
    policy_version: numberOrNull(row.policyVersion),
    estimated: row.estimated,
  }
}

function explainPrice(
  row: RequestRow,
  price: Price | null,
): Pick<Explanation, 'price_version' | 'tier_above' | 'buckets' | 'sum' | 'rounding'> {
  const rates = price && ratesForPrompt(price, promptTokens(row.usage))
  const products = BUCKETS.map((bucket) => (rates ? priceTokens(row.usage[bucket], rates[bucket]) : null))
  const sum = products.reduce<bigint>((total, product) => total + (product ?? 0n), 0n)
  return {
    price_version: row.priceVersion,
    tier_above: price?.tiers.find((tier) => tier === rates)?.above ?? null,
    buckets: BUCKETS.map((bucket, index) => ({
      bucket,
      tokens: row.usage[bucket],
      rate: rates ? formatUsd(rates[bucket]) : null,
      product: formatProduct(products[index] ?? null),
    })),
    sum: rates ? formatProduct(sum) : null,
    rounding: 'the sum, once, to the nearest nano-dollar (1e-9), halves up',
  }
}

function explainAmounts(
  row: RequestRow,
): Pick<Explanation, 'hold' | 'cost' | 'charged' | 'charged_nano' | 'written_off' | 'weight'> {
  const { hold, cost, charged } = row
  return {
    hold: formatUsd(hold),
    cost: cost === null ? null : formatUsd(cost),
    charged: charged === null ? null : formatUsd(charged),
    charged_nano: charged === null ? null : String(charged),
    written_off: cost === null || charged === null ? null : formatUsd(subtractUsd(cost, charged)),
    weight: formatWeight(row.weightPpm),
  }
}

/** Tokens times nano-dollars per million tokens, in dollars with all of its fifteen decimals that are not zero. */
function formatProduct(nanoUsdTokens: bigint | null): string | null {
  if (nanoUsdTokens === null) return null
  return formatDecimal(nanoUsdTokens, 15, 2)
}

/** `1`, `0.5`: parts per million as a plain decimal. */
function formatWeight(ppm: bigint): string {
  return formatDecimal(ppm, 6, 0)
}

function formatDecimal(value: bigint, decimals: number, minDecimals: number): string {
  const digits = value.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '').padEnd(minDecimals, '0')
  return fraction === '' ? digits.slice(0, -decimals) : `${digits.slice(0, -decimals)}.${fraction}`
}

function numberOrNull(value: bigint | null): number | null {
  return value === null ? null : Number(value)
}

/**
 * Shows how one request came to its charge: hold, rates, tokens, each product, the rounding, who paid, from which credit,
 * and by which rule; then works it out again and sets that beside what was booked.
 */
import { addUsd, formatUsd, type NanoUsd, priceTokens, subtractUsd, ZERO_USD } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { promptTokens } from '../base/usage.ts'
import type { Price, PriceRates } from '../domain/catalog.ts'
import { publishChargePolicy } from '../domain/charge-policy.ts'
import { ratesForPrompt } from '../domain/price.ts'
import { parseTags } from '../domain/tags.ts'
import type { Database, Sql } from '../store/database.ts'
import { loadPriceVersion, parsePriceVersion } from '../store/price-version.ts'
import {
  listAttempts,
  listCounts,
  listEntries,
  type RequestAttempt,
  type RequestCount,
  type RequestEntry,
  refundIds,
  settlementId,
} from '../store/request-detail.ts'
import { loadRequest, type RequestRecord } from '../store/request-list.ts'
import { checkCharge, type Verdict } from './charge-check.ts'
import { formatProduct, formatWeight } from './exact-text.ts'
import {
  type AttemptView,
  type CountView,
  instantOrNull,
  nanoOrNull,
  usdOrNull,
  viewAttempt,
  viewCount,
} from './request-view.ts'

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

/** One leg of what the ledger moved. */
export interface ExplainedEntry {
  /** `s:…` settled the request, `c:…` gave something of it back. */
  readonly transfer: string
  readonly kind: RequestEntry['kind']
  /** `balance` is the customer's account, the others are the operator's. */
  readonly account: string
  /** The lot of credit drawn on or made. */
  readonly lot: string | null
  /** Below zero: taken from the account. */
  readonly amount: string
  readonly amount_nano: string
}

/** Amounts are dollars as exact text; `…_nano` whole nano-dollars in text. */
export interface Explanation {
  readonly id: string
  readonly workspaceID: string | null
  readonly key: string | null
  readonly session: string | null
  readonly tags: readonly string[]
  readonly product: string
  readonly protocol: string
  readonly model: string
  readonly created_at: string
  readonly ended_at: string | null
  readonly state: RequestRecord['state']
  readonly status: number | null
  readonly error_code: string | null
  readonly provider: string | null
  readonly attempts: readonly AttemptView[]
  readonly warnings: string | null
  readonly outcome: string | null
  /** The charge policy's rule for that outcome and what it charges, and its version. */
  readonly rule: string | null
  readonly rule_says: string | null
  readonly policy_version: number | null
  readonly estimated: boolean
  readonly funding: RequestRecord['funding']
  readonly price_version: string | null
  /** The tier that applied: its threshold in prompt tokens, or null for the base rates. */
  readonly tier_above: number | null
  readonly prompt_tokens: number
  readonly buckets: readonly ExplainedBucket[]
  /** Part of the output, which is priced as a whole. */
  readonly reasoning_tokens: number
  /** Of the products, exact; null for a free model. */
  readonly sum: string | null
  readonly rounding: string
  readonly hold: string
  readonly hold_nano: string
  /** How far the hold could grow in slices while the answer streamed; null on rows from before there were any. */
  readonly max_hold: string | null
  /** The output cap that was sent instead of the client's, which was not affordable. */
  readonly clamped_output: number | null
  /** List price; null while the request is under way. */
  readonly cost: string | null
  readonly cost_nano: string | null
  readonly charged: string | null
  readonly charged_nano: string | null
  /** What the operator bears: cost above the hold. */
  readonly written_off: string | null
  /** Given back after it was charged, as new credit. */
  readonly refunded: string
  readonly refunded_nano: string
  /** What a node reported after the request had been ended without it: never charged. */
  readonly late_cost: string | null
  /** Dollars of window per dollar of list price. */
  readonly weight: string
  readonly counted: readonly CountView[]
  readonly entries: readonly ExplainedEntry[]
  /** Worked out again from tokens, rates, hold and weight; null while the request is under way. */
  readonly checks: Verdict['checks']
  readonly verdict: Verdict['verdict'] | null
}

export interface RequestScope {
  readonly workspaceId: string
  /** Only this member's requests; null: the whole workspace's. */
  readonly visibleTo: string | null
}

/**
 * Undefined when there is no such request in the scope; without one, any request is explained. Released requests show
 * their tokens, which were not charged.
 */
export function explainRequest(
  db: Database,
  requestId: string,
  scope?: RequestScope,
): Promise<Explanation | undefined> {
  return db.read(async (sql) => {
    const record = await loadRequest(sql, requestId)
    if (!record || (scope && !isVisible(record, scope))) return undefined
    return explain(await loadEvidence(sql, record))
  })
}

export function isVisible(record: RequestRecord, { workspaceId, visibleTo }: RequestScope): boolean {
  return record.workspaceId === workspaceId && (visibleTo === null || record.memberId === visibleTo)
}

/** Everything that the books have on one request. */
interface Evidence {
  readonly record: RequestRecord
  /** Null for a free model, and where the version is not on record. */
  readonly price: Price | null
  readonly attempts: readonly RequestAttempt[]
  readonly counts: readonly RequestCount[]
  readonly entries: readonly RequestEntry[]
}

async function loadEvidence(sql: Sql, record: RequestRecord): Promise<Evidence> {
  const { id, priceVersion } = record
  const [attempts, counts, settlement, refunds, price] = await Promise.all([
    listAttempts(sql, [id]),
    listCounts(sql, [id]),
    listEntries(sql, [settlementId(id)]),
    listEntries(sql, refundIds(id)),
    priceVersion === null ? undefined : loadPriceVersion(sql, priceVersion),
  ])
  const entries = [...settlement, ...refunds]
  return { record, price: price === undefined ? null : parsePriceVersion(price), attempts, counts, entries }
}

function explain(evidence: Evidence): Explanation {
  const { record, attempts, counts, entries } = evidence
  const settlement = entries.filter(({ kind }) => kind === 'settlement')
  return {
    id: record.id,
    workspaceID: record.workspaceId,
    key: record.keyId,
    session: record.session,
    tags: parseTags(record.tags),
    product: record.product,
    protocol: record.protocol,
    model: record.model,
    created_at: formatInstant(record.createdAtMs),
    ended_at: instantOrNull(record.endedAtMs),
    state: record.state,
    status: record.status,
    error_code: record.errorCode,
    provider: record.provider,
    attempts: attempts.map(viewAttempt),
    warnings: record.warnings,
    ...explainPolicy(record),
    funding: record.funding,
    ...explainPrice(record, evidence.price),
    ...explainAmounts(record),
    ...explainRefunds(entries),
    counted: counts.map(viewCount),
    entries: entries.map(explainEntry),
    ...(checkCharge({ record, price: evidence.price, counts, settlement }) ?? { checks: [], verdict: null }),
  }
}

function explainPolicy(
  record: RequestRecord,
): Pick<Explanation, 'outcome' | 'rule' | 'rule_says' | 'policy_version' | 'estimated'> {
  const policy = publishChargePolicy().outcomes.find(({ outcome }) => outcome === record.outcome)
  return {
    outcome: record.outcome,
    rule: policy?.rule ?? null,
    rule_says: policy?.charge ?? null,
    policy_version: record.policyVersion,
    estimated: record.estimated,
  }
}

type PriceMembers =
  | 'price_version'
  | 'tier_above'
  | 'prompt_tokens'
  | 'buckets'
  | 'reasoning_tokens'
  | 'sum'
  | 'rounding'

function explainPrice({ usage, priceVersion }: RequestRecord, price: Price | null): Pick<Explanation, PriceMembers> {
  const rates = price && ratesForPrompt(price, promptTokens(usage))
  const products = BUCKETS.map((bucket) => (rates ? priceTokens(usage[bucket], rates[bucket]) : 0n))
  return {
    price_version: priceVersion,
    tier_above: price?.tiers.find((tier) => tier === rates)?.above ?? null,
    prompt_tokens: promptTokens(usage),
    buckets: BUCKETS.map((bucket, index) => ({
      bucket,
      tokens: usage[bucket],
      rate: rates ? formatUsd(rates[bucket]) : null,
      product: rates ? formatProduct(products[index] ?? 0n) : null,
    })),
    reasoning_tokens: usage.reasoning,
    sum: rates ? formatProduct(products.reduce((sum, product) => sum + product, 0n)) : null,
    rounding: 'the sum, once, to the nearest nano-dollar (1e-9), halves up',
  }
}

type AmountMembers =
  | ('hold' | 'hold_nano' | 'max_hold' | 'clamped_output' | 'cost' | 'cost_nano' | 'charged' | 'charged_nano')
  | ('written_off' | 'late_cost' | 'weight')

function explainAmounts(record: RequestRecord): Pick<Explanation, AmountMembers> {
  const { hold, cost, charged } = record
  return {
    hold: formatUsd(hold),
    hold_nano: String(hold),
    max_hold: usdOrNull(record.maxHold),
    clamped_output: record.clampedOutput,
    cost: usdOrNull(cost),
    cost_nano: nanoOrNull(cost),
    charged: usdOrNull(charged),
    charged_nano: nanoOrNull(charged),
    written_off: cost === null || charged === null ? null : formatUsd(subtractUsd(cost, charged)),
    late_cost: usdOrNull(record.lateCost),
    weight: formatWeight(record.weightPpm),
  }
}

function explainRefunds(entries: readonly RequestEntry[]): Pick<Explanation, 'refunded' | 'refunded_nano'> {
  const refunded = entries
    .filter(({ kind, account }) => kind === 'correction' && account === 'balance')
    .reduce<NanoUsd>((sum, { amount }) => addUsd(sum, amount), ZERO_USD)
  return { refunded: formatUsd(refunded), refunded_nano: String(refunded) }
}

function explainEntry({ transferId, kind, account, grantId, amount }: RequestEntry): ExplainedEntry {
  return { transfer: transferId, kind, account, lot: grantId, amount: formatUsd(amount), amount_nano: String(amount) }
}

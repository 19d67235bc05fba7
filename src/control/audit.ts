/**
 * Re-derives balances, lots, holds, meters and charges from the rows that caused them, and compares.
 *
 * Nothing here calls the code that moved the money: every rule is a statement of its own, so the audit can be wrong
 * only on its own account.
 */
import { DAY_MS, HOUR_MS } from '../base/time.ts'
import type { Price } from '../domain/catalog.ts'
import { chargeRuleOf, OUTCOMES } from '../domain/charge-policy.ts'
import { THRESHOLDS } from '../domain/threshold.ts'
import * as accounts from '../store/audit.ts'
import * as charges from '../store/audit-charge.ts'
import { type AuditCounts, countAudited, sumAudited } from '../store/audit-count.ts'
import { findUntoldThresholds } from '../store/audit-event.ts'
import * as lots from '../store/audit-lot.ts'
import * as meters from '../store/audit-meter.ts'
import * as requests from '../store/audit-request.ts'
import * as transfers from '../store/audit-transfer.ts'
import type { Database, Sql } from '../store/database.ts'
import { listPriceVersions, parsePriceVersion } from '../store/price-version.ts'
import { findTampering } from './audit-log.ts'

/** A request never runs this long, so a hold that old was lost. */
const STALE_HOLD_MS = 2 * HOUR_MS
/** Events are kept longer than this. */
const EVENTS_LAST_MS = 80 * DAY_MS

interface Evidence {
  readonly sql: Sql
  readonly nowMs: number
  readonly prices: readonly Price[]
  readonly unreadablePrices: readonly accounts.Mismatch[]
  /** Null: only what needs no key is looked at. */
  readonly trailKeys: readonly string[] | null
}

type Rule = (evidence: Evidence) => Promise<readonly accounts.Mismatch[]>

/** By name; `docs/reference/audit.md` says what each means. */
const rules = {
  transfer_sum: ({ sql }) => transfers.findUnbalancedTransfers(sql),
  transfer_legs: ({ sql }) => transfers.findIncompleteTransfers(sql),
  account_posted: ({ sql }) => accounts.findWrongPosted(sql),
  ledger_sum: ({ sql }) => accounts.findLedgerImbalance(sql),
  account_held: ({ sql }) => accounts.findWrongHeld(sql),
  balance_covered: ({ sql }) => accounts.findOverdrawnBalances(sql),
  balance_credited: ({ sql }) => accounts.findWrongCredited(sql),
  lot_remaining: ({ sql }) => lots.findWrongRemaining(sql),
  lot_sum: ({ sql }) => lots.findBalancesBesideLots(sql),
  lot_leg: ({ sql }) => lots.findWrongLotLegs(sql),
  lot_expiry: ({ sql }) => lots.findForgottenExpiries(sql),
  grant_transfer: ({ sql }) => transfers.findWrongGrants(sql),
  settlement_transfer: ({ sql }) => transfers.findWrongSettlements(sql),
  expiry_transfer: ({ sql }) => transfers.findWrongExpiries(sql),
  correction_transfer: ({ sql }) => transfers.findWrongCorrections(sql),
  price_version: async ({ sql, unreadablePrices }) => [
    ...unreadablePrices,
    ...(await charges.findUnknownPriceVersions(sql)),
  ],
  request_cost: async ({ sql, prices }) => [
    ...(await charges.findWrongCosts(sql, prices)),
    ...(await charges.findCostsWithoutCause(sql)),
  ],
  request_charged: ({ sql }) => charges.findWrongCharges(sql),
  charged_within_hold: ({ sql }) => charges.findChargesAboveHold(sql),
  request_outcome: ({ sql }) => charges.findWrongOutcomes(sql, outcomeRules()),
  free_request: ({ sql }) => charges.findPaidFreeRequests(sql),
  hold_size: ({ sql }) => requests.findWrongHoldSizes(sql),
  stale_hold: ({ sql, nowMs }) => requests.findStaleHolds(sql, nowMs - STALE_HOLD_MS),
  request_end: ({ sql }) => requests.findWrongEnds(sql),
  request_payer: ({ sql }) => requests.findWrongPayers(sql),
  request_attempts: ({ sql }) => requests.findWrongAttempts(sql),
  idempotency_key: ({ sql }) => requests.findRepeatedIdempotencyKeys(sql),
  meter_held: ({ sql }) => meters.findWrongMeterHeld(sql),
  meter_settled: ({ sql }) => meters.findWrongMeterSettled(sql),
  request_meter: ({ sql }) => meters.findWrongRequestMeters(sql),
  meter_placement: ({ sql }) => meters.findMisplacedRequests(sql),
  meter_overlap: ({ sql }) => meters.findOverlappingMeters(sql),
  meter_limit: ({ sql, nowMs }) => meters.findOverfullMeters(sql, nowMs),
  threshold_event: ({ sql, nowMs }) =>
    findUntoldThresholds(sql, { sinceMs: nowMs - EVENTS_LAST_MS, thresholds: THRESHOLDS }),
  audit_log: ({ sql, trailKeys }) => findTampering(sql, trailKeys),
} as const satisfies Record<string, Rule>

export type AuditRule = keyof typeof rules

export const AUDIT_RULES = Object.keys(rules) as readonly AuditRule[]

/** What must hold at every commit and costs little to ask: for looks at a system under way. */
export const SAMPLE_RULES = [
  'transfer_sum',
  'transfer_legs',
  'account_posted',
  'ledger_sum',
  'account_held',
  'balance_covered',
  'lot_remaining',
  'lot_sum',
  'settlement_transfer',
  'charged_within_hold',
  'meter_held',
  'meter_settled',
  'request_meter',
  'meter_placement',
  'meter_overlap',
  'meter_limit',
] as const satisfies readonly AuditRule[]

export interface Difference {
  readonly rule: AuditRule
  /** What is wrong: the id of an account, transfer, lot, request, meter or price version. */
  readonly subject: string
  /** Amounts in nano-dollars. */
  readonly expected: string
  readonly found: string
}

/** What is no difference, but must be known. Amounts are whole nano-dollars. */
export interface AuditFigures {
  /** What requests under way hold, of balances and plans. */
  readonly held_nano: string
  /** Requests under way that no living process answers for; the next sweep ends them. */
  readonly unattended: number
  /** Requests whose process reported an end after others had ended them, and what they would have cost: never charged. */
  readonly late: number
  readonly late_nano: string
  /** What the operator has lost: cost above what was held. */
  readonly written_off_nano: string
}

export interface AuditReport {
  /** Rows looked at, by kind, and the number of rules. */
  readonly checked: Readonly<Record<keyof AuditCounts | 'rules', number>>
  readonly figures: AuditFigures
  /** Empty when all is well; at most a thousand for each statement of a rule. */
  readonly differences: readonly Difference[]
}

export interface AuditOptions {
  readonly nowMs: number
  /** Only `SAMPLE_RULES`. */
  readonly sample?: boolean
  /** What the audit log may be chained under; without them a changed entry is not noticed, a missing one is. */
  readonly trailKeys?: readonly string[]
}

/** Looks at one instant of the database; requests may go on meanwhile. @throws AppError storage_unavailable */
export function auditLedger(db: Pick<Database, 'read'>, options: AuditOptions): Promise<AuditReport> {
  return db.read((sql) => auditSnapshot(sql, options))
}

/** The same inside a transaction of the caller's, which sees one instant. */
export async function auditSnapshot(
  sql: Sql,
  { nowMs, sample = false, trailKeys }: AuditOptions,
): Promise<AuditReport> {
  const names: readonly AuditRule[] = sample ? SAMPLE_RULES : AUDIT_RULES
  const prices = sample ? NO_PRICES : await readPrices(sql)
  const evidence: Evidence = { sql, nowMs, ...prices, trailKeys: trailKeys ?? null }
  const differences: Difference[] = []
  for (const rule of names) differences.push(...differencesOf(rule, await rules[rule](evidence)))
  return { checked: await countChecked(sql, names.length), figures: await readFigures(sql), differences }
}

/** What is found may be anything; more of it than this tells nobody more. */
const MAX_TEXT_LENGTH = 300

function differencesOf(rule: AuditRule, mismatches: readonly accounts.Mismatch[]): Difference[] {
  const text = (value: string | bigint): string => String(value).slice(0, MAX_TEXT_LENGTH)
  return mismatches.map(({ subject, expected, found }) => ({
    rule,
    subject: text(subject),
    expected: text(expected),
    found: text(found),
  }))
}

async function countChecked(sql: Sql, ruleCount: number): Promise<AuditReport['checked']> {
  const counts = await countAudited(sql)
  return {
    accounts: Number(counts.accounts),
    transfers: Number(counts.transfers),
    entries: Number(counts.entries),
    lots: Number(counts.lots),
    requests: Number(counts.requests),
    held: Number(counts.held),
    meters: Number(counts.meters),
    request_meters: Number(counts.request_meters),
    price_versions: Number(counts.price_versions),
    rules: ruleCount,
  }
}

async function readFigures(sql: Sql): Promise<AuditFigures> {
  const sums = await sumAudited(sql)
  return {
    held_nano: String(sums.held),
    unattended: Number(sums.unattended),
    late: Number(sums.late),
    late_nano: String(sums.lateCost),
    written_off_nano: String(sums.writtenOff),
  }
}

type Prices = Pick<Evidence, 'prices' | 'unreadablePrices'>

const NO_PRICES: Prices = { prices: [], unreadablePrices: [] }

async function readPrices(sql: Sql): Promise<Prices> {
  const prices: Price[] = []
  const unreadablePrices: accounts.Mismatch[] = []
  for (const row of await listPriceVersions(sql)) {
    try {
      prices.push(parsePriceVersion(row))
    } catch {
      unreadablePrices.push({ subject: row.version, expected: 'rates of the documented shape', found: row.rates })
    }
  }
  return { prices, unreadablePrices }
}

function outcomeRules(): charges.OutcomeRules {
  return {
    charged: OUTCOMES.filter((outcome) => chargeRuleOf(outcome) !== 'nothing'),
    neverCharged: OUTCOMES.filter((outcome) => chargeRuleOf(outcome) === 'nothing'),
  }
}

/**
 * Re-derives balances, holds, windows and charges from the rows that caused them, and compares.
 *
 * Nothing here calls the code that moved the money: every rule is a statement of its own, so the audit can be wrong
 * only on its own account.
 */
import { HOUR_MS } from '../base/time.ts'
import type { Price } from '../domain/catalog.ts'
import { chargeRuleOf, OUTCOMES } from '../domain/charge-policy.ts'
import * as ledger from '../store/audit.ts'
import * as requests from '../store/audit-request.ts'
import * as windows from '../store/audit-window.ts'
import type { Database } from '../store/database.ts'
import { listPriceVersions, parsePriceVersion } from '../store/price-version.ts'
import { readTransaction } from '../store/transaction.ts'

/** A request never runs this long, so a hold that old was lost. */
const STALE_HOLD_MS = 2 * HOUR_MS

interface Evidence {
  readonly db: Database
  readonly nowMs: number
  readonly prices: readonly Price[]
  readonly unreadablePrices: readonly ledger.Mismatch[]
}

type Rule = (evidence: Evidence) => ledger.Mismatch[]

/** By name; `docs/reference/audit.md` says what each means. */
const rules = {
  transfer_sum: ({ db }) => ledger.findUnbalancedTransfers(db),
  transfer_legs: ({ db }) => ledger.findIncompleteTransfers(db),
  account_posted: ({ db }) => ledger.findWrongPosted(db),
  ledger_sum: ({ db }) => ledger.findLedgerImbalance(db),
  account_held: ({ db }) => ledger.findWrongHeld(db),
  balance_covered: ({ db }) => ledger.findOverdrawnBalances(db),
  grant_transfer: ({ db }) => ledger.findWrongGrants(db),
  settlement_transfer: ({ db }) => ledger.findWrongSettlements(db),
  price_version: ({ db, unreadablePrices }) => [...unreadablePrices, ...requests.findUnknownPriceVersions(db)],
  request_cost: ({ db, prices }) => [...requests.findWrongCosts(db, prices), ...requests.findCostsWithoutCause(db)],
  request_charged: ({ db }) => requests.findWrongCharges(db),
  charged_within_hold: ({ db }) => requests.findChargesAboveHold(db),
  request_outcome: ({ db }) => requests.findWrongOutcomes(db, outcomeRules()),
  free_request: ({ db }) => requests.findPaidFreeRequests(db),
  stale_hold: ({ db, nowMs }) => requests.findStaleHolds(db, nowMs - STALE_HOLD_MS),
  window_held: ({ db }) => windows.findWrongWindowHeld(db),
  window_settled: ({ db }) => windows.findWrongWindowSettled(db),
  request_window: ({ db }) => windows.findWrongRequestWindows(db),
  window_placement: ({ db }) => windows.findMisplacedRequests(db),
  window_overlap: ({ db }) => windows.findOverlappingWindows(db),
  window_limit: ({ db }) => windows.findOverfullWindows(db),
} as const satisfies Record<string, Rule>

export type AuditRule = keyof typeof rules

export const AUDIT_RULES = Object.keys(rules) as readonly AuditRule[]

export interface Difference {
  readonly rule: AuditRule
  /** What is wrong: the id of an account, transfer, request, window or price version. */
  readonly subject: string
  /** Amounts in nano-dollars. */
  readonly expected: string
  readonly found: string
}

export interface AuditReport {
  /** Rows looked at, by kind, and the number of rules. */
  readonly checked: Readonly<Record<keyof ledger.AuditCounts | 'rules', number>>
  /** Empty when all is well; at most a thousand for each statement of a rule. */
  readonly differences: readonly Difference[]
}

/** Looks at one instant of the database; requests may go on meanwhile. */
export function auditLedger(db: Database, { nowMs }: { readonly nowMs: number }): AuditReport {
  return readTransaction(db, () => {
    const evidence = { db, nowMs, ...readPrices(db) }
    const differences = AUDIT_RULES.flatMap((rule) => differencesOf(rule, rules[rule](evidence)))
    return { checked: countChecked(db), differences }
  })
}

function differencesOf(rule: AuditRule, mismatches: readonly ledger.Mismatch[]): Difference[] {
  return mismatches.map(({ subject, expected, found }) => ({
    rule,
    subject,
    expected: String(expected),
    found: String(found),
  }))
}

function countChecked(db: Database): AuditReport['checked'] {
  const counts = ledger.countAudited(db)
  return {
    accounts: Number(counts.accounts),
    transfers: Number(counts.transfers),
    entries: Number(counts.entries),
    grants: Number(counts.grants),
    requests: Number(counts.requests),
    held: Number(counts.held),
    windows: Number(counts.windows),
    request_windows: Number(counts.request_windows),
    price_versions: Number(counts.price_versions),
    rules: AUDIT_RULES.length,
  }
}

function readPrices(db: Database): Pick<Evidence, 'prices' | 'unreadablePrices'> {
  const prices: Price[] = []
  const unreadablePrices: ledger.Mismatch[] = []
  for (const row of listPriceVersions(db)) {
    try {
      prices.push(parsePriceVersion(row))
    } catch {
      unreadablePrices.push({ subject: row.version, expected: 'rates of the documented shape', found: row.rates })
    }
  }
  return { prices, unreadablePrices }
}

function outcomeRules(): requests.OutcomeRules {
  return {
    charged: OUTCOMES.filter((outcome) => chargeRuleOf(outcome) !== 'nothing'),
    neverCharged: OUTCOMES.filter((outcome) => chargeRuleOf(outcome) === 'nothing'),
  }
}

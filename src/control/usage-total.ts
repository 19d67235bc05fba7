/** Sums of what was used, by day, model or key, for `zendo usage --by`. */
import { formatUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import type { Database } from '../store/database.ts'
import { sumUsage, type UsageGrouping, type UsageSum } from '../store/usage-report.ts'

export const USAGE_GROUPINGS: readonly UsageGrouping[] = ['day', 'model', 'key']

export interface UsageTotal {
  readonly requests: number
  /** Of these, ended without a charge because nothing usable was delivered. */
  readonly released: number
  readonly tokens: {
    readonly input: number
    readonly cached_read: number
    readonly cache_write: number
    readonly output: number
  }
  /** Charged to the balance. */
  readonly balance: string
  readonly balance_nano: string
  /** List price of what a plan paid for, and what it counted in the plan's windows. */
  readonly plan: string
  readonly plan_nano: string
  readonly counted: string
  readonly counted_nano: string
}

export interface UsageTotals {
  readonly workspaceID: string
  readonly by: UsageGrouping
  readonly since: string
  /** `group` is a UTC day, a model id or a key id; null for requests without a key. */
  readonly rows: readonly (UsageTotal & { readonly group: string | null })[]
  readonly total: UsageTotal
}

export function totalUsage(
  db: Database,
  query: { readonly workspaceId: string; readonly by: UsageGrouping; readonly sinceMs: number },
): UsageTotals {
  const sums = sumUsage(db, query)
  return {
    workspaceID: query.workspaceId,
    by: query.by,
    since: formatInstant(query.sinceMs),
    rows: sums.map((sum) => ({ group: sum.group, ...formatTotal([sum]) })),
    total: formatTotal(sums),
  }
}

function formatTotal(sums: readonly UsageSum[]): UsageTotal {
  const add = (pick: (sum: UsageSum) => bigint): bigint => sums.reduce((total, sum) => total + pick(sum), 0n)
  const balance = add((sum) => sum.balance)
  const plan = add((sum) => sum.plan)
  const counted = add((sum) => sum.counted)
  return {
    requests: Number(add((sum) => sum.requests)),
    released: Number(add((sum) => sum.released)),
    tokens: {
      input: Number(add((sum) => sum.input)),
      cached_read: Number(add((sum) => sum.cachedRead)),
      cache_write: Number(add((sum) => sum.cacheWrite5m + sum.cacheWrite1h)),
      output: Number(add((sum) => sum.output)),
    },
    balance: formatUsd(balance),
    balance_nano: String(balance),
    plan: formatUsd(plan),
    plan_nano: String(plan),
    counted: formatUsd(counted),
    counted_nano: String(counted),
  }
}

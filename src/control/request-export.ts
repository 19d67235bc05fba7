/**
 * Exports requests as a stream of lines, oldest first, with all that is needed to compute each charge again: tokens, the
 * rates of the price versions, weights, and what each window counted. Memory and steps are those of one batch, however
 * long the export is; the reader of the stream sets the pace.
 */
import { formatInstant } from '../base/time.ts'
import type { PriceRates } from '../domain/catalog.ts'
import { CHARGE_POLICY_VERSION } from '../domain/charge-policy.ts'
import type { Database } from '../store/database.ts'
import { loadPriceVersion, parsePriceVersion } from '../store/price-version.ts'
import { listRequests, type RequestFilter } from '../store/request-list.ts'
import { type RequestView, viewRequests } from './request-view.ts'
import { walkRequests } from './request-walk.ts'

/** Rows read, and kept in memory, at a time: few enough that on an embedded database no stream notices. */
const BATCH = 128
const DIRECTION = 'oldest_first'

/** Rates in nano-dollars per 1M tokens, as text. */
interface RatesView {
  readonly input: string
  readonly cached_read: string
  readonly cache_write_5m: string
  readonly cache_write_1h: string
  readonly output: string
}

export interface PriceView {
  readonly version: string
  readonly base: RatesView
  /** Ascending; the rates of the last that the prompt is above apply to the whole request. */
  readonly tiers: readonly ({ readonly above: number } & RatesView)[]
}

/** Of all lines, at the end of an export, so that one that was cut off is known for it. */
interface ExportTotals {
  requests: number
  /** Charged to the balance, and by plans, in nano-dollars. */
  balance: bigint
  plan: bigint
}

/** One filter for the whole of it: requests that come later do not belong to it. */
export function closedAt(filter: RequestFilter, nowMs: number): RequestFilter {
  return { ...filter, untilMs: Math.min(filter.untilMs ?? nowMs + 1, nowMs + 1) }
}

/**
 * One JSON document a line, told apart by `type`: `export` first, each `price_version` before the first `request` that
 * names it, and `end` with the totals.
 */
export async function* exportJsonLines(
  db: Database,
  filter: RequestFilter,
  nowMs: number,
): AsyncGenerator<string, void> {
  const head = {
    format: 'zendo-export',
    format_version: 1,
    workspace: filter.workspaceId,
    since: filter.sinceMs === null ? null : formatInstant(filter.sinceMs),
    until: filter.untilMs === null ? null : formatInstant(filter.untilMs),
    exported_at: formatInstant(nowMs),
    amounts: 'USD; …_nano are nano-dollars (1e-9 USD); rates are nano-dollars per 1,000,000 tokens',
    charge_policy_version: CHARGE_POLICY_VERSION,
  }
  // Goes out with the first batch, so that a database that cannot be read is noticed before anything has.
  let opening = formatLine('export', head)
  const totals: ExportTotals = { requests: 0, balance: 0n, plan: 0n }
  const pricesWritten = new Set<string>()
  for await (const batch of readBatches(db, filter)) {
    const lines = await newPriceLines(db, batch, pricesWritten)
    for (const request of batch) {
      addToTotals(totals, request)
      lines.push(formatLine('request', request))
    }
    yield opening + lines.join('')
    opening = ''
  }
  const charged = { balance_nano: String(totals.balance), plan_nano: String(totals.plan) }
  yield opening + formatLine('end', { requests: totals.requests, charged })
}

/** The requests of a filter, oldest first, a batch at a time. */
export async function* readBatches(db: Database, filter: RequestFilter): AsyncGenerator<RequestView[], void> {
  for await (const range of walkRequests(db, filter, { direction: DIRECTION, rows: BATCH })) {
    const page = { direction: DIRECTION, limit: BATCH } as const
    const batch = await db.read(async (sql) => viewRequests(sql, await listRequests(sql, filter, range, page)))
    if (batch.length > 0) yield batch
  }
}

function formatLine(type: string, members: object): string {
  return `${JSON.stringify({ type, ...members })}\n`
}

function addToTotals(totals: ExportTotals, { funding, charged_nano: charged }: RequestView): void {
  totals.requests++
  if (charged !== null && (funding === 'plan' || funding === 'balance')) totals[funding] += BigInt(charged)
}

async function newPriceLines(db: Database, batch: readonly RequestView[], written: Set<string>): Promise<string[]> {
  const lines: string[] = []
  for (const { price_version: version } of batch) {
    if (version === null || written.has(version)) continue
    written.add(version)
    const price = await viewPrice(db, version)
    if (price) lines.push(formatLine('price_version', price))
  }
  return lines
}

/** Undefined when the version is not on record, which the audit reports. */
export async function viewPrice(db: Database, version: string): Promise<PriceView | undefined> {
  const row = await loadPriceVersion(db, version)
  if (row === undefined) return undefined
  const { base, tiers } = parsePriceVersion(row)
  return { version, base: viewRates(base), tiers: tiers.map((tier) => ({ above: tier.above, ...viewRates(tier) })) }
}

function viewRates(rates: PriceRates): RatesView {
  return {
    input: String(rates.input),
    cached_read: String(rates.cachedRead),
    cache_write_5m: String(rates.cacheWrite5m),
    cache_write_1h: String(rates.cacheWrite1h),
    output: String(rates.output),
  }
}

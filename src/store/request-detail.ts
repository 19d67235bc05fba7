/** SQL of what hangs on request rows: their attempts, what they count in meters, and what the ledger moved for them. */
import type { NanoUsd } from '../base/money.ts'
import type { WindowSpec } from '../domain/catalog.ts'
import type { Sql } from './database.ts'
import type { MeterScope } from './meter.ts'

export interface RequestAttempt {
  readonly requestId: string
  readonly n: number
  readonly provider: string
  readonly status: number | null
  readonly outcome: string
  readonly startedAtMs: number
  readonly endedAtMs: number
}

/** What a request holds of, or counted in, one meter. */
export interface RequestCount {
  readonly requestId: string
  readonly meterId: string
  readonly scope: MeterScope
  readonly subjectId: string
  readonly name: string
  readonly kind: WindowSpec['kind']
  readonly startsAtMs: number
  readonly endsAtMs: number
  readonly held: NanoUsd
  readonly counted: NanoUsd
}

/** One leg of a transfer that a request caused. */
export interface RequestEntry {
  readonly requestId: string
  readonly transferId: string
  readonly kind: 'settlement' | 'correction'
  /** `balance` is the customer's; the others are the operator's. */
  readonly account: string
  readonly amount: NanoUsd
  /** The lot of credit drawn on or given back to; null on the operator's accounts, and from before lots were named. */
  readonly grantId: string | null
}

/** Lists are padded to one of these lengths, so that few statements are prepared. */
const LIST_SIZES = [1, 16, 128, 256] as const
export const MAX_IDS = 256

/** In the order of requests and tries. At most `MAX_IDS` ids. */
export async function listAttempts(sql: Sql, requestIds: readonly string[]): Promise<RequestAttempt[]> {
  const { marks, values } = listOf(requestIds)
  if (values.length === 0) return []
  const rows = await sql.all<{
    requestId: string
    n: bigint
    provider: string
    status: bigint | null
    outcome: string
    started_at: bigint
    ended_at: bigint
  }>(
    'SELECT request_id AS "requestId", n, provider, status, outcome, started_at, ended_at FROM attempt' +
      ` WHERE request_id IN (${marks}) ORDER BY request_id, n`,
    ...values,
  )
  return rows.map(({ started_at, ended_at, ...row }) => ({
    ...row,
    n: Number(row.n),
    status: row.status === null ? null : Number(row.status),
    startedAtMs: Number(started_at),
    endedAtMs: Number(ended_at),
  }))
}

/** Of each request the windows of its seat first, shortest first, then caps. At most `MAX_IDS` ids. */
export async function listCounts(sql: Sql, requestIds: readonly string[]): Promise<RequestCount[]> {
  const { marks, values } = listOf(requestIds)
  if (values.length === 0) return []
  const rows = await sql.all<Omit<RequestCount, 'startsAtMs' | 'endsAtMs'> & { starts_at: bigint; ends_at: bigint }>(
    'SELECT c.request_id AS "requestId", c.meter_id AS "meterId", m.scope, m.subject_id AS "subjectId", m.name, m.kind,' +
      ' m.starts_at, m.ends_at, c.held, c.counted FROM request_meter c JOIN meter m ON m.id = c.meter_id' +
      ` WHERE c.request_id IN (${marks})`,
    ...values,
  )
  return rows
    .map(({ starts_at, ends_at, ...row }) => ({ ...row, startsAtMs: Number(starts_at), endsAtMs: Number(ends_at) }))
    .sort(byScopeAndLength)
}

const SCOPES: readonly MeterScope[] = ['seat', 'key', 'member', 'workspace']

function byScopeAndLength(a: RequestCount, b: RequestCount): number {
  const length = (count: RequestCount): number => count.endsAtMs - count.startsAtMs
  return SCOPES.indexOf(a.scope) - SCOPES.indexOf(b.scope) || length(a) - length(b) || (a.meterId < b.meterId ? -1 : 1)
}

/** The id of the transfer that settled a request. */
export function settlementId(requestId: string): string {
  return `s:${requestId}`
}

/** Refunds of one request that are looked for. */
const MAX_REFUNDS = 10

/** The ids of the transfers that give back what a request was charged. */
export function refundIds(requestId: string): string[] {
  return Array.from({ length: MAX_REFUNDS }, (_, n) => `c:${requestId}:${n}`)
}

/** The legs of transfers by their ids, those of a transfer in their order. At most `MAX_IDS` ids. */
export async function listEntries(sql: Sql, transferIds: readonly string[]): Promise<RequestEntry[]> {
  const { marks, values } = listOf(transferIds)
  if (values.length === 0) return []
  const rows = await sql.all<Omit<RequestEntry, 'requestId'>>(
    'SELECT e.transfer_id AS "transferId", t.kind, a.kind AS account, e.amount, e.grant_id AS "grantId" FROM entry e' +
      ' JOIN transfer t ON t.id = e.transfer_id JOIN account a ON a.id = e.account_id' +
      ` WHERE e.transfer_id IN (${marks}) ORDER BY e.transfer_id, e.leg`,
    ...values,
  )
  return rows.map((row) => ({ ...row, requestId: row.transferId.split(':')[1] as string }))
}

function listOf(ids: readonly string[]): { readonly marks: string; readonly values: string[] } {
  const [first] = ids
  if (first === undefined) return { marks: '', values: [] }
  if (ids.length > MAX_IDS) throw new RangeError(`${ids.length} ids in one statement`)
  const size = LIST_SIZES.find((length) => length >= ids.length) ?? MAX_IDS
  const values = [...ids, ...Array<string>(size - ids.length).fill(first)]
  return { marks: values.map(() => '?').join(', '), values }
}

/** SQL of the lots of credit: what was granted, and what is left of each. */
import type { NanoUsd } from '../base/money.ts'
import type { Sql } from './database.ts'

export type CreditSource = 'demo' | 'operator' | 'promotion' | 'payment' | 'refund'

export interface Lot {
  readonly id: string
  readonly workspaceId: string
  readonly source: CreditSource
  readonly amount: NanoUsd
  readonly remaining: NanoUsd
  /** Lower is drawn on first; then the lot that expires first, then the oldest. */
  readonly priority: number
  /** Null: never. */
  readonly expiresAtMs: number | null
  readonly note: string
  readonly createdAtMs: number
}

interface RawLot {
  id: string
  workspace_id: string
  source: CreditSource
  amount: NanoUsd
  remaining: NanoUsd
  priority: bigint
  expires_at: bigint | null
  note: string
  created_at: bigint
}

const SELECT_LOTS =
  'SELECT id, workspace_id, source, amount, remaining, priority, expires_at, note, created_at FROM credit_grant'

export async function insertLot(sql: Sql, lot: Lot): Promise<void> {
  await sql.run(
    'INSERT INTO credit_grant (id, workspace_id, source, amount, remaining, priority, expires_at, note, created_at)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    lot.id,
    lot.workspaceId,
    lot.source,
    lot.amount,
    lot.remaining,
    lot.priority,
    lot.expiresAtMs,
    lot.note,
    lot.createdAtMs,
  )
}

export async function loadLot(sql: Sql, id: string): Promise<Lot | undefined> {
  const row = await sql.get<RawLot>(`${SELECT_LOTS} WHERE id = ?`, id)
  return row && lotOf(row)
}

/** Lots with something left, in the order in which they are drawn on. */
export async function listLots(sql: Sql, workspaceId: string): Promise<Lot[]> {
  const rows = await sql.all<RawLot>(
    `${SELECT_LOTS} WHERE workspace_id = ? AND remaining > 0` +
      ' ORDER BY priority, COALESCE(expires_at, 9223372036854775807), created_at, id',
    workspaceId,
  )
  return rows.map(lotOf)
}

/** All that were ever granted, behind an id, oldest first as ids of one kind are. */
export async function listLotPage(sql: Sql, workspaceId: string, after: string, limit: number): Promise<Lot[]> {
  const rows = await sql.all<RawLot>(
    `${SELECT_LOTS} WHERE workspace_id = ? AND id > ? ORDER BY id LIMIT ?`,
    workspaceId,
    after,
    limit,
  )
  return rows.map(lotOf)
}

/** Workspaces with a lot that expired by an instant and is not yet empty. */
export async function listExpiredWorkspaces(sql: Sql, nowMs: number): Promise<string[]> {
  const rows = await sql.all<{ workspace_id: string }>(
    'SELECT DISTINCT workspace_id FROM credit_grant WHERE remaining > 0 AND expires_at <= ? ORDER BY workspace_id',
    nowMs,
  )
  return rows.map(({ workspace_id }) => workspace_id)
}

/** Writes what is left of lots that were read in this transaction, with the balance locked. */
export async function saveLots(
  sql: Sql,
  lots: readonly { readonly id: string; readonly before: NanoUsd; readonly after: NanoUsd }[],
): Promise<void> {
  if (lots.length === 0) return
  const changed = await sql.runEach(
    'UPDATE credit_grant SET remaining = ? WHERE id = ? AND remaining = ?',
    lots.map(({ id, before, after }) => [after, id, before]),
  )
  if (changed.some((count) => count !== 1)) throw new Error('a lot of credit changed while its balance was locked')
}

function lotOf(row: RawLot): Lot {
  const { workspace_id, expires_at, created_at, priority, ...rest } = row
  return {
    ...rest,
    workspaceId: workspace_id,
    priority: Number(priority),
    expiresAtMs: expires_at === null ? null : Number(expires_at),
    createdAtMs: Number(created_at),
  }
}

/** SQL of API keys: stored as hashes, found by hash. */
import type { Database } from './database.ts'

/** Whose key it is and what it may draw on: everything admission needs, read in one query. */
export interface KeyOwner {
  readonly keyId: string
  readonly workspaceId: string
  readonly memberId: string
  readonly balanceId: string
  readonly revoked: boolean
  readonly seats: readonly OwnedSeat[]
}

export interface OwnedSeat {
  readonly id: string
  readonly planId: string
  readonly useBalance: boolean
  readonly startedAtMs: number
}

export interface KeyRow {
  readonly id: string
  readonly memberId: string
  readonly name: string
  readonly preview: string
  readonly createdAtMs: number
  readonly revokedAtMs: number | null
}

export function insertKey(
  db: Database,
  key: { id: string; workspaceId: string; memberId: string; name: string; hash: string; preview: string },
  nowMs: number,
): void {
  db.run(
    'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    key.id,
    key.workspaceId,
    key.memberId,
    key.name,
    key.hash,
    key.preview,
    nowMs,
  )
}

/** Returns whether the key existed and was not yet revoked. */
export function revokeKey(db: Database, keyId: string, nowMs: number): boolean {
  return db.run('UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', nowMs, keyId) === 1
}

export function listKeys(db: Database, workspaceId: string): KeyRow[] {
  const rows = db.all<{
    id: string
    member_id: string
    name: string
    preview: string
    created_at: bigint
    revoked_at: bigint | null
  }>(
    'SELECT id, member_id, name, preview, created_at, revoked_at FROM api_key WHERE workspace_id = ? ORDER BY id',
    workspaceId,
  )
  return rows.map((row) => ({
    id: row.id,
    memberId: row.member_id,
    name: row.name,
    preview: row.preview,
    createdAtMs: Number(row.created_at),
    revokedAtMs: row.revoked_at === null ? null : Number(row.revoked_at),
  }))
}

/** The owner of the key with this hash; undefined when there is none. */
export function loadKeyOwner(db: Database, hash: string): KeyOwner | undefined {
  const row = db.get<{
    id: string
    workspace_id: string
    member_id: string
    revoked_at: bigint | null
    balance: string
  }>(
    'SELECT k.id, k.workspace_id, k.member_id, k.revoked_at, a.id AS balance FROM api_key k' +
      " JOIN account a ON a.workspace_id = k.workspace_id AND a.kind = 'balance' WHERE k.hash = ?",
    hash,
  )
  if (!row) return undefined
  const seats = db.all<{ id: string; plan_id: string; use_balance: bigint; started_at: bigint }>(
    'SELECT id, plan_id, use_balance, started_at FROM seat WHERE member_id = ? AND ended_at IS NULL ORDER BY id',
    row.member_id,
  )
  return {
    keyId: row.id,
    workspaceId: row.workspace_id,
    memberId: row.member_id,
    balanceId: row.balance,
    revoked: row.revoked_at !== null,
    seats: seats.map((seat) => ({
      id: seat.id,
      planId: seat.plan_id,
      useBalance: seat.use_balance === 1n,
      startedAtMs: Number(seat.started_at),
    })),
  }
}

/** SQL of API keys: stored as hashes, found by hash. */
import type { Product } from '../base/words.ts'
import type { Cap } from '../domain/cap.ts'
import type { WorkspacePolicy } from '../domain/workspace-policy.ts'
import { listCaps } from './cap.ts'
import { listCredentials, type SealedCredential } from './credential.ts'
import type { Sql } from './database.ts'
import { loadPolicy } from './workspace-policy.ts'

/** Whose key it is and what it may draw on: everything admission needs. */
export interface KeyOwner {
  readonly keyId: string
  readonly workspaceId: string
  readonly memberId: string
  readonly role: 'admin' | 'member'
  readonly balanceId: string
  readonly revoked: boolean
  /** From then on it is refused; null: never. */
  readonly expiresAtMs: number | null
  /** Its member was removed, or the person behind it was disabled. */
  readonly isOrphaned: boolean
  /** The operator has shut its workspace. */
  readonly isBlocked: boolean
  readonly scopes: readonly KeyScope[]
  /** The only models and products it may call; null: all that its workspace may. */
  readonly models: readonly string[] | null
  readonly products: readonly Product[] | null
  /** Stand on each request, before those that the request brings. */
  readonly tags: readonly string[]
  /** The person behind its member; null for a member without one. */
  readonly personId: string | null
  /** Whether that person runs the instance. */
  readonly isOperator: boolean
  readonly policy: WorkspacePolicy
  /** The workspace's own provider keys, sealed. */
  readonly credentials: readonly SealedCredential[]
  readonly seats: readonly OwnedSeat[]
  /** Those of the key, of its member and of the workspace. */
  readonly caps: readonly Cap[]
  readonly timeZone: string
  readonly weekStart: number
}

/** What a key may be used for: inference with what belongs to it, reading what its owner may read, changing what its owner may change. */
export type KeyScope = 'inference' | 'read' | 'manage'

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

export async function insertKey(
  sql: Sql,
  key: { id: string; workspaceId: string; memberId: string; name: string; hash: string; preview: string },
  nowMs: number,
): Promise<void> {
  await sql.run(
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
export async function revokeKey(sql: Sql, keyId: string, nowMs: number): Promise<boolean> {
  return (await sql.run('UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', nowMs, keyId)) === 1
}

export async function listKeys(sql: Sql, workspaceId: string): Promise<KeyRow[]> {
  const rows = await sql.all<{
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

interface OwnerRow {
  readonly id: string
  readonly workspace_id: string
  readonly member_id: string
  readonly role: 'admin' | 'member'
  readonly revoked_at: bigint | null
  readonly expires_at: bigint | null
  readonly models: string | null
  readonly products: string | null
  readonly scopes: string
  readonly tags: string | null
  readonly removed_at: bigint | null
  readonly person_id: string | null
  readonly is_operator: bigint | null
  readonly disabled_at: bigint | null
  readonly balance: string
  readonly time_zone: string
  readonly week_start: bigint
  readonly blocked_at: bigint | null
}

const SELECT_OWNER =
  'SELECT k.id, k.workspace_id, k.member_id, m.role, k.revoked_at, k.expires_at, k.models, k.products, k.scopes, k.tags,' +
  ' m.removed_at, m.person_id, p.is_operator, p.disabled_at, a.id AS balance, w.time_zone, w.week_start, w.blocked_at' +
  " FROM api_key k JOIN account a ON a.workspace_id = k.workspace_id AND a.kind = 'balance'" +
  ' JOIN workspace w ON w.id = k.workspace_id JOIN member m ON m.id = k.member_id LEFT JOIN person p ON p.id = m.person_id'

/** The owner of the key with this hash; undefined when there is none. */
export async function loadKeyOwner(sql: Sql, hash: string): Promise<KeyOwner | undefined> {
  const row = await sql.get<OwnerRow>(`${SELECT_OWNER} WHERE k.hash = ?`, hash)
  if (!row) return undefined
  const [seats, caps, policy, credentials] = await Promise.all([
    listOwnedSeats(sql, row.member_id),
    listCaps(sql, row.workspace_id),
    loadPolicy(sql, row.workspace_id),
    listCredentials(sql, row.workspace_id),
  ])
  const subjects = [row.id, row.member_id, row.workspace_id]
  return {
    keyId: row.id,
    workspaceId: row.workspace_id,
    memberId: row.member_id,
    role: row.role,
    balanceId: row.balance,
    revoked: row.revoked_at !== null,
    expiresAtMs: row.expires_at === null ? null : Number(row.expires_at),
    isOrphaned: row.removed_at !== null || row.disabled_at !== null,
    isBlocked: row.blocked_at !== null,
    scopes: JSON.parse(row.scopes) as KeyScope[],
    models: parseList(row.models),
    products: parseList(row.products) as Product[] | null,
    tags: parseList(row.tags) ?? [],
    personId: row.person_id,
    isOperator: row.is_operator === 1n,
    seats,
    caps: caps.filter(({ subjectId }) => subjects.includes(subjectId)),
    timeZone: row.time_zone,
    weekStart: Number(row.week_start),
    policy,
    credentials,
  }
}

function parseList(text: string | null): string[] | null {
  return text === null ? null : (JSON.parse(text) as string[])
}

async function listOwnedSeats(sql: Sql, memberId: string): Promise<OwnedSeat[]> {
  const seats = await sql.all<{ id: string; plan_id: string; use_balance: bigint; started_at: bigint }>(
    'SELECT id, plan_id, use_balance, started_at FROM seat WHERE member_id = ? AND ended_at IS NULL ORDER BY id',
    memberId,
  )
  return seats.map((seat) => ({
    id: seat.id,
    planId: seat.plan_id,
    useBalance: seat.use_balance === 1n,
    startedAtMs: Number(seat.started_at),
  }))
}

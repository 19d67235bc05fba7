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
  readonly models: ReadonlySet<string> | null
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

/** What a key is confined to, beside what its owner is. */
export interface KeyLimits {
  readonly expiresAtMs: number | null
  readonly models: readonly string[] | null
  readonly products: readonly Product[] | null
  readonly tags: readonly string[]
}

export interface KeyRow extends KeyLimits {
  readonly id: string
  readonly memberId: string
  readonly name: string
  /** How its text begins and ends. */
  readonly preview: string
  readonly scopes: readonly KeyScope[]
  readonly createdAtMs: number
  /** To the minute; null: never. */
  readonly lastUsedAtMs: number | null
  readonly revokedAtMs: number | null
  /** Until when the text that it had before is taken, too; null when it was never rotated, or without overlap. */
  readonly previousUntilMs: number | null
}

const NO_LIMITS: KeyLimits = { expiresAtMs: null, models: null, products: null, tags: [] }

export async function insertKey(
  sql: Sql,
  key: {
    readonly id: string
    readonly workspaceId: string
    readonly memberId: string
    readonly name: string
    readonly hash: string
    readonly preview: string
    /** By default inference alone, without limits. */
    readonly scopes?: readonly KeyScope[]
    readonly limits?: KeyLimits
  },
  nowMs: number,
): Promise<void> {
  const { scopes = ['inference'], limits = NO_LIMITS } = key
  await sql.run(
    'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, scopes, expires_at, models, products, tags,' +
      ' created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[key.id, key.workspaceId, key.memberId, key.name, key.hash, key.preview, JSON.stringify(scopes)],
    ...[...limitValues(limits), nowMs],
  )
}

function limitValues({ expiresAtMs, models, products, tags }: KeyLimits): (string | number | null)[] {
  return [expiresAtMs, formatList(models), formatList(products), tags.length === 0 ? null : formatList(tags)]
}

function formatList(list: readonly string[] | null): string | null {
  return list === null ? null : JSON.stringify(list)
}

export async function updateKey(
  sql: Sql,
  keyId: string,
  { name, limits }: { readonly name: string; readonly limits: KeyLimits },
): Promise<void> {
  await sql.run(
    'UPDATE api_key SET name = ?, expires_at = ?, models = ?, products = ?, tags = ? WHERE id = ?',
    ...[name, ...limitValues(limits), keyId],
  )
}

/** Gives a key another text. The one that it had is taken until then; null: no longer. One before that is not. */
export async function replaceSecret(
  sql: Sql,
  keyId: string,
  { hash, preview, previousUntilMs }: { hash: string; preview: string; previousUntilMs: number | null },
): Promise<void> {
  await sql.run(
    'UPDATE api_key SET previous_hash = CASE WHEN CAST(? AS BIGINT) IS NULL THEN NULL ELSE hash END, previous_until = ?,' +
      ' hash = ?, preview = ? WHERE id = ?',
    ...[previousUntilMs, previousUntilMs, hash, preview, keyId],
  )
}

/** Returns whether the key existed and was not yet revoked. */
export async function revokeKey(sql: Sql, keyId: string, nowMs: number): Promise<boolean> {
  return (await sql.run('UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', nowMs, keyId)) === 1
}

interface RawKey {
  readonly id: string
  readonly member_id: string
  readonly name: string
  readonly preview: string
  readonly scopes: string
  readonly expires_at: bigint | null
  readonly models: string | null
  readonly products: string | null
  readonly tags: string | null
  readonly created_at: bigint
  readonly last_used_at: bigint | null
  readonly revoked_at: bigint | null
  readonly previous_until: bigint | null
}

const SELECT_KEY =
  'SELECT id, member_id, name, preview, scopes, expires_at, models, products, tags, created_at, last_used_at, revoked_at,' +
  ' previous_until FROM api_key'

function keyOf(row: RawKey): KeyRow {
  return {
    id: row.id,
    memberId: row.member_id,
    name: row.name,
    preview: row.preview,
    scopes: JSON.parse(row.scopes) as KeyScope[],
    expiresAtMs: numberOrNull(row.expires_at),
    models: parseList(row.models),
    products: parseList(row.products) as Product[] | null,
    tags: parseList(row.tags) ?? [],
    createdAtMs: Number(row.created_at),
    lastUsedAtMs: numberOrNull(row.last_used_at),
    revokedAtMs: numberOrNull(row.revoked_at),
    previousUntilMs: numberOrNull(row.previous_until),
  }
}

function numberOrNull(value: bigint | null): number | null {
  return value === null ? null : Number(value)
}

/** A key of that workspace. */
export async function loadKey(sql: Sql, workspaceId: string, keyId: string): Promise<KeyRow | undefined> {
  const row = await sql.get<RawKey>(`${SELECT_KEY} WHERE workspace_id = ? AND id = ?`, workspaceId, keyId)
  return row && keyOf(row)
}

/** All of a workspace, oldest first, revoked ones too. */
export async function listKeys(sql: Sql, workspaceId: string): Promise<KeyRow[]> {
  const rows = await sql.all<RawKey>(`${SELECT_KEY} WHERE workspace_id = ? ORDER BY id`, workspaceId)
  return rows.map(keyOf)
}

/** Those behind an id, oldest first, of one member where it is named. */
export async function listKeyPage(
  sql: Sql,
  workspaceId: string,
  { after, limit, memberId }: { readonly after: string; readonly limit: number; readonly memberId: string | null },
): Promise<KeyRow[]> {
  const rows = await sql.all<RawKey>(
    `${SELECT_KEY} WHERE workspace_id = ? AND id > ? AND (CAST(? AS TEXT) IS NULL OR member_id = ?) ORDER BY id LIMIT ?`,
    ...[workspaceId, after, memberId, memberId, limit],
  )
  return rows.map(keyOf)
}

/** How many keys of a member were not revoked. */
export async function countKeysOf(sql: Sql, memberId: string): Promise<number> {
  const row = await sql.get<{ count: bigint }>(
    'SELECT COUNT(*) AS count FROM api_key WHERE member_id = ? AND revoked_at IS NULL',
    memberId,
  )
  return Number(row?.count ?? 0n)
}

interface OwnerRow {
  readonly id: string
  readonly hash: string
  readonly previous_until: bigint | null
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
  'SELECT k.id, k.hash, k.previous_until, k.workspace_id, k.member_id, m.role, k.revoked_at, k.expires_at, k.models,' +
  ' k.products, k.scopes, k.tags, m.removed_at, m.person_id, p.is_operator, p.disabled_at, a.id AS balance, w.time_zone,' +
  ' w.week_start, w.blocked_at' +
  " FROM api_key k JOIN account a ON a.workspace_id = k.workspace_id AND a.kind = 'balance'" +
  ' JOIN workspace w ON w.id = k.workspace_id JOIN member m ON m.id = k.member_id LEFT JOIN person p ON p.id = m.person_id'

/** The owner of the key with this hash, or that had it before it was rotated; undefined when there is none. */
export async function loadKeyOwner(sql: Sql, hash: string): Promise<KeyOwner | undefined> {
  const row = await sql.get<OwnerRow>(`${SELECT_OWNER} WHERE k.hash = ? OR k.previous_hash = ?`, hash, hash)
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
    expiresAtMs: row.hash === hash ? numberOrNull(row.expires_at) : earlier(row.previous_until, row.expires_at),
    isOrphaned: row.removed_at !== null || row.disabled_at !== null,
    isBlocked: row.blocked_at !== null,
    scopes: JSON.parse(row.scopes) as KeyScope[],
    models: row.models === null ? null : new Set(parseList(row.models)),
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

/** A text that the key had before ends with its overlap, and no later than the key. */
function earlier(previousUntil: bigint | null, expiresAt: bigint | null): number {
  return Math.min(Number(previousUntil ?? 0n), expiresAt === null ? Number.POSITIVE_INFINITY : Number(expiresAt))
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

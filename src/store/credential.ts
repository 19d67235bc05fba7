/** SQL of the provider keys that workspaces bring; what is secret in them is sealed. */
import type { Sql } from './database.ts'

/** Whether a workspace's own key pays: alone, before the operator's, or not at all. */
export type CredentialMode = 'own_only' | 'own_first' | 'shared_only'

export interface SealedCredential {
  readonly id: string
  readonly workspaceId: string
  /** The provider's id in the catalogue. */
  readonly provider: string
  readonly mode: CredentialMode
  /** Another address of the provider's, of those that the operator allows. */
  readonly baseUrl: string | null
  readonly sealed: string
}

export interface CredentialRow extends SealedCredential {
  /** How the secret begins and ends. */
  readonly preview: string
  readonly createdAtMs: number
  readonly changedAtMs: number
  readonly checkedAtMs: number | null
  readonly lastError: string | null
  readonly lastErrorAtMs: number | null
}

interface Row {
  readonly id: string
  readonly workspace_id: string
  readonly provider: string
  readonly mode: CredentialMode
  readonly base_url: string | null
  readonly sealed: string
  readonly preview: string
  readonly created_at: bigint
  readonly changed_at: bigint
  readonly checked_at: bigint | null
  readonly last_error: string | null
  readonly last_error_at: bigint | null
}

/**
 * What a sealed secret is bound to: its row, whose it is, for whom, and where it may be sent. Moved to another row, or
 * beside another address, it does not open.
 */
export function sealContext(credential: Omit<SealedCredential, 'sealed' | 'mode'>): string[] {
  const { id, workspaceId, provider, baseUrl } = credential
  return ['credential', id, workspaceId, provider, baseUrl ?? '']
}

const SELECT =
  'SELECT id, workspace_id, provider, mode, base_url, sealed, preview, created_at, changed_at, checked_at, last_error,' +
  ' last_error_at FROM credential'

export async function listCredentials(sql: Sql, workspaceId: string): Promise<CredentialRow[]> {
  const rows = await sql.all<Row>(`${SELECT} WHERE workspace_id = ? ORDER BY provider`, workspaceId)
  return rows.map(rowOf)
}

export async function loadCredential(
  sql: Sql,
  workspaceId: string,
  provider: string,
): Promise<CredentialRow | undefined> {
  const row = await sql.get<Row>(`${SELECT} WHERE workspace_id = ? AND provider = ?`, workspaceId, provider)
  return row && rowOf(row)
}

/** A workspace has one per provider at most. */
export async function insertCredential(
  sql: Sql,
  credential: SealedCredential & { readonly preview: string; readonly checkedAtMs: number | null },
  nowMs: number,
): Promise<void> {
  await sql.run(
    'INSERT INTO credential (id, workspace_id, provider, mode, base_url, sealed, preview, created_at, changed_at, checked_at)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[credential.id, credential.workspaceId, credential.provider, credential.mode, credential.baseUrl],
    ...[credential.sealed, credential.preview, nowMs, nowMs, credential.checkedAtMs],
  )
}

export async function deleteCredential(sql: Sql, workspaceId: string, id: string): Promise<void> {
  await sql.run('DELETE FROM credential WHERE workspace_id = ? AND id = ?', workspaceId, id)
}

export async function setCredentialMode(
  sql: Sql,
  { workspaceId, id }: Pick<CredentialRow, 'workspaceId' | 'id'>,
  mode: CredentialMode,
  nowMs: number,
): Promise<void> {
  await sql.run(
    'UPDATE credential SET mode = ?, changed_at = ? WHERE workspace_id = ? AND id = ?',
    ...[mode, nowMs, workspaceId, id],
  )
}

/** What a provider said of a credential when it was asked: a null error is that it is good. */
export async function noteCheck(sql: Sql, id: string, error: string | null, nowMs: number): Promise<void> {
  await sql.run(
    'UPDATE credential SET checked_at = ?, last_error = ?, last_error_at = ? WHERE id = ?',
    ...[nowMs, error, error === null ? null : nowMs, id],
  )
}

/** Why a request with it failed. */
export async function noteFailure(sql: Sql, id: string, error: string, nowMs: number): Promise<void> {
  await sql.run('UPDATE credential SET last_error = ?, last_error_at = ? WHERE id = ?', error, nowMs, id)
}

/** Credentials by id, after `afterId`, whose sealed text does not begin with `prefix`. */
export async function listSealedOtherwise(
  sql: Sql,
  prefix: string,
  afterId: string,
  limit: number,
): Promise<CredentialRow[]> {
  const rows = await sql.all<Row>(
    `${SELECT} WHERE id > ? AND substr(sealed, 1, ?) <> ? ORDER BY id LIMIT ?`,
    ...[afterId, prefix.length, prefix, limit],
  )
  return rows.map(rowOf)
}

/** Returns whether the row still held what was wrapped again: one that was replaced meanwhile keeps its own. */
export async function replaceSealed(sql: Sql, id: string, before: string, after: string): Promise<boolean> {
  return (await sql.run('UPDATE credential SET sealed = ? WHERE id = ? AND sealed = ?', after, id, before)) === 1
}

function rowOf(row: Row): CredentialRow {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    provider: row.provider,
    mode: row.mode,
    baseUrl: row.base_url,
    sealed: row.sealed,
    preview: row.preview,
    createdAtMs: Number(row.created_at),
    changedAtMs: Number(row.changed_at),
    checkedAtMs: row.checked_at === null ? null : Number(row.checked_at),
    lastError: row.last_error,
    lastErrorAtMs: row.last_error_at === null ? null : Number(row.last_error_at),
  }
}

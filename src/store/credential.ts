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

export async function listCredentials(sql: Sql, workspaceId: string): Promise<CredentialRow[]> {
  const rows = await sql.all<Row>(
    'SELECT id, workspace_id, provider, mode, base_url, sealed, preview, created_at, changed_at, checked_at, last_error,' +
      ' last_error_at FROM credential WHERE workspace_id = ? ORDER BY provider',
    workspaceId,
  )
  return rows.map((row) => ({
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
  }))
}

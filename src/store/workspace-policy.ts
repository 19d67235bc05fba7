/** SQL of what workspaces allow. */
import { DEFAULT_POLICY, type WorkspacePolicy } from '../domain/workspace-policy.ts'
import type { Sql } from './database.ts'

export async function loadPolicy(sql: Sql, workspaceId: string): Promise<WorkspacePolicy> {
  const [row, models] = await Promise.all([
    sql.get<{
      curation: WorkspacePolicy['curation']
      zero_retention_only: bigint
      allow_training: bigint
      regions: string | null
    }>(
      'SELECT curation, zero_retention_only, allow_training, regions FROM workspace_policy WHERE workspace_id = ?',
      workspaceId,
    ),
    sql.all<{ model: string }>('SELECT model FROM workspace_model WHERE workspace_id = ? ORDER BY model', workspaceId),
  ])
  if (!row) return DEFAULT_POLICY
  return {
    curation: row.curation,
    models: new Set(models.map(({ model }) => model)),
    zeroRetentionOnly: row.zero_retention_only === 1n,
    allowTraining: row.allow_training === 1n,
    regions: row.regions === null ? null : (JSON.parse(row.regions) as string[]),
  }
}

export async function savePolicy(sql: Sql, workspaceId: string, policy: WorkspacePolicy): Promise<void> {
  await sql.run(
    'INSERT INTO workspace_policy (workspace_id, curation, zero_retention_only, allow_training, regions)' +
      ' VALUES (?, ?, ?, ?, ?) ON CONFLICT (workspace_id) DO UPDATE SET curation = excluded.curation,' +
      ' zero_retention_only = excluded.zero_retention_only, allow_training = excluded.allow_training,' +
      ' regions = excluded.regions',
    workspaceId,
    policy.curation,
    policy.zeroRetentionOnly ? 1 : 0,
    policy.allowTraining ? 1 : 0,
    policy.regions === null ? null : JSON.stringify(policy.regions),
  )
  await sql.run('DELETE FROM workspace_model WHERE workspace_id = ?', workspaceId)
  await sql.runEach(
    'INSERT INTO workspace_model (workspace_id, model) VALUES (?, ?)',
    [...policy.models].map((model) => [workspaceId, model]),
  )
}

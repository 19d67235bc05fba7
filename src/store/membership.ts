/** SQL of who belongs to which workspace. */
import type { Sql } from './database.ts'
import type { Workspace } from './workspace.ts'

export interface Membership {
  readonly id: string
  readonly workspaceId: string
  readonly role: 'admin' | 'member'
}

/** A workspace by its id. */
export async function loadWorkspace(sql: Sql, id: string): Promise<Workspace | undefined> {
  const row = await sql.get<{
    id: string
    name: string
    time_zone: string
    week_start: bigint
    blocked_at: bigint | null
  }>('SELECT id, name, time_zone, week_start, blocked_at FROM workspace WHERE id = ?', id)
  if (!row) return undefined
  return { id: row.id, name: row.name, timeZone: row.time_zone, weekStart: Number(row.week_start) }
}

/** A person's membership that was not ended. */
export function loadMembership(sql: Sql, workspaceId: string, personId: string): Promise<Membership | undefined> {
  return sql.get<Membership>(
    'SELECT id, workspace_id AS "workspaceId", role FROM member' +
      ' WHERE workspace_id = ? AND person_id = ? AND removed_at IS NULL',
    workspaceId,
    personId,
  )
}

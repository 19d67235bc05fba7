/** SQL of the caps: what a workspace, member or key may spend of the balance in a day, week or month. */
import type { NanoUsd } from '../base/money.ts'
import type { Cap } from '../domain/cap.ts'
import type { Sql } from './database.ts'

interface RawCap {
  id: string
  workspace_id: string
  scope: Cap['scope']
  subject_id: string
  unit: Cap['unit']
  limit_amount: NanoUsd
}

/** Sets the cap of a subject for a unit, in place of an earlier one. */
export async function saveCap(sql: Sql, cap: Cap, nowMs: number): Promise<void> {
  await sql.run(
    'INSERT INTO cap (id, workspace_id, scope, subject_id, unit, limit_amount, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)' +
      ' ON CONFLICT (subject_id, unit) DO UPDATE SET limit_amount = excluded.limit_amount',
    cap.id,
    cap.workspaceId,
    cap.scope,
    cap.subjectId,
    cap.unit,
    cap.limit,
    nowMs,
  )
}

/** Returns whether there was one. */
export async function deleteCap(sql: Sql, subjectId: string, unit: Cap['unit']): Promise<boolean> {
  return (await sql.run('DELETE FROM cap WHERE subject_id = ? AND unit = ?', subjectId, unit)) === 1
}

export async function loadCap(sql: Sql, subjectId: string, unit: Cap['unit']): Promise<Cap | undefined> {
  const row = await sql.get<RawCap>(
    'SELECT id, workspace_id, scope, subject_id, unit, limit_amount FROM cap WHERE subject_id = ? AND unit = ?',
    subjectId,
    unit,
  )
  return row && capOf(row)
}

/** Whether a key is of that workspace, revoked or not. */
export async function hasKey(sql: Sql, workspaceId: string, keyId: string): Promise<boolean> {
  const where = 'SELECT id FROM api_key WHERE workspace_id = ? AND id = ?'
  return (await sql.get<{ id: string }>(where, workspaceId, keyId)) !== undefined
}

/** All caps of a workspace: its own, its members' and its keys'. */
export async function listCaps(sql: Sql, workspaceId: string): Promise<Cap[]> {
  const rows = await sql.all<RawCap>(
    'SELECT id, workspace_id, scope, subject_id, unit, limit_amount FROM cap WHERE workspace_id = ? ORDER BY id',
    workspaceId,
  )
  return rows.map(capOf)
}

function capOf(row: RawCap): Cap {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    scope: row.scope,
    subjectId: row.subject_id,
    unit: row.unit,
    limit: row.limit_amount,
  }
}

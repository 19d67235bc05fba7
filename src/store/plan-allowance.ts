/** SQL of how many seats of a plan the admins of a workspace may hand out. */
import type { Sql } from './database.ts'

/** Returns 0 where the operator allowed none. */
export async function loadAllowance(sql: Sql, workspaceId: string, planId: string): Promise<number> {
  const row = await sql.get<{ seats: bigint }>(
    'SELECT seats FROM plan_allowance WHERE workspace_id = ? AND plan_id = ?',
    workspaceId,
    planId,
  )
  return Number(row?.seats ?? 0n)
}

/** By plan; plans without any are left out. */
export async function listAllowances(sql: Sql, workspaceId: string): Promise<Map<string, number>> {
  const rows = await sql.all<{ plan_id: string; seats: bigint }>(
    'SELECT plan_id, seats FROM plan_allowance WHERE workspace_id = ? ORDER BY plan_id',
    workspaceId,
  )
  return new Map(rows.map(({ plan_id: planId, seats }) => [planId, Number(seats)]))
}

export async function saveAllowance(sql: Sql, workspaceId: string, planId: string, seats: number): Promise<void> {
  await sql.run(
    'INSERT INTO plan_allowance (workspace_id, plan_id, seats) VALUES (?, ?, ?)' +
      ' ON CONFLICT (workspace_id, plan_id) DO UPDATE SET seats = excluded.seats',
    workspaceId,
    planId,
    seats,
  )
}

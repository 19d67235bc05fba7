/** SQL of workspaces, members and seats. */
import type { Sql } from './database.ts'

export interface Workspace {
  readonly id: string
  readonly name: string
  readonly timeZone: string
  /** 1 is Monday, 7 is Sunday. */
  readonly weekStart: number
}

export interface Member {
  readonly id: string
  readonly workspaceId: string
  readonly name: string
  readonly role: 'admin' | 'member'
}

export interface Seat {
  readonly id: string
  readonly memberId: string
  readonly planId: string
  readonly useBalance: boolean
  readonly startedAtMs: number
}

export async function insertWorkspace(
  sql: Sql,
  workspace: Pick<Workspace, 'id' | 'name'>,
  nowMs: number,
): Promise<void> {
  await sql.run('INSERT INTO workspace (id, name, created_at) VALUES (?, ?, ?)', workspace.id, workspace.name, nowMs)
}

export async function listWorkspaces(sql: Sql): Promise<Workspace[]> {
  const rows = await sql.all<{ id: string; name: string; time_zone: string; week_start: bigint }>(
    'SELECT id, name, time_zone, week_start FROM workspace ORDER BY id',
  )
  return rows.map(({ id, name, time_zone: timeZone, week_start: weekStart }) => ({
    id,
    name,
    timeZone,
    weekStart: Number(weekStart),
  }))
}

/** Windows that are open keep their bounds; later ones follow the new calendar. */
export async function setCalendar(
  sql: Sql,
  workspaceId: string,
  calendar: { readonly timeZone: string; readonly weekStart: number },
): Promise<void> {
  const set = 'UPDATE workspace SET time_zone = ?, week_start = ? WHERE id = ?'
  await sql.run(set, calendar.timeZone, calendar.weekStart, workspaceId)
}

export async function insertMember(sql: Sql, member: Member, nowMs: number): Promise<void> {
  await sql.run(
    'INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, ?, ?)',
    member.id,
    member.workspaceId,
    member.name,
    member.role,
    nowMs,
  )
}

/** Those who were not removed, oldest first. */
export function listMembers(sql: Sql, workspaceId: string): Promise<Member[]> {
  return sql.all<Member>(
    'SELECT id, workspace_id AS "workspaceId", name, role FROM member' +
      ' WHERE workspace_id = ? AND removed_at IS NULL ORDER BY id',
    workspaceId,
  )
}

export async function insertSeat(sql: Sql, seat: Seat & { readonly workspaceId: string }): Promise<void> {
  await sql.run(
    'INSERT INTO seat (id, workspace_id, member_id, plan_id, use_balance, started_at) VALUES (?, ?, ?, ?, ?, ?)',
    seat.id,
    seat.workspaceId,
    seat.memberId,
    seat.planId,
    seat.useBalance ? 1 : 0,
    seat.startedAtMs,
  )
}

export async function setSeatUseBalance(sql: Sql, seatId: string, useBalance: boolean): Promise<boolean> {
  return (await sql.run('UPDATE seat SET use_balance = ? WHERE id = ?', useBalance ? 1 : 0, seatId)) === 1
}

export async function endSeat(sql: Sql, seatId: string, nowMs: number): Promise<boolean> {
  return (await sql.run('UPDATE seat SET ended_at = ? WHERE id = ? AND ended_at IS NULL', nowMs, seatId)) === 1
}

/** The seats in use of a workspace's members, oldest first. */
export async function listSeats(sql: Sql, workspaceId: string): Promise<Seat[]> {
  const rows = await sql.all<{
    id: string
    member_id: string
    plan_id: string
    use_balance: bigint
    started_at: bigint
  }>(
    'SELECT id, member_id, plan_id, use_balance, started_at FROM seat WHERE workspace_id = ? AND ended_at IS NULL ORDER BY id',
    workspaceId,
  )
  return rows.map((row) => ({
    id: row.id,
    memberId: row.member_id,
    planId: row.plan_id,
    useBalance: row.use_balance === 1n,
    startedAtMs: Number(row.started_at),
  }))
}

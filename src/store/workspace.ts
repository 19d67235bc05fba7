/** SQL of workspaces, members, seats and credit grants. */
import type { NanoUsd } from '../base/money.ts'
import type { Database } from './database.ts'

export interface Workspace {
  readonly id: string
  readonly name: string
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

export function insertWorkspace(db: Database, workspace: Workspace, nowMs: number): void {
  db.run('INSERT INTO workspace (id, name, created_at) VALUES (?, ?, ?)', workspace.id, workspace.name, nowMs)
}

export function listWorkspaces(db: Database): Workspace[] {
  return db.all<Workspace>('SELECT id, name FROM workspace ORDER BY id')
}

export function insertMember(db: Database, member: Member, nowMs: number): void {
  db.run(
    'INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, ?, ?)',
    member.id,
    member.workspaceId,
    member.name,
    member.role,
    nowMs,
  )
}

export function listMembers(db: Database, workspaceId: string): Member[] {
  return db.all<Member>(
    'SELECT id, workspace_id AS "workspaceId", name, role FROM member WHERE workspace_id = ? ORDER BY id',
    workspaceId,
  )
}

export function insertSeat(db: Database, seat: Seat & { readonly workspaceId: string }): void {
  db.run(
    'INSERT INTO seat (id, workspace_id, member_id, plan_id, use_balance, started_at) VALUES (?, ?, ?, ?, ?, ?)',
    seat.id,
    seat.workspaceId,
    seat.memberId,
    seat.planId,
    seat.useBalance ? 1 : 0,
    seat.startedAtMs,
  )
}

export function setSeatUseBalance(db: Database, seatId: string, useBalance: boolean): boolean {
  return db.run('UPDATE seat SET use_balance = ? WHERE id = ?', useBalance ? 1 : 0, seatId) === 1
}

export function endSeat(db: Database, seatId: string, nowMs: number): boolean {
  return db.run('UPDATE seat SET ended_at = ? WHERE id = ? AND ended_at IS NULL', nowMs, seatId) === 1
}

/** The seats in use of a workspace's members, oldest first. */
export function listSeats(db: Database, workspaceId: string): Seat[] {
  const rows = db.all<{ id: string; member_id: string; plan_id: string; use_balance: bigint; started_at: bigint }>(
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

export interface CreditGrant {
  readonly id: string
  readonly workspaceId: string
  readonly source: 'demo' | 'operator'
  readonly amount: NanoUsd
  readonly note: string
}

export function insertGrant(db: Database, grant: CreditGrant, nowMs: number): void {
  db.run(
    'INSERT INTO credit_grant (id, workspace_id, source, amount, note, created_at) VALUES (?, ?, ?, ?, ?, ?)',
    grant.id,
    grant.workspaceId,
    grant.source,
    grant.amount,
    grant.note,
    nowMs,
  )
}

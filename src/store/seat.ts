/** SQL of seats beyond giving and ending one: pages, and the seats that were ended while their windows still count. */
import { MINUTE_MS } from '../base/time.ts'
import type { Sql } from './database.ts'
import type { Seat } from './workspace.ts'

interface RawSeat {
  readonly id: string
  readonly member_id: string
  readonly plan_id: string
  readonly use_balance: bigint
  readonly started_at: bigint
}

/** Longer than any process goes by what it remembers of a seat: until then requests may still come to count in it. */
const SETTLING_MS = MINUTE_MS

const SELECT_SEATS = 'SELECT s.id, s.member_id, s.plan_id, s.use_balance, s.started_at FROM seat s'

function seatOf(row: RawSeat): Seat {
  return {
    id: row.id,
    memberId: row.member_id,
    planId: row.plan_id,
    useBalance: row.use_balance === 1n,
    startedAtMs: Number(row.started_at),
  }
}

/** A seat of that workspace that is in use. */
export async function loadSeat(sql: Sql, workspaceId: string, id: string): Promise<Seat | undefined> {
  const where = `${SELECT_SEATS} WHERE s.workspace_id = ? AND s.id = ? AND s.ended_at IS NULL`
  const row = await sql.get<RawSeat>(where, workspaceId, id)
  return row && seatOf(row)
}

/** Seats in use behind an id, oldest first; with `only`, those of that member. */
export async function listSeatPage(
  sql: Sql,
  workspaceId: string,
  { after, limit, only }: { readonly after: string; readonly limit: number; readonly only: string | null },
): Promise<Seat[]> {
  const rows = await sql.all<RawSeat>(
    `${SELECT_SEATS} WHERE s.workspace_id = ? AND s.ended_at IS NULL AND s.id > ?` +
      ' AND (CAST(? AS TEXT) IS NULL OR s.member_id = ?) ORDER BY s.id LIMIT ?',
    workspaceId,
    after,
    only,
    only,
    limit,
  )
  return rows.map(seatOf)
}

/** The latest seat that a member had on a plan and has no more. */
export async function loadEndedSeat(sql: Sql, memberId: string, planId: string): Promise<Seat | undefined> {
  const where = `${SELECT_SEATS} WHERE s.member_id = ? AND s.plan_id = ? AND s.ended_at IS NOT NULL`
  const row = await sql.get<RawSeat>(`${where} ORDER BY s.ended_at DESC, s.id DESC LIMIT 1`, memberId, planId)
  return row && seatOf(row)
}

/** Ended seats of a plan of which something is used up in a window that goes on, or may be yet; the earliest ended first. */
export async function listSpentSeats(sql: Sql, workspaceId: string, planId: string, nowMs: number): Promise<Seat[]> {
  const rows = await sql.all<RawSeat>(
    `${SELECT_SEATS} WHERE s.workspace_id = ? AND s.plan_id = ? AND s.ended_at IS NOT NULL AND (s.ended_at > ? OR` +
      ' EXISTS (SELECT 1 FROM meter m WHERE m.subject_id = s.id AND m.ends_at > ? AND m.settled + m.held > 0))' +
      ' ORDER BY s.ended_at, s.id',
    workspaceId,
    planId,
    nowMs - SETTLING_MS,
    nowMs,
  )
  return rows.map(seatOf)
}

/** How many seats of each plan are in use. */
export async function countSeats(sql: Sql, workspaceId: string): Promise<Map<string, number>> {
  const rows = await sql.all<{ plan_id: string; count: bigint }>(
    'SELECT plan_id, COUNT(*) AS count FROM seat WHERE workspace_id = ? AND ended_at IS NULL GROUP BY plan_id',
    workspaceId,
  )
  return new Map(rows.map(({ plan_id: planId, count }) => [planId, Number(count)]))
}

/** Gives an ended seat out again, with its start and all that it has counted. */
export async function reopenSeat(sql: Sql, seat: Pick<Seat, 'id' | 'memberId' | 'useBalance'>): Promise<void> {
  await sql.run(
    'UPDATE seat SET member_id = ?, use_balance = ?, ended_at = NULL WHERE id = ?',
    seat.memberId,
    seat.useBalance ? 1 : 0,
    seat.id,
  )
}

/** Returns how many it ended. */
export function endSeatsOf(sql: Sql, memberId: string, nowMs: number): Promise<number> {
  return sql.run('UPDATE seat SET ended_at = ? WHERE member_id = ? AND ended_at IS NULL', nowMs, memberId)
}

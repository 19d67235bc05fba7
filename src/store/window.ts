/** SQL of the plan windows and of what requests hold of them. */
import type { NanoUsd } from '../base/money.ts'
import type { WindowBounds } from '../domain/window.ts'
import type { Database } from './database.ts'

export interface WindowRow extends WindowBounds {
  readonly id: string
  readonly name: string
  readonly settled: NanoUsd
  readonly held: NanoUsd
}

interface RawWindowRow {
  id: string
  name: string
  starts_at: bigint
  ends_at: bigint
  settled: NanoUsd
  held: NanoUsd
}

/**
 * The windows of a seat that have not ended at an instant, the earliest of each name. One that starts later counts as
 * open: the clock was set back since it was opened, and a second window would double the limit.
 */
export function listOpenWindows(db: Database, seatId: string, nowMs: number): WindowRow[] {
  const rows = db.all<RawWindowRow>(
    'SELECT id, name, starts_at, ends_at, settled, held FROM plan_window WHERE seat_id = ? AND ends_at > ? ORDER BY starts_at',
    seatId,
    nowMs,
  )
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    startsAtMs: Number(row.starts_at),
    endsAtMs: Number(row.ends_at),
    settled: row.settled,
    held: row.held,
  }))
}

/** Opens a window. The id is derived from its start, so two openings of the same window are one. */
export function openWindow(
  db: Database,
  window: { seatId: string; name: string; kind: string; bounds: WindowBounds; limit: NanoUsd },
): string {
  const { seatId, name, kind, bounds, limit } = window
  const id = `${seatId}:${name}:${bounds.startsAtMs}`
  db.run(
    'INSERT INTO plan_window (id, seat_id, name, kind, starts_at, ends_at, limit_amount) VALUES (?, ?, ?, ?, ?, ?, ?)' +
      ' ON CONFLICT DO NOTHING',
    id,
    seatId,
    name,
    kind,
    bounds.startsAtMs,
    bounds.endsAtMs,
    limit,
  )
  return id
}

/** Reserves an amount of one window if it fits the limit in force. Returns whether it did. */
export function holdWindow(
  db: Database,
  windowId: string,
  requestId: string,
  amount: NanoUsd,
  limit: NanoUsd,
): boolean {
  const held = db.run(
    'UPDATE plan_window SET held = held + ?, limit_amount = ? WHERE id = ? AND settled + held + ? <= ?',
    amount,
    limit,
    windowId,
    amount,
    limit,
  )
  if (held !== 1) return false
  db.run('INSERT INTO request_window (request_id, window_id, held) VALUES (?, ?, ?)', requestId, windowId, amount)
  return true
}

/** Turns what a request holds of its windows into what it counts; zero gives everything back. */
export function settleWindows(db: Database, requestId: string, held: NanoUsd, counted: NanoUsd): void {
  db.run(
    'UPDATE plan_window SET held = held - ?, settled = settled + ?' +
      ' WHERE id IN (SELECT window_id FROM request_window WHERE request_id = ?)',
    held,
    counted,
    requestId,
  )
  db.run('UPDATE request_window SET held = 0, counted = ? WHERE request_id = ?', counted, requestId)
}

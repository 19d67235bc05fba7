/** SQL of failures in a row, by a keyed hash of whose they are. */
import type { Sql } from './database.ts'

export interface ThrottleRow {
  readonly failures: number
  readonly blockedUntilMs: number
  readonly changedAtMs: number
}

interface Row {
  readonly failures: bigint
  readonly blocked_until: bigint
  readonly changed_at: bigint
}

function throttleOf(row: Row): ThrottleRow {
  return {
    failures: Number(row.failures),
    blockedUntilMs: Number(row.blocked_until),
    changedAtMs: Number(row.changed_at),
  }
}

/** Undefined for one of whom nothing is kept. Keeps others from changing it until the transaction ends. */
export async function lockThrottle(sql: Sql, subject: string): Promise<ThrottleRow | undefined> {
  const row = await sql.get<Row>(
    'SELECT failures, blocked_until, changed_at FROM throttle WHERE subject = ? /*postgres FOR UPDATE */',
    subject,
  )
  return row && throttleOf(row)
}

/** As `lockThrottle`, for one that is about to be changed: where there is none, it is made. */
export async function ensureThrottle(sql: Sql, subject: string, nowMs: number): Promise<ThrottleRow> {
  await sql.run(
    'INSERT INTO throttle (subject, failures, blocked_until, changed_at) VALUES (?, 0, 0, ?) ON CONFLICT DO NOTHING',
    subject,
    nowMs,
  )
  const row = await lockThrottle(sql, subject)
  if (!row) throw new Error('a throttle that was just made is gone')
  return row
}

export async function saveThrottle(sql: Sql, subject: string, row: ThrottleRow): Promise<void> {
  await sql.run(
    'UPDATE throttle SET failures = ?, blocked_until = ?, changed_at = ? WHERE subject = ?',
    ...[row.failures, row.blockedUntilMs, row.changedAtMs, subject],
  )
}

export async function deleteThrottle(sql: Sql, subject: string): Promise<void> {
  await sql.run('DELETE FROM throttle WHERE subject = ?', subject)
}

/** Those with failures go earlier than those without. */
export async function deleteIdleThrottles(
  sql: Sql,
  { failedBeforeMs, beforeMs }: { readonly failedBeforeMs: number; readonly beforeMs: number },
): Promise<void> {
  await sql.run(
    'DELETE FROM throttle WHERE changed_at < ? OR (failures > 0 AND changed_at < ?)',
    beforeMs,
    failedBeforeMs,
  )
}

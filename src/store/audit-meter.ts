/** SQL that re-derives the meters of windows and caps from what each request holds and counted. */
import { find, findAll, type Mismatch, sum, wide } from './audit.ts'
import type { Sql } from './database.ts'

export function findWrongMeterHeld(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    'SELECT m.id AS subject, COALESCE(h.total, 0) AS expected, m.held AS found FROM meter m' +
      ` LEFT JOIN (SELECT rm.meter_id, ${sum('rm.held')} AS total FROM request r` +
      " JOIN request_meter rm ON rm.request_id = r.id WHERE r.state = 'held' GROUP BY rm.meter_id) h" +
      ' ON h.meter_id = m.id WHERE m.held <> COALESCE(h.total, 0)',
  )
}

export function findWrongMeterSettled(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    'SELECT m.id AS subject, COALESCE(c.total, 0) AS expected, m.settled AS found FROM meter m' +
      ` LEFT JOIN (SELECT meter_id, ${sum('counted')} AS total FROM request_meter GROUP BY meter_id) c` +
      ' ON c.meter_id = m.id WHERE m.settled <> COALESCE(c.total, 0)',
  )
}

/**
 * An amount as a meter takes it: windows of seats times the request's weight, to the nearest nano-dollar, halves up;
 * caps at list price. Millions and the rest, whole weights and millionths apart, so that products fit 64 bits in SQLite.
 */
function weighed(column: 'hold' | 'charged'): string {
  const amount = `r.${column}`
  const part = '(r.weight_ppm % 1000000)'
  const product =
    `${wide(amount)} * (r.weight_ppm / 1000000) + ${wide(`${amount} / 1000000`)} * ${part}` +
    ` + (${amount} % 1000000 * ${part} + 500000) / 1000000`
  return `CASE WHEN m.scope = 'seat' THEN ${product} ELSE ${amount} END`
}

/** While a request runs it holds its hold of each of its meters; settled, it counts its charge; else nothing. */
export function findWrongRequestMeters(sql: Sql): Promise<Mismatch[]> {
  const held = `CASE WHEN r.state = 'held' THEN ${weighed('hold')} ELSE 0 END`
  const counted = `CASE WHEN r.state = 'settled' THEN ${weighed('charged')} ELSE 0 END`
  return find(
    sql,
    "SELECT rm.request_id || ' in ' || rm.meter_id AS subject," +
      ` 'holds ' || (${held}) || ', counts ' || (${counted}) AS expected,` +
      " 'holds ' || rm.held || ', counts ' || rm.counted AS found FROM request_meter rm" +
      ' JOIN request r ON r.id = rm.request_id JOIN meter m ON m.id = rm.meter_id' +
      ` WHERE rm.held <> ${held} OR rm.counted <> ${counted}`,
  )
}

const OWNER =
  "CASE m.scope WHEN 'seat' THEN r.seat_id WHEN 'workspace' THEN r.workspace_id WHEN 'member' THEN r.member_id ELSE r.key_id END"

/**
 * Plan requests count in windows of their seat, requests paid from the balance in caps of their key, member and
 * workspace, free ones in nothing: in meters that had not ended when they were admitted, and in one of each name.
 *
 * Admitted before its start is no fault as such: the clock was set back, or another process is ahead, and what is open
 * goes on to count. It is one if the meter before it was open then.
 */
export function findMisplacedRequests(sql: Sql): Promise<Mismatch[]> {
  const isLater =
    "r.created_at < m.starts_at AND m.kind <> 'sliding' AND EXISTS (SELECT 1 FROM meter o WHERE o.subject_id = m.subject_id" +
    " AND o.name = m.name AND o.kind <> 'sliding' AND o.ends_at <= m.starts_at" +
    ' AND o.starts_at <= r.created_at AND o.ends_at > r.created_at)'
  return findAll(sql, [
    "SELECT r.id AS subject, 'at least one meter' AS expected, 'none' AS found FROM request r" +
      " WHERE r.funding = 'plan' AND NOT EXISTS (SELECT 1 FROM request_meter rm WHERE rm.request_id = r.id)",
    "SELECT rm.request_id || ' in ' || rm.meter_id AS subject, 'a meter of its own, open when it was admitted' AS expected," +
      " COALESCE('paid by ' || r.funding || ', admitted ' || r.created_at, 'no request') || '; ' ||" +
      " COALESCE(m.scope || ' ' || m.subject_id || ', ' || m.starts_at || ' to ' || m.ends_at, 'no meter') AS found" +
      ' FROM request_meter rm LEFT JOIN request r ON r.id = rm.request_id LEFT JOIN meter m ON m.id = rm.meter_id' +
      " WHERE r.id IS NULL OR m.id IS NULL OR r.funding <> CASE WHEN m.scope = 'seat' THEN 'plan' ELSE 'balance' END" +
      ` OR COALESCE(${OWNER}, '') <> m.subject_id OR COALESCE(r.workspace_id, '') <> m.workspace_id` +
      ` OR r.created_at >= m.ends_at OR (${isLater})`,
    "SELECT rm.request_id || ' in ' || rm.meter_id AS subject, 'one meter of a name' AS expected, other.meter_id AS found" +
      ' FROM request_meter rm JOIN request_meter other ON other.request_id = rm.request_id AND other.meter_id < rm.meter_id' +
      ' JOIN meter m ON m.id = rm.meter_id JOIN meter o ON o.id = other.meter_id' +
      ' WHERE o.subject_id = m.subject_id AND o.name = m.name',
  ])
}

/** Of one subject and name. Buckets of a sliding window overlap: each counts until all of it is older than the window. */
export function findOverlappingMeters(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT b.id AS subject, 'not before ' || a.ends_at AS expected, b.starts_at AS found FROM meter a" +
      ' JOIN meter b ON b.subject_id = a.subject_id AND b.name = a.name AND b.id <> a.id' +
      " AND b.starts_at >= a.starts_at AND b.starts_at < a.ends_at WHERE a.kind <> 'sliding' AND b.kind <> 'sliding'",
  )
}

/** Clocks of processes differ by less. */
const CLOCK_SKEW_MS = 5 * 60_000

/**
 * A hold is accepted only where it fits, and that notes the limit then in force; later a request can only give back.
 * So a meter is never above its noted limit, even after the limit was lowered, nor are the open buckets of a sliding
 * window together.
 */
export async function findOverfullMeters(sql: Sql, nowMs: number): Promise<Mismatch[]> {
  const used = `${wide('settled')} + held`
  const single = await find(
    sql,
    `SELECT id AS subject, limit_amount || ' at most' AS expected, ${used} AS found FROM meter` +
      ` WHERE ${used} > limit_amount`,
  )
  const sliding = await find(
    sql,
    "SELECT subject_id || ' ' || name AS subject, MAX(limit_amount) || ' at most' AS expected," +
      ` ${sum('settled')} + ${sum('held')} AS found FROM meter WHERE kind = 'sliding' AND ends_at > ?` +
      ` GROUP BY subject_id, name HAVING ${sum('settled')} + ${sum('held')} > MAX(limit_amount)`,
    nowMs + CLOCK_SKEW_MS,
  )
  return [...single, ...sliding]
}

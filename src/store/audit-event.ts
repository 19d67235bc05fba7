/** SQL that compares what was told of limits with the events that told it. */
import { eventId } from '../domain/event.ts'
import { find, MAX_MISMATCHES, type Mismatch } from './audit.ts'
import type { Sql } from './database.ts'

/** Meters looked at in one step. */
const PAGE = 500

/**
 * Meters and balances that count as told of a threshold though no event says so, and thresholds that there are not.
 * Events are kept for a time only: what may have been told before `sinceMs` is not looked at.
 */
export async function findUntoldThresholds(
  sql: Sql,
  { sinceMs, thresholds }: { readonly sinceMs: number; readonly thresholds: readonly number[] },
): Promise<Mismatch[]> {
  return [
    ...(await findOddThresholds(sql, thresholds)),
    ...(await findUntoldBalances(sql, sinceMs)),
    ...(await findUntoldMeters(sql, sinceMs)),
  ]
}

function findOddThresholds(sql: Sql, thresholds: readonly number[]): Promise<Mismatch[]> {
  const marks = thresholds.map(() => '?').join(', ')
  return find(
    sql,
    "SELECT id AS subject, 'a threshold' AS expected, told AS found FROM (SELECT id, told FROM meter" +
      ` UNION ALL SELECT id, told FROM account) told_of WHERE told <> 0 AND told NOT IN (${marks})`,
    ...thresholds,
  )
}

/** The id of the event ends with what the balance was after its last credit, and the threshold. */
function findUntoldBalances(sql: Sql, sinceMs: number): Promise<Mismatch[]> {
  const end = "':' || a.credited || ':' || a.told"
  return find(
    sql,
    "SELECT a.id AS subject, 'an event of ' || a.told || ' %' AS expected, 'none' AS found FROM account a" +
      ' JOIN (SELECT workspace_id, MAX(created_at) AS credited_at FROM credit_grant GROUP BY workspace_id) l' +
      ' ON l.workspace_id = a.workspace_id LEFT JOIN' +
      " (SELECT id, workspace_id FROM event WHERE type = 'balance.threshold') v ON v.workspace_id = a.workspace_id" +
      ` AND SUBSTR(v.id, LENGTH(v.id) - LENGTH(${end}) + 1) = ${end}` +
      " WHERE a.kind = 'balance' AND a.told > 0 AND l.credited_at > ? AND v.id IS NULL",
    sinceMs,
  )
}

interface ToldMeter {
  readonly id: string
  readonly told: bigint
}

/** In steps: ids of events are escaped, which SQL cannot do. */
async function findUntoldMeters(sql: Sql, sinceMs: number): Promise<Mismatch[]> {
  const mismatches: Mismatch[] = []
  for (let after = ''; ; ) {
    const meters = await sql.all<ToldMeter>(
      `SELECT id, told FROM meter WHERE told > 0 AND starts_at > ? AND id > ? ORDER BY id LIMIT ${PAGE}`,
      sinceMs,
      after,
    )
    mismatches.push(...(await withoutEvent(sql, meters)))
    if (meters.length < PAGE || mismatches.length >= MAX_MISMATCHES) return mismatches
    after = meters.at(-1)?.id ?? ''
  }
}

/** Always as many parameters, so that it is one statement. */
const KNOWN_EVENTS = `SELECT id FROM event WHERE id IN (${Array(PAGE).fill('?').join(', ')})`

async function withoutEvent(sql: Sql, meters: readonly ToldMeter[]): Promise<Mismatch[]> {
  if (meters.length === 0) return []
  const ids = Array.from({ length: PAGE }, (_, index) => {
    const meter = meters[index]
    return meter ? eventId('t', meter.id, Number(meter.told)) : ''
  })
  const rows = await sql.all<{ id: string }>(KNOWN_EVENTS, ...ids)
  const known = new Set(rows.map(({ id }) => id))
  return meters
    .filter((_, index) => !known.has(ids[index] ?? ''))
    .map(({ id, told }) => ({ subject: id, expected: `an event of ${told} %`, found: 'none' }))
}

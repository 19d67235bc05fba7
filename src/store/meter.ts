/** SQL of the meters: what the windows of seats and the periods of caps have counted and hold. */
import type { NanoUsd } from '../base/money.ts'
import type { WindowSpec } from '../domain/catalog.ts'
import type { Sql } from './database.ts'

/** Whose use a meter counts. */
export type MeterScope = 'seat' | 'workspace' | 'member' | 'key'

export interface MeterRow {
  readonly id: string
  readonly workspaceId: string
  readonly scope: MeterScope
  readonly subjectId: string
  readonly name: string
  readonly kind: WindowSpec['kind']
  readonly startsAtMs: number
  readonly endsAtMs: number
  /** In force when it was last held of. */
  readonly limit: NanoUsd
  readonly settled: NanoUsd
  readonly held: NanoUsd
  /** The highest threshold told, in percent. */
  readonly told: number
}

interface RawMeterRow {
  id: string
  workspace_id: string
  scope: MeterScope
  subject_id: string
  name: string
  kind: WindowSpec['kind']
  starts_at: bigint
  ends_at: bigint
  limit_amount: NanoUsd
  settled: NanoUsd
  held: NanoUsd
  told: bigint
}

const SELECT_METERS =
  'SELECT id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount, settled, held, told FROM meter'

/** The meters of a subject that have not ended at an instant, earliest first; some may start later than now. */
export async function listOpenMeters(sql: Sql, subjectId: string, nowMs: number): Promise<MeterRow[]> {
  const open = `${SELECT_METERS} WHERE subject_id = ? AND ends_at > ? ORDER BY starts_at`
  const rows = await sql.all<RawMeterRow>(open, subjectId, nowMs)
  return rows.map(meterOf)
}

/** The last meter of a subject and name, ended or not: the next one must not start before it ends. */
export async function loadLastMeter(sql: Sql, subjectId: string, name: string): Promise<MeterRow | undefined> {
  const last = `${SELECT_METERS} WHERE subject_id = ? AND name = ? ORDER BY starts_at DESC LIMIT 1`
  const row = await sql.get<RawMeterRow>(last, subjectId, name)
  return row && meterOf(row)
}

export async function loadMeter(sql: Sql, id: string): Promise<MeterRow | undefined> {
  const row = await sql.get<RawMeterRow>(`${SELECT_METERS} WHERE id = ?`, id)
  return row && meterOf(row)
}

/** The id is derived from its start, so that two openings of one meter are one. */
export function meterId(subjectId: string, name: string, startsAtMs: number): string {
  return `${subjectId}:${name}:${startsAtMs}`
}

export async function insertMeters(sql: Sql, meters: readonly MeterRow[]): Promise<void> {
  if (meters.length === 0) return
  await sql.runEach(
    'INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount, settled, held, told)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    meters.map((m) => [
      m.id,
      m.workspaceId,
      m.scope,
      m.subjectId,
      m.name,
      m.kind,
      m.startsAtMs,
      m.endsAtMs,
      m.limit,
      m.settled,
      m.held,
      m.told,
    ]),
  )
}

/** Writes meters that were read in this transaction, with the balance of their workspace locked. */
export async function saveMeters(
  sql: Sql,
  changes: readonly { readonly before: MeterRow; readonly after: MeterRow }[],
): Promise<void> {
  if (changes.length === 0) return
  const changed = await sql.runEach(
    'UPDATE meter SET settled = ?, held = ?, limit_amount = ?, told = ? WHERE id = ? AND settled = ? AND held = ?',
    changes.map(({ before, after }) => [
      after.settled,
      after.held,
      after.limit,
      after.told,
      before.id,
      before.settled,
      before.held,
    ]),
  )
  if (changed.some((count) => count !== 1)) throw new Error('a meter changed while its balance was locked')
}

/** What one request holds of, or counts in, one meter. */
export interface RequestMeter {
  readonly requestId: string
  readonly meterId: string
  readonly amount: NanoUsd
}

export async function insertRequestMeters(sql: Sql, rows: readonly RequestMeter[]): Promise<void> {
  if (rows.length === 0) return
  await sql.runEach(
    'INSERT INTO request_meter (request_id, meter_id, held) VALUES (?, ?, ?)',
    rows.map(({ requestId, meterId: id, amount }) => [requestId, id, amount]),
  )
}

export async function setRequestHeld(sql: Sql, rows: readonly RequestMeter[]): Promise<void> {
  if (rows.length === 0) return
  await sql.runEach(
    'UPDATE request_meter SET held = ? WHERE request_id = ? AND meter_id = ?',
    rows.map(({ requestId, meterId: id, amount }) => [amount, requestId, id]),
  )
}

/** Turns what requests hold into what they count. */
export async function countRequests(sql: Sql, rows: readonly RequestMeter[]): Promise<void> {
  if (rows.length === 0) return
  await sql.runEach(
    'UPDATE request_meter SET held = 0, counted = ? WHERE request_id = ? AND meter_id = ?',
    rows.map(({ requestId, meterId: id, amount }) => [amount, requestId, id]),
  )
}

/** The meters that a request holds of or counted in. */
export async function listMetersOf(sql: Sql, requestId: string): Promise<string[]> {
  const rows = await sql.all<{ meter_id: string }>(
    'SELECT meter_id FROM request_meter WHERE request_id = ? ORDER BY meter_id',
    requestId,
  )
  return rows.map(({ meter_id }) => meter_id)
}

function meterOf(row: RawMeterRow): MeterRow {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    scope: row.scope,
    subjectId: row.subject_id,
    name: row.name,
    kind: row.kind,
    startsAtMs: Number(row.starts_at),
    endsAtMs: Number(row.ends_at),
    limit: row.limit_amount,
    settled: row.settled,
    held: row.held,
    told: Number(row.told),
  }
}

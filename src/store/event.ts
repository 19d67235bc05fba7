/**
 * SQL of events and of their deliveries to receivers, who are named by their key in the operator's file.
 *
 * A delivery is claimed by moving its next try beyond the time that a try may take: a process that dies meanwhile has
 * simply been slow, and the next one tries again. `tries` counts claims, so a claim that was overtaken changes nothing.
 */
import type { EventType, NewEvent } from '../domain/event.ts'
import type { Database, Sql } from './database.ts'

/** The log is a receiver like others, so that each event is logged by one process, once. No key of the file can be it. */
export const LOG_RECEIVER = ':log'

export interface StoredEvent {
  readonly id: string
  readonly type: EventType
  readonly workspaceId: string | null
  /** JSON, the same bytes at every try. */
  readonly payload: string
  readonly createdAtMs: number
}

/** A claim: one try at telling one receiver of one event. */
export interface Delivery {
  readonly event: StoredEvent
  readonly receiver: string
  /** Counts this one. */
  readonly tries: number
}

export type DeliveryState = 'waiting' | 'delivered' | 'given_up'

export interface DeliveryStatus {
  readonly receiver: string
  readonly state: DeliveryState
  readonly tries: number
  readonly nextAtMs: number
  /** Of the last try: `HTTP 500`, `timeout`. Null when it went well or none was made. */
  readonly lastError: string | null
}

export interface ListedEvent extends StoredEvent {
  readonly deliveries: readonly DeliveryStatus[]
}

/** Where a page of events begins: after this one. */
export interface EventCursor {
  readonly createdAtMs: number
  readonly id: string
}

interface RawEvent {
  id: string
  type: EventType
  workspace_id: string | null
  payload: string
  created_at: bigint
}

const SELECT_EVENTS = 'SELECT id, type, workspace_id, payload, created_at FROM event'

/**
 * Adds events in the caller's transaction, so that what happened and that it is told are one. An event whose id exists is
 * left as it is, with its deliveries. `receivers` are the names of those who want these events (`receiversOf`).
 */
export async function insertEvents(sql: Sql, events: readonly NewEvent[], receivers: readonly string[]): Promise<void> {
  if (events.length === 0) return
  const added = await sql.runEach(
    'INSERT INTO event (id, type, workspace_id, payload, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    events.map(({ id, type, workspaceId, payload, atMs }) => [id, type, workspaceId, JSON.stringify(payload), atMs]),
  )
  const fresh = events.filter((_, index) => added[index] === 1)
  const told = [LOG_RECEIVER, ...receivers]
  await sql.runEach(
    "INSERT INTO delivery (event_id, receiver, state, next_at) VALUES (?, ?, 'waiting', ?)",
    fresh.flatMap(({ id, atMs }) => told.map((receiver) => [id, receiver, atMs])),
  )
}

/** The receivers with a delivery whose next try is due. */
export async function listDueReceivers(sql: Sql, nowMs: number): Promise<string[]> {
  const rows = await sql.all<{ receiver: string }>(
    "SELECT DISTINCT receiver FROM delivery WHERE state = 'waiting' AND next_at <= ?",
    nowMs,
  )
  return rows.map(({ receiver }) => receiver)
}

/**
 * Claims due deliveries of one receiver, the longest due first. Until `leaseMs` have passed no other process gets them;
 * within that time the try must have ended.
 */
export function claimDue(
  db: Database,
  claim: { readonly receiver: string; readonly nowMs: number; readonly limit: number; readonly leaseMs: number },
): Promise<Delivery[]> {
  const { receiver, nowMs, limit, leaseMs } = claim
  return db.write(async (sql) => {
    const claimed = await sql.all<{ event_id: string; tries: bigint }>(
      "WITH due AS (SELECT event_id FROM delivery WHERE state = 'waiting' AND receiver = ? AND next_at <= ?" +
        ' ORDER BY next_at, event_id LIMIT ? /*postgres FOR UPDATE SKIP LOCKED*/)' +
        ' UPDATE delivery SET next_at = ?, tries = tries + 1' +
        " WHERE receiver = ? AND state = 'waiting' AND next_at <= ? AND event_id IN (SELECT event_id FROM due)" +
        ' RETURNING event_id, tries',
      receiver,
      nowMs,
      limit,
      nowMs + leaseMs,
      receiver,
      nowMs,
    )
    const events = await Promise.all(claimed.map(({ event_id }) => loadEvent(sql, event_id)))
    return events.map((event, index) => ({ event, receiver, tries: Number(claimed[index]?.tries) }))
  })
}

async function loadEvent(sql: Sql, id: string): Promise<StoredEvent> {
  const row = await sql.get<RawEvent>(`${SELECT_EVENTS} WHERE id = ?`, id)
  if (!row) throw new Error(`event ${id} does not exist`)
  return eventOf(row)
}

/** Whatever became of the claim: the receiver has it. */
export async function markDelivered(sql: Sql, { event, receiver }: Delivery): Promise<void> {
  await sql.run(
    "UPDATE delivery SET state = 'delivered', last_error = NULL WHERE event_id = ? AND receiver = ?",
    event.id,
    receiver,
  )
}

/** @param reason a few words for the operator, without secrets or addresses */
export async function markFailed(
  sql: Sql,
  { event, receiver, tries }: Delivery,
  nextAtMs: number,
  reason: string,
): Promise<void> {
  await sql.run(
    "UPDATE delivery SET next_at = ?, last_error = ? WHERE event_id = ? AND receiver = ? AND state = 'waiting' AND tries = ?",
    nextAtMs,
    reason,
    event.id,
    receiver,
    tries,
  )
}

/** Ends a delivery that no further try will be made of. Returns false when somebody else had claimed it meanwhile. */
export async function giveUp(sql: Sql, { event, receiver, tries }: Delivery, reason: string): Promise<boolean> {
  const changed = await sql.run(
    "UPDATE delivery SET state = 'given_up', last_error = ? WHERE event_id = ? AND receiver = ? AND state = 'waiting' AND tries = ?",
    reason,
    event.id,
    receiver,
    tries,
  )
  return changed === 1
}

/** Forgets a delivery that its receiver does not want. */
export async function dropDelivery(sql: Sql, { event, receiver }: Delivery): Promise<void> {
  await sql.run('DELETE FROM delivery WHERE event_id = ? AND receiver = ?', event.id, receiver)
}

/** Gives up what has been due since an instant, for a receiver that nobody knows. Returns how many there were. */
export function giveUpUnknown(sql: Sql, receiver: string, beforeMs: number, reason: string): Promise<number> {
  return sql.run(
    "UPDATE delivery SET state = 'given_up', last_error = ? WHERE receiver = ? AND state = 'waiting' AND next_at <= ?",
    reason,
    receiver,
    beforeMs,
  )
}

const FIRST_PAGE: EventCursor = { createdAtMs: Number.MAX_SAFE_INTEGER, id: '' }

/** A page of events, newest first, with what became of each; of one workspace, or of all with null. */
export async function listEvents(
  sql: Sql,
  page: { readonly workspaceId: string | null; readonly after: EventCursor | null; readonly limit: number },
): Promise<ListedEvent[]> {
  const { workspaceId, limit } = page
  const { createdAtMs, id } = page.after ?? FIRST_PAGE
  const rows = await (workspaceId === null
    ? sql.all<RawEvent>(
        `${SELECT_EVENTS} WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`,
        createdAtMs,
        id,
        limit,
      )
    : sql.all<RawEvent>(
        `${SELECT_EVENTS} WHERE workspace_id = ? AND (created_at, id) < (?, ?)` +
          ' ORDER BY created_at DESC, id DESC LIMIT ?',
        workspaceId,
        createdAtMs,
        id,
        limit,
      ))
  const deliveries = await Promise.all(rows.map((row) => listDeliveries(sql, row.id)))
  return rows.map((row, index) => ({ ...eventOf(row), deliveries: deliveries[index] ?? [] }))
}

async function listDeliveries(sql: Sql, eventId: string): Promise<DeliveryStatus[]> {
  const rows = await sql.all<{
    receiver: string
    state: DeliveryState
    tries: bigint
    next_at: bigint
    last_error: string | null
  }>(
    'SELECT receiver, state, tries, next_at, last_error FROM delivery WHERE event_id = ? AND receiver <> ? ORDER BY receiver',
    eventId,
    LOG_RECEIVER,
  )
  return rows.map(({ receiver, state, tries, next_at, last_error }) => ({
    receiver,
    state,
    tries: Number(tries),
    nextAtMs: Number(next_at),
    lastError: last_error,
  }))
}

/** Deletes at most `limit` events before an instant that nobody waits for any more. Returns how many it deleted. */
export function deleteEventsBefore(db: Database, beforeMs: number, limit: number): Promise<number> {
  return db.write(async (sql) => {
    const rows = await sql.all<{ id: string }>(
      'SELECT id FROM event WHERE created_at < ? AND NOT EXISTS' +
        " (SELECT 1 FROM delivery WHERE delivery.event_id = event.id AND delivery.state = 'waiting')" +
        ' ORDER BY created_at, id LIMIT ?',
      beforeMs,
      limit,
    )
    const ids = rows.map(({ id }) => [id])
    await sql.runEach('DELETE FROM delivery WHERE event_id = ?', ids)
    await sql.runEach('DELETE FROM event WHERE id = ?', ids)
    return rows.length
  })
}

function eventOf(row: RawEvent): StoredEvent {
  return {
    id: row.id,
    type: row.type,
    workspaceId: row.workspace_id,
    payload: row.payload,
    createdAtMs: Number(row.created_at),
  }
}

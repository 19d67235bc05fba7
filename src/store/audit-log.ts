/**
 * SQL of the audit log: every privileged change, in one order. Each entry's hash covers its content and the hash before
 * it, under a key that is not in the database (HMAC-SHA-256, RFC 2104), so that an editor of rows cannot make one fit.
 */
import { createHmac } from 'node:crypto'
import { newId } from '../base/ids.ts'
import type { Sql, SqlValue } from './database.ts'

export interface AuditEntry {
  readonly atMs: number
  readonly actor: { readonly kind: string; readonly id: string | null }
  readonly workspaceId: string | null
  readonly action: string
  readonly target: string | null
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
  readonly requestId: string | null
}

/** An entry as it stands in the database. */
export interface AuditRow {
  readonly seq: number
  readonly id: string
  readonly atMs: number
  readonly actorKind: string
  readonly actorId: string | null
  readonly workspaceId: string | null
  readonly action: string
  readonly target: string | null
  /** JSON texts. */
  readonly before: string | null
  readonly after: string | null
  readonly requestId: string | null
  readonly hash: string
}

/** The hash before the first. */
export const CHAIN_START = ''

/** Call it last in a transaction: the counter's row keeps other changes waiting until this one is done. */
export async function appendAuditEntry(sql: Sql, trailKey: string, entry: AuditEntry): Promise<void> {
  const head = await sql.get<{ value: bigint }>(
    "UPDATE revision SET value = value + 1 WHERE name = 'audit_log' RETURNING value",
  )
  if (!head) throw new Error('the audit log has no counter')
  const seq = Number(head.value)
  const last = await sql.get<{ hash: string }>('SELECT hash FROM audit_log WHERE seq = ?', seq - 1)
  const row = {
    ...{ seq, id: newId('aud', entry.atMs), atMs: entry.atMs },
    ...{ actorKind: entry.actor.kind, actorId: entry.actor.id, workspaceId: entry.workspaceId },
    ...{ action: entry.action, target: entry.target, requestId: entry.requestId },
    ...{ before: textOf(entry.before), after: textOf(entry.after) },
  }
  await sql.run(
    'INSERT INTO audit_log (seq, id, at, actor_kind, actor_id, workspace_id, action, target, before, after, request_id, hash)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[row.seq, row.id, row.atMs, row.actorKind, row.actorId, row.workspaceId, row.action, row.target],
    ...[row.before, row.after, row.requestId, chainHash(trailKey, last?.hash ?? CHAIN_START, row)],
  )
}

function textOf(facts: AuditEntry['before']): string | null {
  return facts === null ? null : JSON.stringify(facts)
}

/** What an entry's hash must be, after the one before it. */
export function chainHash(trailKey: string, previous: string, row: Omit<AuditRow, 'hash'>): string {
  const content = [
    ...[previous, row.seq, row.id, row.atMs, row.actorKind, row.actorId, row.workspaceId, row.action, row.target],
    ...[row.before, row.after, row.requestId],
  ]
  return createHmac('sha256', trailKey).update(JSON.stringify(content)).digest('base64url')
}

/** Which entries: those of a workspace, or of the whole instance. */
export interface AuditFilter {
  readonly workspaceId: string | null
  readonly action: string | null
  readonly actorId: string | null
  readonly target: string | null
  /** From then on, and before then. */
  readonly sinceMs: number | null
  readonly untilMs: number | null
}

export const ALL_ENTRIES: AuditFilter = {
  ...{ workspaceId: null, action: null, actorId: null, target: null, sinceMs: null, untilMs: null },
}

interface RawRow {
  readonly seq: bigint
  readonly id: string
  readonly at: bigint
  readonly actor_kind: string
  readonly actor_id: string | null
  readonly workspace_id: string | null
  readonly action: string
  readonly target: string | null
  readonly before: string | null
  readonly after: string | null
  readonly request_id: string | null
  readonly hash: string
}

const SELECT =
  'SELECT seq, id, at, actor_kind, actor_id, workspace_id, action, target, before, after, request_id, hash FROM audit_log'
const MATCHES =
  '(CAST(? AS TEXT) IS NULL OR workspace_id = ?) AND (CAST(? AS TEXT) IS NULL OR action = ?)' +
  ' AND (CAST(? AS TEXT) IS NULL OR actor_id = ?) AND (CAST(? AS TEXT) IS NULL OR target = ?) AND at >= ? AND at < ?'
/** Beyond any instant and any number of entries. */
const BEYOND = Number.MAX_SAFE_INTEGER

function filterValues(filter: AuditFilter): SqlValue[] {
  const wanted = [filter.workspaceId, filter.action, filter.actorId, filter.target]
  return [...wanted.flatMap((value) => [value, value]), filter.sinceMs ?? 0, filter.untilMs ?? BEYOND]
}

function auditRowOf(row: RawRow): AuditRow {
  return {
    ...{ seq: Number(row.seq), id: row.id, atMs: Number(row.at) },
    ...{ actorKind: row.actor_kind, actorId: row.actor_id, workspaceId: row.workspace_id },
    ...{ action: row.action, target: row.target, before: row.before, after: row.after },
    ...{ requestId: row.request_id, hash: row.hash },
  }
}

/** Newest first, those before a number; null: from the newest on. */
export async function listAuditRows(
  sql: Sql,
  filter: AuditFilter,
  { beforeSeq, limit }: { readonly beforeSeq: number | null; readonly limit: number },
): Promise<AuditRow[]> {
  const rows = await sql.all<RawRow>(
    `${SELECT} WHERE ${MATCHES} AND seq < ? ORDER BY seq DESC LIMIT ?`,
    ...[...filterValues(filter), beforeSeq ?? BEYOND, limit],
  )
  return rows.map(auditRowOf)
}

/** Oldest first, those after a number. */
export async function listAuditRowsAfter(
  sql: Sql,
  filter: AuditFilter,
  { afterSeq, limit }: { readonly afterSeq: number; readonly limit: number },
): Promise<AuditRow[]> {
  const rows = await sql.all<RawRow>(
    `${SELECT} WHERE ${MATCHES} AND seq > ? ORDER BY seq LIMIT ?`,
    ...[...filterValues(filter), afterSeq, limit],
  )
  return rows.map(auditRowOf)
}

/** How many entries were ever written. */
export async function countAuditEntries(sql: Sql): Promise<number> {
  const row = await sql.get<{ value: bigint }>("SELECT value FROM revision WHERE name = 'audit_log'")
  return Number(row?.value ?? 0n)
}

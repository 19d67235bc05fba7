/** The audit log: shown, exported, and checked to be whole. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { formatInstant } from '../base/time.ts'
import type { Mismatch } from '../store/audit.ts'
import {
  ALL_ENTRIES,
  type AuditFilter,
  type AuditRow,
  CHAIN_START,
  chainHash,
  countAuditEntries,
  listAuditRowsAfter,
} from '../store/audit-log.ts'
import type { Database, Sql } from '../store/database.ts'
import { formatRow } from './csv.ts'

/** Entries read at once. */
const BATCH = 500
/** More faults than this tell nobody more. */
const MAX_FAULTS = 100

/** An entry as the API shows it. */
export interface AuditView {
  readonly seq: number
  readonly id: string
  readonly at: string
  readonly actor: { readonly kind: string; readonly id: string | null }
  readonly workspace: string | null
  readonly action: string
  readonly target: string | null
  readonly before: Record<string, unknown> | null
  readonly after: Record<string, unknown> | null
  readonly request_id: string | null
}

export function viewEntry(row: AuditRow): AuditView {
  return {
    ...{ seq: row.seq, id: row.id, at: formatInstant(row.atMs), actor: { kind: row.actorKind, id: row.actorId } },
    ...{ workspace: row.workspaceId, action: row.action, target: row.target },
    ...{ before: parseFacts(row.before), after: parseFacts(row.after), request_id: row.requestId },
  }
}

/** An entry that somebody has tampered with must not keep the others from being shown. */
function parseFacts(text: string | null): Record<string, unknown> | null {
  if (text === null) return null
  try {
    const facts: unknown = JSON.parse(text)
    if (typeof facts === 'object' && facts !== null && !Array.isArray(facts)) return { ...facts }
  } catch {
    // Shown as it stands.
  }
  return { unreadable: text.slice(0, 1000) }
}

export type AuditFormat = 'jsonl' | 'csv'

/** Every entry that the filter takes, oldest first, a batch at a time; what comes in meanwhile is left out. */
export async function* exportAuditLog(
  db: Database,
  filter: AuditFilter,
  format: AuditFormat,
): AsyncGenerator<string, void> {
  const lastSeq = await countAuditEntries(db)
  let opening = format === 'csv' ? formatRow(COLUMNS.map(([name]) => name)) : ''
  for await (const batch of readBatches(db, filter)) {
    const rows = batch.filter(({ seq }) => seq <= lastSeq)
    yield opening + rows.map((row) => (format === 'csv' ? csvLine(row) : jsonLine(row))).join('')
    opening = ''
    if (rows.length < batch.length) return
  }
  if (opening !== '') yield opening
}

const COLUMNS: readonly (readonly [string, (row: AuditRow) => string | number | null])[] = [
  ['seq', (row) => row.seq],
  ['id', (row) => row.id],
  ['at', (row) => formatInstant(row.atMs)],
  ['actor_kind', (row) => row.actorKind],
  ['actor', (row) => row.actorId],
  ['workspace', (row) => row.workspaceId],
  ['action', (row) => row.action],
  ['target', (row) => row.target],
  ['before', (row) => row.before],
  ['after', (row) => row.after],
  ['request_id', (row) => row.requestId],
]

function csvLine(row: AuditRow): string {
  return formatRow(
    COLUMNS.map(([, cell]) => {
      const value = cell(row)
      return typeof value === 'string' ? withoutControls(value) : value
    }),
  )
}

function jsonLine(row: AuditRow): string {
  return `${withoutControls(JSON.stringify(viewEntry(row)))}\n`
}

/** Names are people's own words: nothing in them may steer a terminal or turn the line around. In JSON, the same text. */
function withoutControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      const code = character.charCodeAt(index).toString(16).padStart(4, '0')
      return `\\u${code}`
    }).join(''),
  )
}

async function* readBatches(sql: Sql, filter: AuditFilter): AsyncGenerator<AuditRow[], void> {
  for (let afterSeq = 0; ; ) {
    const batch = await listAuditRowsAfter(sql, filter, { afterSeq, limit: BATCH })
    const last = batch.at(-1)
    if (!last) return
    yield batch
    afterSeq = last.seq
    // An embedded database answers at once: without this, nothing else would get a turn before the end.
    await nextTurn()
  }
}

/** What is wrong with the log, at the entry of that number. */
export interface AuditFault {
  readonly seq: number
  /** `changed`: what stands there was not written there. `missing`: it is gone. `added`: the log never had so many. */
  readonly kind: 'changed' | 'missing' | 'added'
}

export interface AuditLogReport {
  readonly entries: number
  /** The newest entry's number and hash: noted elsewhere, they show whether the whole database was set back. */
  readonly head: { readonly seq: number; readonly hash: string }
  /** Empty when the log is whole; at most a hundred. */
  readonly faults: readonly AuditFault[]
}

/** Walks the chain from the first entry to where the counter stands. @param trailKeys the newest first, and older ones */
export function verifyAuditLog(db: Pick<Database, 'read'>, trailKeys: readonly string[]): Promise<AuditLogReport> {
  return db.read((sql) => verifyAuditSnapshot(sql, trailKeys))
}

/** The same inside a transaction of the caller's, which sees one instant. Without keys, only numbers are looked at. */
export async function verifyAuditSnapshot(sql: Sql, trailKeys: readonly string[] | null): Promise<AuditLogReport> {
  const counted = await countAuditEntries(sql)
  const faults: AuditFault[] = []
  let entries = 0
  let head = { seq: 0, hash: CHAIN_START }
  // From below the first: what was put in before it is no less forged.
  let afterSeq = -Number.MAX_SAFE_INTEGER
  for (let isDone = false; !isDone; ) {
    const batch = await listAuditRowsAfter(sql, ALL_ENTRIES, { afterSeq, limit: BATCH })
    for (const row of batch) {
      afterSeq = row.seq
      entries++
      if (row.seq < 1 || row.seq > counted) {
        faults.push({ seq: row.seq, kind: 'added' })
        continue
      }
      addMissing(faults, head.seq, row.seq)
      if (trailKeys && !fits(trailKeys, head.hash, row)) faults.push({ seq: row.seq, kind: 'changed' })
      head = { seq: row.seq, hash: row.hash }
    }
    isDone = batch.length < BATCH || faults.length >= MAX_FAULTS
  }
  addMissing(faults, head.seq, counted + 1)
  return { entries, head, faults: faults.slice(0, MAX_FAULTS) }
}

function fits(trailKeys: readonly string[], previous: string, row: AuditRow): boolean {
  return trailKeys.some((trailKey) => chainHash(trailKey, previous, row) === row.hash)
}

/** Those between two numbers, neither of which is meant. */
function addMissing(faults: AuditFault[], above: number, below: number): void {
  for (let seq = above + 1; seq < below && faults.length < MAX_FAULTS; seq++) faults.push({ seq, kind: 'missing' })
}

/** For the audit: an entry is as it must be when its place and, where the keys are known, its hash are. */
export async function findTampering(sql: Sql, trailKeys: readonly string[] | null): Promise<Mismatch[]> {
  const { faults } = await verifyAuditSnapshot(sql, trailKeys)
  return faults.map(({ seq, kind }) => ({ subject: `entry ${seq}`, expected: 'as it was written', found: kind }))
}

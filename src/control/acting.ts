/** In whose name something privileged is done, and how it is put on record: in the same transaction, or not at all. */

import { appendAuditEntry } from '../store/audit-log.ts'
import type { Database, Sql } from '../store/database.ts'
import { bumpRevision } from '../store/revision.ts'
import type { RandomBytes } from './instance.ts'
import { requireMasterKey } from './master-key.ts'

/** Who does it. `shell`: whoever may run commands on the machine. */
export interface Actor {
  readonly kind: 'person' | 'key' | 'shell' | 'system'
  readonly id: string | null
}

export interface Acting {
  readonly actor: Actor
  readonly nowMs: number
  /** Of the HTTP request; null on the command line. */
  readonly requestId: string | null
  /** Keys the chain of the audit log; not in the database. */
  readonly trailKey: string
  /** Those that other entries may have been chained under, this one among them. Absent: this one alone. */
  readonly trailKeys?: readonly string[]
  readonly randomBytes: RandomBytes
  /**
   * Looks once more, inside the transaction, whether the caller may still ask: who was demoted, removed or signed out
   * since the request came changes nothing. Absent where nobody could be. @throws AppError
   */
  readonly confirm?: (sql: Sql) => Promise<void>
}

/** What the log may hold of a change. Never a secret, not even sealed. */
export type Facts = Readonly<Record<string, unknown>>

export interface Change {
  /** `key.create`, `member.remove`: the operation's id, where there is one. */
  readonly action: string
  readonly workspaceId: string | null
  /** The id of what was changed. */
  readonly target: string | null
  readonly before?: Facts | null
  readonly after?: Facts | null
}

export type Put = (change: Change) => Promise<void>

/**
 * Runs a change of what admission or access goes by in one transaction that tells every process and is on record. The
 * revision is raised first: its row keeps other changes out, so that what is looked at is still so when it is written.
 */
export function changeOnRecord<T>(
  db: Database,
  acting: Acting,
  work: (sql: Sql, put: Put) => Promise<T>,
  options: { readonly opensLedger?: true } = {},
): Promise<T> {
  return db.write(async (sql) => {
    await bumpRevision(sql)
    await acting.confirm?.(sql)
    return await work(sql, (change) => putOnRecord(sql, acting, change))
  }, options)
}

/**
 * Puts a change on record inside the caller's transaction, after everything else that it locks.
 * @throws AppError conflict where this process has another master key than the instance is under
 */
export async function putOnRecord(sql: Sql, acting: Acting, change: Change): Promise<void> {
  const { actor, nowMs, requestId, trailKey, trailKeys = [trailKey] } = acting
  const { before = null, after = null, ...rest } = change
  await requireMasterKey(sql, trailKeys)
  await appendAuditEntry(sql, trailKey, { ...rest, before, after, actor, requestId, atMs: nowMs })
}

/** What somebody known asked for and may not do. */
export interface Refusal {
  /** Null where the caller has no part in the workspace that it named. */
  readonly workspaceId: string | null
  readonly asked: { readonly operation: string; readonly code: string; readonly workspace?: string }
}

/** Puts a refusal on record. Nothing has changed: the revision stays, so that it clears nobody's cache. */
export function recordRefusal(db: Database, acting: Acting, { workspaceId, asked }: Refusal): Promise<void> {
  return db.write((sql) =>
    putOnRecord(sql, acting, { action: 'access.denied', workspaceId, target: asked.operation, after: asked }),
  )
}

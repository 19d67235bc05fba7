/** Adds members with a key and a seat to a running gateway's books, many at once and without a process for each. */
import { randomBytes } from 'node:crypto'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'
import { type BooksPlace, openSyncSql, type SyncSql } from './sync-sql.ts'

export interface Tenant {
  readonly key: string
  readonly memberId: string
  /** Null without a plan. */
  readonly seatId: string | null
}

export interface TenantOptions {
  /** The plan of the seat; without one there is no seat. */
  readonly planId?: string
  readonly useBalance?: boolean
}

let serial = 0

/** The new members belong to the workspace of the first start, and so share its balance. A text is a data directory. */
export function addTenants(place: string | BooksPlace, count: number, options: TenantOptions = {}): Tenant[] {
  const sql = openSyncSql(typeof place === 'string' ? { dataDir: place } : place, { readOnly: false })
  try {
    const [workspace] = sql.all<{ id: string }>('SELECT id FROM workspace')
    sql.run(sql.engine === 'sqlite' ? 'BEGIN IMMEDIATE' : 'BEGIN')
    const tenants = Array.from({ length: count }, () => addTenant(sql, String(workspace?.id), options))
    sql.run('COMMIT')
    return tenants
  } finally {
    sql.close()
  }
}

function addTenant(sql: SyncSql, workspaceId: string, { planId, useBalance = false }: TenantOptions): Tenant {
  const id = `test${serial++}`
  const key = formatKey(randomBytes(20))
  const nowMs = Date.now()
  const memberId = `mem_${id}`
  sql.run(
    "INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, 'member', ?)",
    memberId,
    workspaceId,
    id,
    nowMs,
  )
  sql.run(
    'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[`key_${id}`, workspaceId, memberId, id, hashKey(key), id, nowMs],
  )
  if (planId === undefined) return { key, memberId, seatId: null }
  const seatId = `seat_${id}`
  sql.run(
    'INSERT INTO seat (id, workspace_id, member_id, plan_id, use_balance, started_at) VALUES (?, ?, ?, ?, ?, ?)',
    ...[seatId, workspaceId, memberId, planId, useBalance ? 1 : 0, nowMs],
  )
  return { key, memberId, seatId }
}

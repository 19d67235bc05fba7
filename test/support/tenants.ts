/** Adds members with a key and a seat to a running gateway's books, many at once and without a process for each. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'

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

/** The new members belong to the workspace of the first start, and so share its balance. */
export function addTenants(dataDir: string, count: number, options: TenantOptions = {}): Tenant[] {
  const db = new DatabaseSync(join(dataDir, 'zendo.db'), { timeout: 5000 })
  try {
    const workspaceId = String(db.prepare('SELECT id FROM workspace').get()?.id)
    db.exec('BEGIN IMMEDIATE')
    const tenants = Array.from({ length: count }, () => addTenant(db, workspaceId, options))
    db.exec('COMMIT')
    return tenants
  } finally {
    db.close()
  }
}

function addTenant(db: DatabaseSync, workspaceId: string, { planId, useBalance = false }: TenantOptions): Tenant {
  const id = `test${serial++}`
  const key = formatKey(randomBytes(20))
  const nowMs = Date.now()
  const memberId = `mem_${id}`
  db.prepare("INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, 'member', ?)").run(
    memberId,
    workspaceId,
    id,
    nowMs,
  )
  db.prepare(
    'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ).run(`key_${id}`, workspaceId, memberId, id, hashKey(key), id, nowMs)
  if (planId === undefined) return { key, memberId, seatId: null }
  const seatId = `seat_${id}`
  db.prepare(
    'INSERT INTO seat (id, workspace_id, member_id, plan_id, use_balance, started_at) VALUES (?, ?, ?, ?, ?, ?)',
  ).run(seatId, workspaceId, memberId, planId, useBalance ? 1 : 0, nowMs)
  return { key, memberId, seatId }
}

/** The first start: everything an empty instance needs for its first request, made whole or not at all. */
import { newId } from '../base/ids.ts'
import { parseUsd } from '../base/money.ts'
import { createBalance, ensureSystemAccounts } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { writeTransaction } from '../store/transaction.ts'
import { insertMember, insertSeat, insertWorkspace, listWorkspaces, type Workspace } from '../store/workspace.ts'
import { postGrant } from './credit.ts'
import { ensureInstanceSecrets, type RandomBytes } from './instance.ts'
import { addKey } from './key.ts'

export interface SetupOptions {
  readonly nowMs: number
  readonly randomBytes: RandomBytes
  /** Where the instance's secrets are kept; without it none are made. */
  readonly dataDir?: string
}

export type Setup =
  | { readonly created: false }
  | {
      readonly created: true
      /** The API key in plain text: shown now, stored nowhere. */
      readonly key: string
      readonly keyId: string
      readonly workspace: Workspace
      readonly memberId: string
      readonly seatId: string
    }

const DEMO_CREDIT = parseUsd(5)
const FIRST_PLAN = 'go'

/**
 * Run at every start, once nothing else can fail any more: what it makes is shown once. On an empty database it makes a workspace with an admin, a balance
 * with demo credit, a Go seat and a key, in one transaction; otherwise it changes nothing.
 */
export function setUpInstance(db: Database, options: SetupOptions): Setup {
  if (options.dataDir !== undefined) ensureInstanceSecrets(options.dataDir, options.randomBytes)
  return writeTransaction(db, () => {
    if (listWorkspaces(db).length > 0) return { created: false }
    return createFirstWorkspace(db, options)
  })
}

function createFirstWorkspace(db: Database, { nowMs, randomBytes }: SetupOptions): Setup {
  ensureSystemAccounts(db)
  const workspace = { id: newId('wrk', nowMs), name: 'default' }
  const memberId = newId('mem', nowMs)
  const seatId = newId('seat', nowMs)
  insertWorkspace(db, workspace, nowMs)
  insertMember(db, { id: memberId, workspaceId: workspace.id, name: 'admin', role: 'admin' }, nowMs)
  createBalance(db, newId('acc', nowMs), workspace.id)
  const grantId = newId('grant', nowMs)
  postGrant(
    db,
    { id: grantId, workspaceId: workspace.id, source: 'demo', amount: DEMO_CREDIT, note: 'demo credit' },
    nowMs,
  )
  insertSeat(db, {
    id: seatId,
    workspaceId: workspace.id,
    memberId,
    planId: FIRST_PLAN,
    useBalance: false,
    startedAtMs: nowMs,
  })
  const { id: keyId, key } = addKey(
    db,
    { workspaceId: workspace.id, memberId, name: 'first key' },
    { nowMs, randomBytes },
  )
  return { created: true, key, keyId, workspace, memberId, seatId }
}

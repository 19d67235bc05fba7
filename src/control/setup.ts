/** The first start: everything an empty instance needs for its first request, made whole or not at all. */
import { newId } from '../base/ids.ts'
import { formatUsd, parseUsd } from '../base/money.ts'
import { UTC_CALENDAR } from '../domain/window.ts'
import { createBalance, ensureSystemAccounts } from '../store/account.ts'
import type { Database, Sql } from '../store/database.ts'
import { insertMember, insertSeat, insertWorkspace, listWorkspaces, type Workspace } from '../store/workspace.ts'
import { putOnRecord } from './acting.ts'
import { postGrant } from './credit.ts'
import { ensureInstanceSecrets, type RandomBytes } from './instance.ts'
import { insertKey, makeKey, type NewKey } from './key.ts'
import { untilAnswered } from './until-answered.ts'

export interface SetupOptions {
  readonly nowMs: number
  readonly randomBytes: RandomBytes
  /** Keys the chain of the audit log. */
  readonly trailKey: string
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

/** What a first start makes; decided before anything is written, so that it can be written a second time. */
interface FirstWorkspace {
  readonly workspace: Workspace
  readonly memberId: string
  readonly accountId: string
  readonly grantId: string
  readonly seatId: string
  readonly key: NewKey
}

/**
 * Run at every start, once nothing else can fail any more: what it makes is shown once. On an empty database it makes a
 * workspace with an admin, a balance with demo credit, a Go seat and a key, in one transaction; otherwise it changes
 * nothing. Of several processes that start at once, one makes it.
 * @throws AppError storage_unavailable
 */
export async function setUpInstance(db: Database, options: SetupOptions): Promise<Setup> {
  if (options.dataDir !== undefined) ensureInstanceSecrets(options.dataDir, options.randomBytes)
  // Most starts are not the first: they need not wait for whoever is writing.
  if ((await listWorkspaces(db)).length > 0) return { created: false }
  const first = planFirstWorkspace(options)
  // What was not answered may stand, and then with a key that only this process knows.
  return await untilAnswered(() => ensureFirstWorkspace(db, first, options))
}

function planFirstWorkspace({ nowMs, randomBytes }: SetupOptions): FirstWorkspace {
  const memberId = newId('mem', nowMs)
  return {
    workspace: { id: newId('wrk', nowMs), name: 'default', ...UTC_CALENDAR },
    memberId,
    accountId: newId('acc', nowMs),
    grantId: newId('grant', nowMs),
    seatId: newId('seat', nowMs),
    key: makeKey({ memberId, name: 'first key' }, { nowMs, randomBytes }),
  }
}

function ensureFirstWorkspace(db: Database, first: FirstWorkspace, options: SetupOptions): Promise<Setup> {
  const { nowMs } = options
  const { workspace, memberId, seatId, key } = first
  const made: Setup = { created: true, key: key.key, keyId: key.id, workspace, memberId, seatId }
  const work = async (sql: Sql): Promise<Setup> => {
    // Who comes second waits here for the first, and then sees its workspace.
    await ensureSystemAccounts(sql)
    const workspaces = await listWorkspaces(sql)
    if (workspaces.some(({ id }) => id === workspace.id)) return made
    if (workspaces.length > 0) return { created: false }
    await insertFirstWorkspace(sql, first, nowMs)
    const acting = { ...options, actor: { kind: 'system', id: null }, requestId: null } as const
    const after = { member: memberId, seat: seatId, key: key.id, credit: formatUsd(DEMO_CREDIT) }
    await putOnRecord(sql, acting, {
      action: 'instance.set_up',
      workspaceId: workspace.id,
      target: workspace.id,
      after,
    })
    return made
  }
  return db.write(work, { opensLedger: true })
}

async function insertFirstWorkspace(sql: Sql, first: FirstWorkspace, nowMs: number): Promise<void> {
  const { workspace, memberId, accountId, grantId, seatId, key } = first
  const workspaceId = workspace.id
  await insertWorkspace(sql, workspace, nowMs)
  await insertMember(sql, { id: memberId, workspaceId, name: 'admin', role: 'admin' }, nowMs)
  await createBalance(sql, accountId, workspaceId)
  await postGrant(sql, { id: grantId, workspaceId, source: 'demo', amount: DEMO_CREDIT, note: 'demo credit' }, nowMs)
  await insertSeat(sql, {
    id: seatId,
    workspaceId,
    memberId,
    planId: FIRST_PLAN,
    useBalance: false,
    startedAtMs: nowMs,
  })
  // Whoever starts an instance wants to see what it did; the key changes nothing.
  await insertKey(sql, workspaceId, key, { scopes: ['inference', 'read'] })
}

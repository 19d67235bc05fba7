/** Resolves, at start, the holds that a crash left behind: nobody saw those answers end, so nothing is charged. */
import { weighUsd, ZERO_USD } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import { CHARGE_POLICY_VERSION } from '../domain/charge-policy.ts'
import { loadBalance, releaseBalance } from '../store/account.ts'
import type { Database } from '../store/database.ts'
import { endRequest, listOpenHolds, type OpenHold } from '../store/request.ts'
import { writeTransaction } from '../store/transaction.ts'
import { settleWindows } from '../store/window.ts'

/**
 * Releases every open hold in one transaction. Only the process that owns the database may call this, before it takes
 * requests: a hold that is open then has no process behind it. Returns how many there were.
 */
export function resolveOpenHolds(db: Database, nowMs: number): number {
  return writeTransaction(db, () => {
    const holds = listOpenHolds(db)
    for (const hold of holds) release(db, hold, nowMs)
    return holds.length
  })
}

function release(db: Database, hold: OpenHold, nowMs: number): void {
  endRequest(db, {
    id: hold.id,
    state: 'released',
    cost: ZERO_USD,
    charged: ZERO_USD,
    outcome: 'operator_fault',
    policyVersion: CHARGE_POLICY_VERSION,
    estimated: false,
    status: null,
    errorCode: 'internal',
    provider: null,
    upstreamId: null,
    upstreamProtocol: null,
    warnings: null,
    attempts: [],
    usage: NO_USAGE,
    firstByteAtMs: null,
    endedAtMs: nowMs,
  })
  if (hold.funding === 'plan') settleWindows(db, hold.id, weighUsd(hold.hold, hold.weightPpm), ZERO_USD)
  if (hold.funding === 'balance' && hold.workspaceId !== null) {
    const balance = loadBalance(db, hold.workspaceId)
    if (balance) releaseBalance(db, balance.id, hold.hold)
  }
}

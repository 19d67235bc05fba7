/** Credit comes in lots: granted to a workspace, or given back for a request. Each is a transfer of its own, once. */
import { addUsd, nanoUsd } from '../base/money.ts'
import {
  type AccountRow,
  addToSystemAccount,
  hasTransfer,
  insertTransfers,
  lockAccount,
  saveAccount,
  type TransferRow,
} from '../store/account.ts'
import type { Sql } from '../store/database.ts'
import { insertLot, type Lot, loadLot } from '../store/lot.ts'

/** A lot to be made; all of it is still there. */
export type NewLot = Omit<Lot, 'remaining'>

/**
 * Adds a lot to a balance, from the operator's account. Run it in a transaction that opens the ledger. Returns the
 * balance after it; null, changing nothing, when a lot of that id exists.
 */
export function grantLot(sql: Sql, accountId: string, lot: NewLot): Promise<AccountRow | null> {
  const counterpart = 'credit_issued'
  return addLot(sql, { accountId, lot, counterpart, transfer: { id: `g:${lot.id}`, kind: 'grant' } })
}

/** Gives back a part of what a request was charged, as a lot of its own. `n` counts the refunds of that request. */
export function refundLot(
  sql: Sql,
  accountId: string,
  requestId: string,
  n: number,
  lot: NewLot,
): Promise<AccountRow | null> {
  const transfer = { id: `c:${requestId}:${n}`, kind: 'correction' as const }
  return addLot(sql, { accountId, lot, counterpart: 'usage_revenue', transfer })
}

interface Addition {
  readonly accountId: string
  readonly lot: NewLot
  readonly counterpart: 'credit_issued' | 'usage_revenue'
  readonly transfer: Pick<TransferRow, 'id' | 'kind'>
}

async function addLot(sql: Sql, { accountId, lot, counterpart, transfer }: Addition): Promise<AccountRow | null> {
  // Locked first: who comes second waits here, and then sees what the first has done.
  const before = await lockAccount(sql, accountId)
  if (!before) throw new Error(`account ${accountId} does not exist`)
  if ((await hasTransfer(sql, transfer.id)) || (await loadLot(sql, lot.id))) return null
  const posted = addUsd(before.posted, lot.amount)
  const nextExpiryMs = earlier(before.nextExpiryMs, lot.expiresAtMs)
  const after = { ...before, posted, credited: posted, told: 0, nextExpiryMs }
  await insertLot(sql, { ...lot, remaining: lot.amount })
  await insertTransfers(sql, [
    {
      ...transfer,
      atMs: lot.createdAtMs,
      entries: [
        { accountId, amount: lot.amount, grantId: lot.id },
        { accountId: counterpart, amount: nanoUsd(-lot.amount), grantId: null },
      ],
    },
  ])
  await saveAccount(sql, before, after)
  await addToSystemAccount(sql, counterpart, nanoUsd(-lot.amount))
  return after
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.min(a, b)
}

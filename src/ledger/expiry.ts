/**
 * Credit that has expired leaves the balance, except for what requests under way hold: that stays until they end. What
 * is held is held of the lots in the order in which they are drawn on.
 */
import { minUsd, nanoUsd, subtractUsd, ZERO_USD } from '../base/money.ts'
import type { AccountRow } from '../store/account.ts'
import type { Sql } from '../store/database.ts'
import { listLots } from '../store/lot.ts'
import type { Books } from './books.ts'

/** Run it before anything else is decided on locked accounts: expired credit pays for nothing more. */
export async function expireDue(sql: Sql, books: Books, accounts: readonly AccountRow[], nowMs: number): Promise<void> {
  for (const { id, workspaceId, nextExpiryMs } of accounts) {
    if (workspaceId === null || nextExpiryMs === null || nextExpiryMs > nowMs) continue
    if (!books.hasLotsOf(workspaceId)) books.addLots(workspaceId, await listLots(sql, workspaceId))
    expireLots(books, id, workspaceId, nowMs)
  }
}

/** Takes what has expired by now off a balance, and remembers when the next lot does. */
function expireLots(books: Books, accountId: string, workspaceId: string, nowMs: number): void {
  let heldOfLots = books.account(accountId).held
  for (const { lot, remaining } of books.lotsOf(workspaceId)) {
    const heldOfThis = minUsd(remaining, heldOfLots)
    heldOfLots = subtractUsd(heldOfLots, heldOfThis)
    const amount = subtractUsd(remaining, heldOfThis)
    if (lot.expiresAtMs === null || lot.expiresAtMs > nowMs || amount === ZERO_USD) continue
    books.takeFromLot(workspaceId, lot.id, amount)
    books.post({
      // What was left before names the step: a lot that is partly held expires in several.
      id: `x:${lot.id}:${remaining}`,
      kind: 'expiry',
      atMs: nowMs,
      entries: [
        { accountId, amount: nanoUsd(-amount), grantId: lot.id },
        { accountId: 'credit_expired', amount, grantId: null },
      ],
    })
  }
  books.setAccount(accountId, { nextExpiryMs: nextExpiry(books, workspaceId) })
}

function nextExpiry(books: Books, workspaceId: string): number | null {
  let next: number | null = null
  for (const { lot, remaining } of books.lotsOf(workspaceId)) {
    if (lot.expiresAtMs === null || remaining === ZERO_USD) continue
    if (next === null || lot.expiresAtMs < next) next = lot.expiresAtMs
  }
  return next
}

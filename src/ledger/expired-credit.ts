/** Takes expired credit off the balances of workspaces that make no requests; for the others the next request does it. */
import { loadBalance, lockAccount } from '../store/account.ts'
import type { Database, Sql } from '../store/database.ts'
import { listExpiredWorkspaces } from '../store/lot.ts'
import { Books } from './books.ts'
import { expireDue } from './expiry.ts'
import { writeBooks } from './transaction.ts'

/** Returns how many workspaces were looked at. */
export async function expireCredit(database: Database, nowMs: number): Promise<number> {
  const workspaces = await listExpiredWorkspaces(database, nowMs)
  for (const workspaceId of workspaces) {
    await database.write((sql) => expireOne(sql, workspaceId, nowMs), { opensLedger: true })
  }
  return workspaces.length
}

async function expireOne(sql: Sql, workspaceId: string, nowMs: number): Promise<void> {
  const balance = await loadBalance(sql, workspaceId)
  const account = balance && (await lockAccount(sql, balance.id))
  if (!account) return
  const books = new Books({ accounts: [account], meters: [], lots: new Map() })
  await expireDue(sql, books, [account], nowMs)
  await writeBooks(sql, books, [], { receivers: () => [] })
}

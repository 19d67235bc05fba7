/** The ledger's SQL: accounts, transfers and their entries. Money columns change nowhere else. */
import { type NanoUsd, ZERO_USD } from '../base/money.ts'
import type { Database } from './database.ts'

/** The operator's own accounts; one of each, made by the first start. */
export type SystemAccountKind = 'credit_issued' | 'usage_revenue' | 'write_off'
export const SYSTEM_ACCOUNT_KINDS: readonly SystemAccountKind[] = ['credit_issued', 'usage_revenue', 'write_off']

export interface Account {
  readonly id: string
  readonly posted: NanoUsd
  readonly held: NanoUsd
}

export interface Entry {
  readonly accountId: string
  readonly amount: NanoUsd
  /** What the entry gives back of the account's holds, in the same step. */
  readonly releases?: NanoUsd
}

/** The id of an operator account is its kind. */
export function ensureSystemAccounts(db: Database): void {
  for (const kind of SYSTEM_ACCOUNT_KINDS) {
    db.run('INSERT INTO account (id, workspace_id, kind) VALUES (?, NULL, ?) ON CONFLICT DO NOTHING', kind, kind)
  }
}

export function createBalance(db: Database, accountId: string, workspaceId: string): void {
  db.run("INSERT INTO account (id, workspace_id, kind) VALUES (?, ?, 'balance')", accountId, workspaceId)
}

export function loadBalance(db: Database, workspaceId: string): Account | undefined {
  return db.get<Account>(
    "SELECT id, posted, held FROM account WHERE workspace_id = ? AND kind = 'balance'",
    workspaceId,
  )
}

/** Reserves money of a balance if that much is free. Returns whether it was. */
export function holdBalance(db: Database, accountId: string, amount: NanoUsd): boolean {
  return (
    db.run('UPDATE account SET held = held + ? WHERE id = ? AND posted - held >= ?', amount, accountId, amount) === 1
  )
}

/** Gives back what `holdBalance` reserved. */
export function releaseBalance(db: Database, accountId: string, amount: NanoUsd): void {
  if (db.run('UPDATE account SET held = held - ? WHERE id = ?', amount, accountId) !== 1) throw missing(accountId)
}

/**
 * Posts a transfer whose entries sum to zero. Returns false, changing nothing, when a transfer of that id exists.
 * @throws Error when the entries do not sum to zero.
 */
export function postTransfer(
  db: Database,
  transfer: { id: string; kind: 'grant' | 'settlement'; atMs: number; entries: readonly Entry[] },
): boolean {
  let sum: bigint = ZERO_USD
  for (const { amount } of transfer.entries) sum += amount
  if (sum !== 0n) throw new Error(`transfer ${transfer.id} does not balance`)
  const added = db.run(
    'INSERT INTO transfer (id, kind, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    transfer.id,
    transfer.kind,
    transfer.atMs,
  )
  if (added === 0) return false
  let leg = 0
  for (const { accountId, amount, releases } of transfer.entries) {
    db.run(
      'INSERT INTO entry (transfer_id, leg, account_id, amount) VALUES (?, ?, ?, ?)',
      transfer.id,
      leg++,
      accountId,
      amount,
    )
    const sql = 'UPDATE account SET posted = posted + ?, held = held - ? WHERE id = ?'
    if (db.run(sql, amount, releases ?? ZERO_USD, accountId) !== 1) throw missing(accountId)
  }
  return true
}

function missing(accountId: string): Error {
  return new Error(`account ${accountId} does not exist`)
}

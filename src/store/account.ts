/** SQL of the accounts, transfers and their entries. Balances are changed by `ledger/` alone, in its transactions. */
import type { NanoUsd } from '../base/money.ts'
import type { Sql } from './database.ts'

/** The operator's own accounts; one of each, made by the first start. The id of each is its kind. */
export type SystemAccountKind = 'credit_issued' | 'credit_expired' | 'usage_revenue' | 'write_off'
const SYSTEM_ACCOUNT_KINDS: readonly SystemAccountKind[] = [
  'credit_issued',
  'credit_expired',
  'usage_revenue',
  'write_off',
]

export interface Account {
  readonly id: string
  /** Sum of its entries. */
  readonly posted: NanoUsd
  /** Sum of its open holds. */
  readonly held: NanoUsd
}

/** A balance as a transaction of the ledger sees and changes it. */
export interface AccountRow extends Account {
  readonly workspaceId: string | null
  readonly nextExpiryMs: number | null
  /** Posted after the last credit; thresholds are shares of it. */
  readonly credited: NanoUsd
  readonly told: number
}

export type TransferKind = 'grant' | 'settlement' | 'expiry' | 'correction'

export interface TransferRow {
  readonly id: string
  readonly kind: TransferKind
  readonly atMs: number
  /** Sum to zero. */
  readonly entries: readonly EntryRow[]
}

export interface EntryRow {
  readonly accountId: string
  readonly amount: NanoUsd
  /** The lot of credit that a leg on a balance fills or draws on. */
  readonly grantId: string | null
}

export async function ensureSystemAccounts(sql: Sql): Promise<void> {
  await sql.runEach(
    'INSERT INTO account (id, workspace_id, kind) VALUES (?, NULL, ?) ON CONFLICT DO NOTHING',
    SYSTEM_ACCOUNT_KINDS.map((kind) => [kind, kind]),
  )
}

export async function createBalance(sql: Sql, accountId: string, workspaceId: string): Promise<void> {
  await sql.run("INSERT INTO account (id, workspace_id, kind) VALUES (?, ?, 'balance')", accountId, workspaceId)
}

export function loadBalance(sql: Sql, workspaceId: string): Promise<Account | undefined> {
  return sql.get<Account>(
    "SELECT id, posted, held FROM account WHERE workspace_id = ? AND kind = 'balance'",
    workspaceId,
  )
}

interface RawAccount {
  id: string
  workspace_id: string | null
  posted: NanoUsd
  held: NanoUsd
  next_expiry_at: bigint | null
  credited: NanoUsd
  told: bigint
}

const SELECT_ACCOUNT = 'SELECT id, workspace_id, posted, held, next_expiry_at, credited, told FROM account WHERE id = ?'

export async function readAccount(sql: Sql, accountId: string): Promise<AccountRow | undefined> {
  return accountOf(await sql.get<RawAccount>(SELECT_ACCOUNT, accountId))
}

/** Reads an account and keeps others from changing it until the transaction ends. */
export async function lockAccount(sql: Sql, accountId: string): Promise<AccountRow | undefined> {
  return accountOf(await sql.get<RawAccount>(`${SELECT_ACCOUNT} /*postgres FOR UPDATE*/`, accountId))
}

function accountOf(row: RawAccount | undefined): AccountRow | undefined {
  return (
    row && {
      id: row.id,
      workspaceId: row.workspace_id,
      posted: row.posted,
      held: row.held,
      nextExpiryMs: row.next_expiry_at === null ? null : Number(row.next_expiry_at),
      credited: row.credited,
      told: Number(row.told),
    }
  )
}

/** Writes an account that was read by `lockAccount` as `before`. @throws Error when it is no longer as it was read. */
export async function saveAccount(sql: Sql, before: AccountRow, after: AccountRow): Promise<void> {
  const changed = await sql.run(
    'UPDATE account SET posted = ?, held = ?, next_expiry_at = ?, credited = ?, told = ?' +
      ' WHERE id = ? AND posted = ? AND held = ?',
    after.posted,
    after.held,
    after.nextExpiryMs,
    after.credited,
    after.told,
    before.id,
    before.posted,
    before.held,
  )
  if (changed !== 1) throw new Error(`account ${before.id} changed while it was locked`)
}

/** Adds to an account that holds nothing and may have any sign: the operator's own. */
export async function addToSystemAccount(sql: Sql, accountId: string, amount: NanoUsd): Promise<void> {
  const changed = await sql.run('UPDATE account SET posted = posted + ? WHERE id = ?', amount, accountId)
  if (changed !== 1) throw new Error(`account ${accountId} does not exist`)
}

/** Writes transfers with their entries. @throws when one of that id exists. */
export async function insertTransfers(sql: Sql, transfers: readonly TransferRow[]): Promise<void> {
  if (transfers.length === 0) return
  await Promise.all([
    sql.runEach(
      'INSERT INTO transfer (id, kind, created_at) VALUES (?, ?, ?)',
      transfers.map(({ id, kind, atMs }) => [id, kind, atMs]),
    ),
    sql.runEach(
      'INSERT INTO entry (transfer_id, leg, account_id, amount, grant_id) VALUES (?, ?, ?, ?, ?)',
      transfers.flatMap(({ id, entries }) =>
        entries.map(({ accountId, amount, grantId }, leg) => [id, leg, accountId, amount, grantId]),
      ),
    ),
  ])
}

export async function hasTransfer(sql: Sql, id: string): Promise<boolean> {
  return (await sql.get('SELECT id FROM transfer WHERE id = ?', id)) !== undefined
}

/** SQL that re-derives the ledger from its entries and compares. Each statement returns the rows that disagree. */
import type { Database } from './database.ts'

/** One row that is not what it should be. Amounts are nano-dollars. */
export interface Mismatch {
  readonly subject: string
  readonly expected: bigint | string
  readonly found: bigint | string
}

/** More rows than this of one kind say nothing new, and a damaged ledger must not fill the memory. */
export const MAX_MISMATCHES = 1000

/** How many rows of each kind were looked at. */
export interface AuditCounts {
  readonly accounts: bigint
  readonly transfers: bigint
  readonly entries: bigint
  readonly grants: bigint
  readonly requests: bigint
  readonly held: bigint
  readonly windows: bigint
  readonly request_windows: bigint
  readonly price_versions: bigint
}

export function countAudited(db: Database): AuditCounts {
  const counts = db.get<AuditCounts>(
    'SELECT (SELECT COUNT(*) FROM account) AS accounts, (SELECT COUNT(*) FROM transfer) AS transfers,' +
      ' (SELECT COUNT(*) FROM entry) AS entries, (SELECT COUNT(*) FROM credit_grant) AS grants,' +
      " (SELECT COUNT(*) FROM request) AS requests, (SELECT COUNT(*) FROM request WHERE state = 'held') AS held," +
      ' (SELECT COUNT(*) FROM plan_window) AS windows, (SELECT COUNT(*) FROM request_window) AS request_windows,' +
      ' (SELECT COUNT(*) FROM price_version) AS price_versions',
  )
  if (!counts) throw new Error('counting returned no row')
  return counts
}

export function findUnbalancedTransfers(db: Database): Mismatch[] {
  return find(
    db,
    'SELECT transfer_id AS subject, 0 AS expected, SUM(amount) AS found FROM entry' +
      ' GROUP BY transfer_id HAVING SUM(amount) <> 0',
  )
}

/** Transfers with fewer than two entries, and entries of no transfer. */
export function findIncompleteTransfers(db: Database): Mismatch[] {
  return [
    ...find(
      db,
      "SELECT t.id AS subject, 'two entries or more' AS expected, COUNT(e.leg) AS found FROM transfer t" +
        ' LEFT JOIN entry e ON e.transfer_id = t.id GROUP BY t.id HAVING COUNT(e.leg) < 2',
    ),
    ...find(
      db,
      "SELECT DISTINCT e.transfer_id AS subject, 'a transfer' AS expected, 'entries alone' AS found FROM entry e" +
        ' WHERE NOT EXISTS (SELECT 1 FROM transfer t WHERE t.id = e.transfer_id)',
    ),
  ]
}

export function findWrongPosted(db: Database): Mismatch[] {
  return find(
    db,
    'SELECT a.id AS subject, COALESCE(e.total, 0) AS expected, a.posted AS found FROM account a' +
      ' LEFT JOIN (SELECT account_id, SUM(amount) AS total FROM entry GROUP BY account_id) e ON e.account_id = a.id' +
      ' WHERE a.posted <> COALESCE(e.total, 0)',
  )
}

export function findLedgerImbalance(db: Database): Mismatch[] {
  return find(
    db,
    "SELECT 'all accounts' AS subject, 0 AS expected, SUM(posted) AS found FROM account HAVING SUM(posted) <> 0",
  )
}

/** Held money is that of open requests on the workspace's balance; operator accounts hold nothing. */
export function findWrongHeld(db: Database): Mismatch[] {
  return find(
    db,
    'SELECT a.id AS subject, COALESCE(h.total, 0) AS expected, a.held AS found FROM account a' +
      ' LEFT JOIN (SELECT workspace_id, SUM(hold) AS total FROM request' +
      " WHERE state = 'held' AND funding = 'balance' GROUP BY workspace_id) h" +
      " ON h.workspace_id = a.workspace_id AND a.kind = 'balance' WHERE a.held <> COALESCE(h.total, 0)",
  )
}

export function findOverdrawnBalances(db: Database): Mismatch[] {
  return find(
    db,
    "SELECT id AS subject, '0 or more' AS expected, CASE WHEN posted < 0 THEN posted ELSE posted - held END AS found" +
      " FROM account WHERE kind = 'balance' AND (posted < 0 OR posted - held < 0)",
  )
}

/**
 * Grants and their transfers, both ways: `g:<grant>` adds the amount to the workspace's balance and takes it from
 * `credit_issued`, and there is no other transfer of that kind.
 */
export function findWrongGrants(db: Database): Mismatch[] {
  const transferId = "'g:' || g.id"
  return findWrongLegs(db, 'grant', [
    `SELECT ${transferId} AS transfer_id, '' AS account_id, 1 AS amount FROM credit_grant g`,
    `SELECT ${transferId}, COALESCE(a.id, 'balance of ' || g.workspace_id), g.amount FROM credit_grant g` +
      " LEFT JOIN account a ON a.workspace_id = g.workspace_id AND a.kind = 'balance'",
    `SELECT ${transferId}, 'credit_issued', -g.amount FROM credit_grant g`,
  ])
}

/**
 * Charges and their transfers, both ways: a settled request that cost something and was paid from the balance has
 * `s:<request>`, which takes the charge from the customer, gives the cost to the revenue, and writes the rest off.
 */
export function findWrongSettlements(db: Database): Mismatch[] {
  const transferId = "'s:' || r.id"
  const charged = "r.funding = 'balance' AND r.state = 'settled' AND (r.charged <> 0 OR r.cost <> 0)"
  return findWrongLegs(db, 'settlement', [
    `SELECT ${transferId} AS transfer_id, '' AS account_id, 1 AS amount FROM request r WHERE ${charged}`,
    `SELECT ${transferId}, COALESCE(a.id, 'balance of ' || COALESCE(r.workspace_id, 'nobody')), -r.charged FROM request r` +
      ` LEFT JOIN account a ON a.workspace_id = r.workspace_id AND a.kind = 'balance' WHERE ${charged}`,
    `SELECT ${transferId}, 'usage_revenue', r.cost FROM request r WHERE ${charged}`,
    `SELECT ${transferId}, 'write_off', r.charged - r.cost FROM request r WHERE ${charged}`,
  ])
}

/**
 * Compares the legs that should exist with those that do. The empty account name stands for the transfer itself, so
 * that one without amounts is noticed too.
 */
function findWrongLegs(db: Database, kind: 'grant' | 'settlement', expected: readonly string[]): Mismatch[] {
  return find(
    db,
    `WITH expected AS (${expected.join(' UNION ALL ')}), found AS (` +
      " SELECT t.id AS transfer_id, '' AS account_id, 1 AS amount FROM transfer t WHERE t.kind = ?" +
      ' UNION ALL SELECT e.transfer_id, e.account_id, e.amount FROM entry e' +
      ' JOIN transfer t ON t.id = e.transfer_id WHERE t.kind = ?)' +
      " SELECT transfer_id || CASE WHEN account_id = '' THEN '' ELSE ' on ' || account_id END AS subject," +
      ' SUM(expected) AS expected, SUM(found) AS found FROM (' +
      ' SELECT transfer_id, account_id, amount AS expected, 0 AS found FROM expected' +
      ' UNION ALL SELECT transfer_id, account_id, 0, amount FROM found) legs' +
      ' GROUP BY transfer_id, account_id HAVING SUM(expected) <> SUM(found)',
    kind,
    kind,
  )
}

/** Runs a statement that selects mismatches, and stops at the limit. */
export function find(db: Database, sql: string, ...values: (string | bigint | number)[]): Mismatch[] {
  return db.all<Mismatch>(`${sql} LIMIT ${MAX_MISMATCHES}`, ...values)
}

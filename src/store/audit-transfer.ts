/**
 * SQL that compares every transfer with what caused it, both ways: the cause says which legs there must be, and there
 * are no others. Between them the kinds cover every leg of the ledger.
 */
import type { TransferKind } from './account.ts'
import { find, findAll, type Mismatch, sum, wide } from './audit.ts'
import type { Sql } from './database.ts'

/** Joined to whatever has a `workspace_id`. */
const BALANCE_OF = "a.kind = 'balance' AND a.workspace_id"
/** What is left of `x:<lot>:<before>` or `c:<request>:<n>` without the number. */
const STEM = "RTRIM(t.id, '0123456789')"

export function findUnbalancedTransfers(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    `SELECT transfer_id AS subject, 0 AS expected, ${sum('amount')} AS found FROM entry` +
      ` GROUP BY transfer_id HAVING ${sum('amount')} <> 0`,
  )
}

/** Transfers with fewer than two entries, and entries of no transfer or account. */
export function findIncompleteTransfers(sql: Sql): Promise<Mismatch[]> {
  return findAll(sql, [
    "SELECT t.id AS subject, 'two entries or more' AS expected, COUNT(e.leg) AS found FROM transfer t" +
      ' LEFT JOIN entry e ON e.transfer_id = t.id GROUP BY t.id HAVING COUNT(e.leg) < 2',
    "SELECT DISTINCT e.transfer_id AS subject, 'a transfer' AS expected, 'entries alone' AS found FROM entry e" +
      ' WHERE NOT EXISTS (SELECT 1 FROM transfer t WHERE t.id = e.transfer_id)',
    "SELECT e.transfer_id || ' on ' || e.account_id AS subject, 'an account' AS expected, 'none' AS found FROM entry e" +
      ' WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.id = e.account_id)',
  ])
}

/**
 * Lots and their transfers: `g:<lot>` adds the amount to the workspace's balance and takes it from `credit_issued`. A
 * refund's lot comes from a correction instead.
 */
export function findWrongGrants(sql: Sql): Promise<Mismatch[]> {
  const granted = "g.source <> 'refund'"
  return findWrongLegs(sql, 'grant', [
    legs("'g:' || g.id", "''", '1', `FROM credit_grant g WHERE ${granted}`),
    legs(
      "'g:' || g.id",
      "COALESCE(a.id, 'balance of ' || g.workspace_id)",
      wide('g.amount'),
      `FROM credit_grant g LEFT JOIN account a ON ${BALANCE_OF} = g.workspace_id WHERE ${granted}`,
    ),
    legs("'g:' || g.id", "'credit_issued'", `-${wide('g.amount')}`, `FROM credit_grant g WHERE ${granted}`),
  ])
}

/**
 * Charges and their transfers: a settled request that cost something and was paid from the balance has `s:<request>`,
 * which takes the charge from the customer, gives the cost to the revenue, and writes the rest off.
 */
export function findWrongSettlements(sql: Sql): Promise<Mismatch[]> {
  const charged = "r.funding = 'balance' AND r.state = 'settled' AND (r.charged <> 0 OR r.cost <> 0)"
  const payer = "COALESCE(r.account_id, a.id, '')"
  const sumOf = (account: string): string =>
    `COALESCE(${sum(`CASE WHEN e.account_id = ${account} THEN e.amount END`)}, 0)`
  return findAll(sql, [
    `WITH settlement AS (SELECT t.id AS id, MAX(r.id) AS request_id, ${wide('MAX(r.charged)')} AS charged, ${wide('MAX(r.cost)')} AS cost,` +
      ` ${sumOf(payer)} AS paid, ${sumOf("'usage_revenue'")} AS earned, ${sumOf("'write_off'")} AS lost,` +
      ` COUNT(CASE WHEN e.account_id NOT IN ('usage_revenue', 'write_off', ${payer}) THEN 1 END) AS others` +
      ` FROM transfer t LEFT JOIN request r ON r.id = SUBSTR(t.id, 3) AND t.id = 's:' || r.id AND ${charged}` +
      ` LEFT JOIN account a ON ${BALANCE_OF} = r.workspace_id LEFT JOIN entry e ON e.transfer_id = t.id` +
      " WHERE t.kind = 'settlement' GROUP BY t.id)" +
      " SELECT id AS subject, COALESCE('balance ' || (-charged) || ', revenue ' || cost || ', write-off ' || (charged - cost)," +
      " 'no charge') AS expected, 'balance ' || paid || ', revenue ' || earned || ', write-off ' || lost" +
      " || ', other legs ' || others AS found FROM settlement WHERE request_id IS NULL OR paid <> -charged" +
      ' OR earned <> cost OR lost <> charged - cost OR others <> 0',
    `SELECT 's:' || r.id AS subject, 'a settlement' AS expected, 'none' AS found FROM request r WHERE ${charged}` +
      " AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.id = 's:' || r.id AND t.kind = 'settlement')",
  ])
}

/**
 * Expired credit: `x:<lot>:<what was left before>` takes a part of that, or all, from the lot's balance to
 * `credit_expired`, once the lot has expired. What is left of it now is no more than what was left then.
 */
export function findWrongExpiries(sql: Sql): Promise<Mismatch[]> {
  // A number too long for 64 bits must not end the audit.
  const before = `CAST('0' || SUBSTR(t.id, LENGTH(${STEM}) + 1) AS NUMERIC)`
  const taken = `(-${wide('e.amount')})`
  const lot =
    "'lot ' || g.id || ', left ' || g.remaining || ', expiry ' || COALESCE(CAST(g.expires_at AS TEXT), 'never')"
  return find(
    sql,
    "SELECT t.id AS subject, 'two legs: what an expired lot had left, or a part, to credit_expired' AS expected," +
      ` COALESCE(${lot}, 'no lot') || ', taken ' || COALESCE(${taken}, 0) || ' at ' || t.created_at` +
      " || ', given ' || COALESCE(o.amount, 0) AS found FROM transfer t" +
      ' LEFT JOIN entry e ON e.transfer_id = t.id AND e.grant_id IS NOT NULL' +
      " LEFT JOIN entry o ON o.transfer_id = t.id AND o.account_id = 'credit_expired'" +
      ' LEFT JOIN credit_grant g ON g.id = e.grant_id' +
      ` WHERE t.kind = 'expiry' AND (g.id IS NULL OR o.amount IS NULL OR o.amount <> ${taken} OR o.amount <= 0` +
      ` OR (SELECT COUNT(*) FROM entry c WHERE c.transfer_id = t.id) <> 2 OR ${STEM} <> 'x:' || g.id || ':'` +
      ' OR g.expires_at IS NULL OR g.expires_at > t.created_at' +
      ` OR ${before} < o.amount OR ${before} > ${wide('g.amount')} - g.used_before OR ${before} - o.amount < g.remaining)`,
  )
}

/**
 * Refunds: `c:<request>:<n>` adds a lot to the balance and takes it from the revenue. Together they give back no more
 * than the request was charged, to the workspace that was charged.
 */
export async function findWrongCorrections(sql: Sql): Promise<Mismatch[]> {
  return [...(await findWrongRefundLots(sql)), ...(await findWrongRefunds(sql))]
}

/** A lot of this kind and its correction, both ways. */
async function findWrongRefundLots(sql: Sql): Promise<Mismatch[]> {
  const made = "FROM transfer t JOIN entry e ON e.transfer_id = t.id AND e.amount > 0 WHERE t.kind = 'correction'"
  const lot = `FROM (SELECT t.id AS transfer_id, e.grant_id ${made}) t JOIN credit_grant g ON g.id = t.grant_id`
  const refund = "WHERE g.source = 'refund'"
  const balance = `LEFT JOIN account a ON ${BALANCE_OF} = g.workspace_id`
  return [
    ...(await findWrongLegs(sql, 'correction', [
      legs('t.transfer_id', "''", '1', `${lot} ${refund}`),
      legs(
        't.transfer_id',
        "COALESCE(a.id, 'balance of ' || g.workspace_id)",
        wide('g.amount'),
        `${lot} ${balance} ${refund}`,
      ),
      legs('t.transfer_id', "'usage_revenue'", `-${wide('g.amount')}`, `${lot} ${refund}`),
    ])),
    ...(await find(
      sql,
      "SELECT g.id AS subject, 'one correction' AS expected, COALESCE(n.corrections, 0) AS found FROM credit_grant g" +
        ` LEFT JOIN (SELECT e.grant_id, COUNT(*) AS corrections ${made} GROUP BY e.grant_id) n ON n.grant_id = g.id` +
        ` ${refund} AND COALESCE(n.corrections, 0) <> 1`,
    )),
  ]
}

/** The request that a correction names, and how much of its charge was given back. */
function findWrongRefunds(sql: Sql): Promise<Mismatch[]> {
  const refunds =
    'FROM transfer t JOIN entry e ON e.transfer_id = t.id' +
    " JOIN account a ON a.id = e.account_id AND a.kind = 'balance'" +
    ` LEFT JOIN request r ON r.id = SUBSTR(RTRIM(${STEM}, ':'), 3) WHERE t.kind = 'correction'`
  return findAll(sql, [
    "SELECT t.id AS subject, 'a request that was charged to this balance' AS expected," +
      ` COALESCE(r.state || ', paid by ' || r.funding || ' of ' || r.workspace_id, 'no request') AS found ${refunds}` +
      ` AND (r.id IS NULL OR ${STEM} <> 'c:' || r.id || ':' OR ${STEM} = t.id OR r.state <> 'settled'` +
      " OR r.funding <> 'balance' OR r.workspace_id IS NULL OR r.workspace_id <> a.workspace_id)",
    `SELECT r.id AS subject, 'at most ' || r.charged || ' given back' AS expected, ${sum('e.amount')} AS found ${refunds}` +
      ` GROUP BY r.id, r.charged HAVING ${sum('e.amount')} > r.charged`,
  ])
}

/** The transfer of one leg, its account and its amount, as a statement. */
function legs(transferId: string, accountId: string, amount: string, from: string): string {
  return `SELECT ${transferId} AS transfer_id, ${accountId} AS account_id, ${amount} AS amount ${from}`
}

/**
 * Compares the legs that should exist with those that do. The empty account name stands for the transfer itself, so
 * that one without amounts is noticed too.
 */
function findWrongLegs(sql: Sql, kind: TransferKind, expected: readonly string[]): Promise<Mismatch[]> {
  return find(
    sql,
    `WITH expected AS (${expected.join(' UNION ALL ')}), found AS (` +
      " SELECT t.id AS transfer_id, '' AS account_id, 1 AS amount FROM transfer t WHERE t.kind = ?" +
      ' UNION ALL SELECT e.transfer_id, e.account_id, e.amount FROM entry e' +
      ' JOIN transfer t ON t.id = e.transfer_id WHERE t.kind = ?)' +
      " SELECT transfer_id || CASE WHEN account_id = '' THEN '' ELSE ' on ' || account_id END AS subject," +
      ` ${sum('expected')} AS expected, ${sum('found')} AS found FROM (` +
      ' SELECT transfer_id, account_id, amount AS expected, 0 AS found FROM expected' +
      ' UNION ALL SELECT transfer_id, account_id, 0, amount FROM found) legs' +
      ` GROUP BY transfer_id, account_id HAVING ${sum('expected')} <> ${sum('found')}`,
    kind,
    kind,
  )
}

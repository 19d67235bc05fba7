/**
 * SQL that re-derives the accounts from their entries and compares, and what all of the audit's statements share: each
 * returns the rows that disagree.
 */
import type { Sql, SqlValue } from './database.ts'

/** One row that is not what it should be. Amounts are nano-dollars. */
export interface Mismatch {
  readonly subject: string
  readonly expected: bigint | string
  readonly found: bigint | string
}

/** More rows than this of one kind say nothing new, and a damaged ledger must not fill the memory. */
export const MAX_MISMATCHES = 1000

/**
 * An amount to compute with. One damaged row must not end the audit, and PostgreSQL refuses what does not fit 64 bits;
 * to SQLite this says nothing.
 */
export function wide(amount: string): string {
  return `CAST(${amount} AS NUMERIC(40))`
}

const BILLION = '1000000000'

/** The sum of an amount: billions and the rest apart, for SQLite refuses a sum that does not fit 64 bits. */
export function sum(amount: string): string {
  const rest = `(${amount}) % ${BILLION}`
  return wide(`SUM(((${amount}) - ${rest}) / ${BILLION}) * ${BILLION} + SUM(${rest})`)
}

/** Runs a statement that selects mismatches, and stops at the limit. */
export function find(sql: Sql, statement: string, ...values: SqlValue[]): Promise<Mismatch[]> {
  return sql.all<Mismatch>(`${statement} LIMIT ${MAX_MISMATCHES}`, ...values)
}

/** Runs several, one after the other: on PostgreSQL each has a time limit of its own. */
export async function findAll(sql: Sql, statements: readonly string[]): Promise<Mismatch[]> {
  const mismatches: Mismatch[] = []
  for (const statement of statements) mismatches.push(...(await find(sql, statement)))
  return mismatches
}

export function findWrongPosted(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    'SELECT a.id AS subject, COALESCE(e.total, 0) AS expected, a.posted AS found FROM account a' +
      ` LEFT JOIN (SELECT account_id, ${sum('amount')} AS total FROM entry GROUP BY account_id) e ON e.account_id = a.id` +
      ' WHERE a.posted <> COALESCE(e.total, 0)',
  )
}

export function findLedgerImbalance(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    `SELECT 'all accounts' AS subject, 0 AS expected, ${sum('posted')} AS found FROM account HAVING ${sum('posted')} <> 0`,
  )
}

/** Held money is that of open requests on their balance; operator accounts hold nothing. */
export function findWrongHeld(sql: Sql): Promise<Mismatch[]> {
  // Of a type that can be searched by: SQLite knows none of an expression.
  const balance = 'CAST(COALESCE(r.account_id, b.id) AS TEXT)'
  return find(
    sql,
    'SELECT a.id AS subject, COALESCE(h.total, 0) AS expected, a.held AS found FROM account a LEFT JOIN' +
      ` (SELECT ${balance} AS account_id, ${sum('r.hold')} AS total FROM request r` +
      " LEFT JOIN account b ON b.workspace_id = r.workspace_id AND b.kind = 'balance'" +
      ` WHERE r.state = 'held' AND r.funding = 'balance' GROUP BY ${balance}) h` +
      ' ON h.account_id = a.id WHERE a.held <> COALESCE(h.total, 0)',
  )
}

export function findOverdrawnBalances(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT id AS subject, posted || ' posted' AS expected, held || ' held' AS found FROM account" +
      " WHERE kind = 'balance' AND (posted < 0 OR held > posted)",
  )
}

/**
 * What thresholds are shares of: what a balance was after its last credit, so never less than what it is now. The
 * operator's accounts have neither credit, nor thresholds, nor anything that expires.
 */
export function findWrongCredited(sql: Sql): Promise<Mismatch[]> {
  return findAll(sql, [
    "SELECT id AS subject, posted || ' or more' AS expected, credited AS found FROM account" +
      " WHERE kind = 'balance' AND credited < posted",
    "SELECT id AS subject, 'no credit' AS expected, 'credit of ' || credited || ', told ' || told AS found" +
      " FROM account WHERE kind <> 'balance' AND (credited <> 0 OR told <> 0 OR next_expiry_at IS NOT NULL)",
  ])
}

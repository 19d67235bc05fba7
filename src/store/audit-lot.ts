/** SQL that re-derives what is left of each lot of credit, and compares the lots with the balances that they make up. */
import { find, findAll, type Mismatch, sum, wide } from './audit.ts'
import type { Sql } from './database.ts'

/** What was drawn on a lot are the entries that name it and take; the one that made it gives. */
export function findWrongRemaining(sql: Sql): Promise<Mismatch[]> {
  const left = `${wide('g.amount')} - g.used_before + COALESCE(e.total, 0)`
  return findAll(sql, [
    `SELECT g.id AS subject, ${left} AS expected, g.remaining AS found` +
      ` FROM credit_grant g LEFT JOIN (SELECT grant_id, ${sum('amount')} AS total FROM entry` +
      ' WHERE grant_id IS NOT NULL AND amount < 0 GROUP BY grant_id) e ON e.grant_id = g.id' +
      ` WHERE g.remaining <> ${left}`,
    "SELECT id AS subject, '0 to ' || amount AS expected, 'left ' || remaining || ', used before ' || used_before AS found" +
      ' FROM credit_grant WHERE remaining < 0 OR remaining > amount OR used_before < 0 OR used_before > amount',
  ])
}

/** What a workspace has is what is left of its lots. */
export function findBalancesBesideLots(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    'SELECT a.id AS subject, COALESCE(l.rest, 0) AS expected, a.posted AS found FROM account a' +
      ` LEFT JOIN (SELECT workspace_id, ${sum('remaining')} AS rest FROM credit_grant GROUP BY workspace_id) l` +
      " ON l.workspace_id = a.workspace_id WHERE a.kind = 'balance' AND a.posted <> COALESCE(l.rest, 0)",
  )
}

/**
 * Every leg on a balance names a lot of its workspace, and no other leg names one. Before schema 3 legs named none:
 * those of grants, and those of requests that name no node, whose sum is what their lots say was used before.
 */
export function findWrongLotLegs(sql: Sql): Promise<Mismatch[]> {
  const leg = "e.transfer_id || ' on ' || e.account_id AS subject"
  return findAll(sql, [
    `SELECT ${leg}, 'a lot of ' || COALESCE(a.workspace_id, 'nobody') AS expected,` +
      " COALESCE('a lot of ' || g.workspace_id, 'no such lot') AS found FROM entry e" +
      ' LEFT JOIN account a ON a.id = e.account_id LEFT JOIN credit_grant g ON g.id = e.grant_id' +
      ' WHERE e.grant_id IS NOT NULL AND (g.id IS NULL OR a.workspace_id IS NULL OR g.workspace_id <> a.workspace_id)',
    `SELECT ${leg}, 'a lot' AS expected, 'none' AS found FROM account a JOIN entry e ON e.account_id = a.id` +
      ' LEFT JOIN request r ON r.id = SUBSTR(e.transfer_id, 3)' +
      " WHERE a.kind = 'balance' AND e.grant_id IS NULL AND SUBSTR(e.transfer_id, 1, 2) <> 'g:'" +
      " AND (SUBSTR(e.transfer_id, 1, 2) <> 's:' OR r.id IS NULL OR r.node_id IS NOT NULL)",
    'SELECT a.id AS subject, COALESCE(n.total, 0) AS expected, COALESCE(u.total, 0) AS found FROM account a' +
      ` LEFT JOIN (SELECT account_id, -${sum('amount')} AS total FROM entry WHERE grant_id IS NULL AND amount < 0` +
      ' GROUP BY account_id) n ON n.account_id = a.id' +
      ` LEFT JOIN (SELECT workspace_id, ${sum('used_before')} AS total FROM credit_grant GROUP BY workspace_id) u` +
      " ON u.workspace_id = a.workspace_id WHERE a.kind = 'balance' AND COALESCE(n.total, 0) <> COALESCE(u.total, 0)",
  ])
}

/** Admission looks at lots only from the instant that the balance notes: it must not be later than the first expiry. */
export function findForgottenExpiries(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT a.id AS subject, 'no later than ' || l.first_at AS expected," +
      " COALESCE(CAST(a.next_expiry_at AS TEXT), 'never') AS found FROM account a" +
      ' JOIN (SELECT workspace_id, MIN(expires_at) AS first_at FROM credit_grant' +
      ' WHERE remaining > 0 AND expires_at IS NOT NULL GROUP BY workspace_id) l ON l.workspace_id = a.workspace_id' +
      " WHERE a.kind = 'balance' AND (a.next_expiry_at IS NULL OR a.next_expiry_at > l.first_at)",
  )
}

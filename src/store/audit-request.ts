/** SQL that finds request rows which contradict themselves, or the rows that belong to them. */
import { find, findAll, type Mismatch } from './audit.ts'
import type { Sql } from './database.ts'

/** Requests that hold money since before an instant: nothing runs that long. */
export function findStaleHolds(sql: Sql, beforeMs: number): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT id AS subject, 'ended' AS expected, 'held since ' || created_at AS found FROM request" +
      " WHERE state = 'held' AND created_at < ?",
    beforeMs,
  )
}

/** A hold grows up to what was decided at admission, and a cap on the output is part of that decision. */
export function findWrongHoldSizes(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT id AS subject, 'at most ' || COALESCE(CAST(max_hold AS TEXT), 'what was decided') AS expected," +
      " hold || COALESCE(', output capped to ' || clamped_output, '') AS found FROM request" +
      ' WHERE hold > max_hold OR (max_hold IS NULL AND (node_id IS NOT NULL OR clamped_output IS NOT NULL))' +
      ' OR clamped_output <= 0',
  )
}

/**
 * An open request knows nothing of an end. An ended one knows when it ended, under which policy and, if a node took it,
 * by whom. What came too late is noted on ended ones alone.
 */
export function findWrongEnds(sql: Sql): Promise<Mismatch[]> {
  return findAll(sql, [
    "SELECT id AS subject, 'no trace of an end' AS expected, 'charged ' || COALESCE(CAST(charged AS TEXT), 'nothing')" +
      " || ', ended by ' || COALESCE(ended_by, 'nobody') AS found FROM request WHERE state = 'held'" +
      ' AND (cost IS NOT NULL OR charged IS NOT NULL OR outcome IS NOT NULL OR policy_version IS NOT NULL' +
      ' OR ended_at IS NOT NULL OR ended_by IS NOT NULL OR late_cost IS NOT NULL)',
    "SELECT id AS subject, 'when, by whom, under which policy' AS expected," +
      " 'ended at ' || COALESCE(CAST(ended_at AS TEXT), 'no time') || ' by ' || COALESCE(ended_by, 'nobody')" +
      " || ', policy ' || COALESCE(CAST(policy_version AS TEXT), 'none') AS found FROM request WHERE state <> 'held'" +
      ' AND (ended_at IS NULL OR policy_version IS NULL OR (node_id IS NOT NULL AND ended_by IS NULL))',
    "SELECT id AS subject, 'a late cost above zero' AS expected, late_cost AS found FROM request WHERE late_cost <= 0",
  ])
}

/**
 * Whoever is charged has a workspace; the account is its balance; a seat stands on what a plan pays and an own credential
 * on what it paid for, and on nothing else.
 */
export function findWrongPayers(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT r.id AS subject, 'the balance of ' || COALESCE(r.workspace_id, 'a workspace') AS expected," +
      " r.funding || COALESCE(', seat ' || r.seat_id, '') || ', ' || COALESCE(r.account_id || ', ' || a.kind || ' of '" +
      " || COALESCE(a.workspace_id, 'nobody'), 'no account') AS found" +
      ' FROM request r LEFT JOIN account a ON a.id = r.account_id' +
      " WHERE (r.funding <> 'free' AND r.workspace_id IS NULL)" +
      " OR (r.funding <> 'free' AND r.node_id IS NOT NULL AND r.account_id IS NULL)" +
      " OR (r.account_id IS NOT NULL AND (a.id IS NULL OR a.kind <> 'balance'" +
      " OR COALESCE(a.workspace_id, '') <> COALESCE(r.workspace_id, '')))" +
      " OR (r.funding = 'plan' AND r.seat_id IS NULL) OR (r.funding <> 'plan' AND r.seat_id IS NOT NULL)" +
      " OR (r.funding <> 'byok' AND r.credential_id IS NOT NULL)",
  )
}

/** Attempts are numbered from one without a gap, and nothing is settled that was never sent. */
export function findWrongAttempts(sql: Sql): Promise<Mismatch[]> {
  return findAll(sql, [
    "SELECT r.id AS subject, r.attempts || ' attempts' AS expected, COALESCE(a.rows_found, 0) || ' from '" +
      " || COALESCE(a.first_n, 0) || ' to ' || COALESCE(a.last_n, 0) AS found FROM request r LEFT JOIN" +
      ' (SELECT request_id, COUNT(*) AS rows_found, MIN(n) AS first_n, MAX(n) AS last_n FROM attempt GROUP BY request_id) a' +
      ' ON a.request_id = r.id WHERE r.attempts <> COALESCE(a.rows_found, 0) OR a.first_n <> 1 OR a.last_n <> a.rows_found',
    "SELECT id AS subject, 'an attempt' AS expected, 'settled without one' AS found FROM request" +
      " WHERE state = 'settled' AND attempts = 0",
    "SELECT DISTINCT a.request_id AS subject, 'a request' AS expected, 'attempts alone' AS found FROM attempt a" +
      ' WHERE NOT EXISTS (SELECT 1 FROM request r WHERE r.id = a.request_id)',
  ])
}

/** A key names one request of its workspace that holds money or was charged. */
export function findRepeatedIdempotencyKeys(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT MIN(id) AS subject, 1 AS expected, COUNT(*) AS found FROM request WHERE idempotency_key IS NOT NULL AND state <> 'released'" +
      ' AND workspace_id IS NOT NULL GROUP BY workspace_id, idempotency_key HAVING COUNT(*) > 1',
  )
}

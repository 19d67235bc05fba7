/**
 * Judges the books by invariants of its own, in plain SQL that both engines take, so that a slip in the ledger and the
 * same slip in its audit show all the same.
 */
import { setInterval } from 'node:timers'
import { auditLedger } from '../../src/control/audit.ts'
import { type Database, reasonOf, type Sql } from '../../src/store/database.ts'
import { NOON_MS } from './world.ts'

/** Each statement names what breaks its invariant. */
const INVARIANTS: Readonly<Record<string, string>> = {
  'a transfer has two legs or more, and they sum to zero':
    'SELECT transfer_id AS id FROM entry GROUP BY transfer_id HAVING SUM(amount) <> 0 OR COUNT(*) < 2',
  'the whole ledger sums to zero':
    "SELECT 'ledger' AS id FROM (SELECT SUM(posted) AS total FROM account) whole WHERE total <> 0",
  'an account is the sum of its entries':
    'SELECT a.id FROM account a LEFT JOIN (SELECT account_id, SUM(amount) AS total FROM entry GROUP BY account_id) e' +
    ' ON e.account_id = a.id WHERE a.posted <> COALESCE(e.total, 0)',
  'what a balance holds is the sum of its open requests':
    "SELECT a.id FROM account a LEFT JOIN (SELECT account_id, SUM(hold) AS total FROM request WHERE funding = 'balance'" +
    " AND state = 'held' GROUP BY account_id) r ON r.account_id = a.id WHERE a.kind = 'balance' AND a.held <> COALESCE(r.total, 0)",
  'no balance is overdrawn': "SELECT id FROM account WHERE kind = 'balance' AND posted - held < 0",
  'a request is settled once if it cost something, and else never':
    "SELECT r.id FROM request r LEFT JOIN transfer t ON t.id = 's:' || r.id" +
    " WHERE (t.id IS NOT NULL) <> (r.state = 'settled' AND r.funding = 'balance' AND r.cost > 0)",
  'a settlement takes from the balance what the row says':
    'SELECT r.id FROM request r LEFT JOIN (SELECT transfer_id, account_id, SUM(amount) AS total FROM entry' +
    " GROUP BY transfer_id, account_id) e ON e.transfer_id = 's:' || r.id AND e.account_id = r.account_id" +
    " WHERE r.funding = 'balance' AND r.state = 'settled' AND -r.charged <> COALESCE(e.total, 0)",
  'a charge is within its hold, and stands on ended requests alone':
    "SELECT id FROM request WHERE charged < 0 OR charged > hold OR (charged IS NULL) <> (state = 'held')",
  'what a window holds is the sum of its requests':
    'SELECT m.id FROM meter m LEFT JOIN (SELECT meter_id, SUM(held) AS total FROM request_meter GROUP BY meter_id) q' +
    ' ON q.meter_id = m.id WHERE m.held <> COALESCE(q.total, 0)',
  'what a window counts is the sum of its requests':
    'SELECT m.id FROM meter m LEFT JOIN (SELECT meter_id, SUM(counted) AS total FROM request_meter GROUP BY meter_id) q' +
    ' ON q.meter_id = m.id WHERE m.settled <> COALESCE(q.total, 0)',
  'an open request holds its weighted hold of each window, an ended one nothing':
    'SELECT r.id FROM request r JOIN request_meter q ON q.request_id = r.id JOIN meter m ON m.id = q.meter_id' +
    " WHERE q.held <> CASE WHEN r.state <> 'held' THEN 0" +
    " WHEN m.scope = 'seat' THEN (r.hold * r.weight_ppm + 500000) / 1000000 ELSE r.hold END",
  'no window is above its limit': 'SELECT id FROM meter WHERE settled + held > limit_amount',
  'windows of one name never overlap':
    'SELECT b.id FROM meter a JOIN meter b ON a.subject_id = b.subject_id AND a.name = b.name AND a.id <> b.id' +
    " AND b.starts_at >= a.starts_at AND b.starts_at < a.ends_at WHERE a.kind <> 'sliding'",
  'the rest of a lot is what its entries leave':
    'SELECT g.id FROM credit_grant g LEFT JOIN (SELECT grant_id, SUM(amount) AS total FROM entry GROUP BY grant_id) e' +
    ' ON e.grant_id = g.id WHERE g.remaining <> COALESCE(e.total, 0) - g.used_before',
  'a balance is what its lots have left':
    'SELECT a.id FROM account a LEFT JOIN (SELECT workspace_id, SUM(remaining) AS total FROM credit_grant' +
    ' GROUP BY workspace_id) g ON g.workspace_id = a.workspace_id' +
    " WHERE a.kind = 'balance' AND a.posted <> COALESCE(g.total, 0)",
  'an idempotency key stands on one request that may have cost something':
    'SELECT idempotency_key AS id FROM request WHERE idempotency_key IS NOT NULL' +
    " AND state <> 'released' GROUP BY workspace_id, idempotency_key HAVING COUNT(*) > 1",
}

/** The broken invariants at this instant, each with what broke it; empty when all is well. */
export function violationsOf(db: Database): Promise<string[]> {
  return db.read(findViolations)
}

async function findViolations(sql: Sql): Promise<string[]> {
  const found: string[] = []
  for (const [name, statement] of Object.entries(INVARIANTS)) {
    const rows = await sql.all<{ id: string }>(statement)
    if (rows.length > 0) found.push(`${name}: ${rows.length}, such as ${rows[0]?.id}`)
  }
  return found
}

/** The same, and what the product's own audit says of it. */
export async function fullViolationsOf(db: Database): Promise<string[]> {
  const { differences } = await auditLedger(db, { nowMs: NOON_MS, sample: true })
  return [...(await violationsOf(db)), ...differences.map(({ rule, subject }) => `audit ${rule}: ${subject}`)]
}

/** Looks again and again until stopped; a slip that heals by itself is seen as well. */
export function sampleViolations(db: Database, everyMs = 50): () => Promise<string[]> {
  const seen = new Set<string>()
  let looking: Promise<void> | null = null
  const look = async (): Promise<void> => {
    for (const violation of await violationsOf(db)) seen.add(violation)
  }
  const timer = setInterval(() => {
    looking ??= look()
      .catch((error: unknown) => {
        clearInterval(timer)
        seen.add(`the books cannot be read: ${reasonOf(error)}`)
      })
      .finally(() => {
        looking = null
      })
  }, everyMs)
  // A test that fails does not stop it.
  timer.unref()
  return async () => {
    clearInterval(timer)
    await looking
    for (const violation of await fullViolationsOf(db)) seen.add(violation)
    return [...seen]
  }
}

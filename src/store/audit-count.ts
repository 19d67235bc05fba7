/** SQL that counts what an audit looks at, and sums what is no fault but must be known. */
import type { NanoUsd } from '../base/money.ts'
import { sum } from './audit.ts'
import type { Sql } from './database.ts'

/** How many rows of each kind were looked at. */
export interface AuditCounts {
  readonly accounts: bigint
  readonly transfers: bigint
  readonly entries: bigint
  readonly lots: bigint
  readonly requests: bigint
  readonly held: bigint
  readonly meters: bigint
  readonly request_meters: bigint
  readonly price_versions: bigint
}

export async function countAudited(sql: Sql): Promise<AuditCounts> {
  const counts = await sql.get<AuditCounts>(
    'SELECT (SELECT COUNT(*) FROM account) AS accounts, (SELECT COUNT(*) FROM transfer) AS transfers,' +
      ' (SELECT COUNT(*) FROM entry) AS entries, (SELECT COUNT(*) FROM credit_grant) AS lots,' +
      " (SELECT COUNT(*) FROM request) AS requests, (SELECT COUNT(*) FROM request WHERE state = 'held') AS held," +
      ' (SELECT COUNT(*) FROM meter) AS meters, (SELECT COUNT(*) FROM request_meter) AS request_meters,' +
      ' (SELECT COUNT(*) FROM price_version) AS price_versions',
  )
  if (!counts) throw new Error('counting returned no row')
  return counts
}

export interface AuditSums {
  /** What requests under way hold, of balances and plans. */
  readonly held: NanoUsd
  /** Requests under way whose node has ended, or is unknown: the next sweep ends them. */
  readonly unattended: bigint
  /** Requests whose real end came after somebody else had ended them, and what they would have cost. */
  readonly late: bigint
  readonly lateCost: NanoUsd
  /** What the operator has lost: cost above what was held. */
  readonly writtenOff: NanoUsd
}

export async function sumAudited(sql: Sql): Promise<AuditSums> {
  const sums = await sql.get<AuditSums>(
    `SELECT (SELECT COALESCE(${sum('hold')}, 0) FROM request WHERE state = 'held') AS held,` +
      " (SELECT COUNT(*) FROM request r WHERE r.state = 'held' AND NOT EXISTS" +
      ' (SELECT 1 FROM node n WHERE n.id = r.node_id AND n.ended_at IS NULL)) AS unattended,' +
      ' (SELECT COUNT(late_cost) FROM request) AS late,' +
      ` (SELECT COALESCE(${sum('late_cost')}, 0) FROM request) AS "lateCost",` +
      ` (SELECT COALESCE(-${sum('posted')}, 0) FROM account WHERE kind = 'write_off') AS "writtenOff"`,
  )
  if (!sums) throw new Error('summing returned no row')
  return sums
}

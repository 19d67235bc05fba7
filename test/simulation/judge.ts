/** Compares the books with the model after each commit, row by row, and asks the invariants once more in plain SQL. */
import type { Sql } from '../../src/store/database.ts'
import { demand, type Model, type ModelRequest, Violation } from './model.ts'

export interface RequestRow {
  readonly id: string
  readonly state: 'held' | 'settled' | 'released'
  readonly node_id: string
  readonly ended_by: string | null
  readonly hold: bigint
  readonly cost: bigint | null
  readonly charged: bigint | null
  readonly late_cost: bigint | null
}

interface MeterRow {
  readonly id: string
  readonly starts_at: bigint
  readonly ends_at: bigint
  readonly limit_amount: bigint
  readonly settled: bigint
  readonly held: bigint
}

export function loadRequests(sql: Sql): Promise<RequestRow[]> {
  return sql.all<RequestRow>(
    'SELECT id, state, node_id, ended_by, hold, cost, charged, late_cost FROM request ORDER BY id',
  )
}

/** @throws Violation at the first difference. */
export async function compareBooks(sql: Sql, model: Model, requests: readonly RequestRow[]): Promise<void> {
  compareRequests(requests, model)
  await compareAccounts(sql, model)
  await compareLots(sql, model)
  await compareMeters(sql, model)
  await askInvariants(sql)
}

function compareRequests(rows: readonly RequestRow[], model: Model): void {
  demand(rows.length === model.requests.size, `${rows.length} requests instead of ${model.requests.size}`)
  for (const row of rows) {
    const own = model.requests.get(row.id)
    demand(own !== undefined, `nobody admitted ${row.id}`)
    demand(describe(own) === describeRow(row), `${row.id} is ${describeRow(row)} instead of ${describe(own)}`)
  }
}

function describe({ state, hold, charged, cost, endedBy, lateCost }: ModelRequest): string {
  return [state, hold, charged, cost, endedBy, lateCost].join(' ')
}

function describeRow({ state, hold, charged, cost, ended_by, late_cost }: RequestRow): string {
  return [state, hold, charged, cost, ended_by, late_cost].join(' ')
}

async function compareAccounts(sql: Sql, model: Model): Promise<void> {
  const rows = await sql.all<{ id: string; workspace_id: string | null; posted: bigint; held: bigint }>(
    'SELECT id, workspace_id, posted, held FROM account',
  )
  const system = new Map<string, bigint>(Object.entries(model.system))
  for (const { id, workspace_id, posted, held } of rows) {
    const own = workspace_id === null ? { posted: system.get(id), held: 0n } : model.account(workspace_id)
    const isSame = own.posted === posted && own.held === held
    demand(isSame, `${id} has ${posted} and holds ${held} instead of ${own.posted} and ${own.held}`)
  }
}

async function compareLots(sql: Sql, model: Model): Promise<void> {
  const rows = await sql.all<{ id: string; remaining: bigint }>('SELECT id, remaining FROM credit_grant')
  const lots = new Map(model.lots.map((lot) => [lot.id, lot.remaining]))
  demand(rows.length === lots.size, `${rows.length} lots instead of ${lots.size}`)
  for (const { id, remaining } of rows) {
    demand(lots.get(id) === remaining, `of the lot ${id} ${remaining} is left instead of ${lots.get(id)}`)
  }
}

async function compareMeters(sql: Sql, model: Model): Promise<void> {
  const rows = await sql.all<MeterRow>('SELECT id, starts_at, ends_at, limit_amount, settled, held FROM meter')
  demand(rows.length === model.meters.size, `${rows.length} meters instead of ${model.meters.size}`)
  for (const row of rows) {
    const own = model.meters.get(row.id)
    if (!own) throw new Violation(`nobody opened the meter ${row.id}`)
    if (own.endsAtMs === Number.POSITIVE_INFINITY) own.startsAtMs = Number(row.starts_at)
    if (own.endsAtMs === Number.POSITIVE_INFINITY) own.endsAtMs = Number(row.ends_at)
    const isSame = own.settled === row.settled && own.held === row.held && own.limit === row.limit_amount
    demand(
      isSame,
      `${row.id} counts ${row.settled}+${row.held} of ${row.limit_amount} instead of ${own.settled}+${own.held} of ${own.limit}`,
    )
    const isFixed = own.startsAtMs === Number(row.starts_at) && own.endsAtMs === Number(row.ends_at)
    demand(isFixed && row.ends_at > row.starts_at, `${row.id} has other bounds than it was opened with`)
  }
}

/** Each statement finds nothing when its invariant holds. */
const INVARIANTS: readonly (readonly [string, string])[] = [
  [
    'I1: entries of a transfer sum to zero',
    'SELECT transfer_id AS id FROM entry GROUP BY transfer_id HAVING SUM(amount) <> 0 OR COUNT(*) < 2',
  ],
  ['I1: the ledger sums to zero', 'SELECT SUM(posted) AS id FROM account HAVING SUM(posted) <> 0'],
  [
    'I2: a balance is the sum of its entries',
    'SELECT a.id FROM account a LEFT JOIN entry e ON e.account_id = a.id GROUP BY a.id, a.posted HAVING a.posted <> COALESCE(SUM(e.amount), 0)',
  ],
  [
    'I3: held is the sum of open holds',
    "SELECT a.id FROM account a LEFT JOIN request r ON r.account_id = a.id AND r.funding = 'balance' AND r.state = 'held' WHERE a.kind = 'balance' GROUP BY a.id, a.held HAVING a.held <> COALESCE(SUM(r.hold), 0)",
  ],
  [
    'I4: one settlement for each charge',
    "SELECT r.id FROM request r LEFT JOIN transfer t ON t.id = 's:' || r.id WHERE (t.id IS NOT NULL) <> (r.state = 'settled' AND r.funding = 'balance' AND r.cost > 0)",
  ],
  [
    'I5: a charge is within its hold',
    "SELECT id FROM request WHERE charged < 0 OR charged > hold OR (charged IS NULL) <> (state = 'held')",
  ],
  ['I6: no balance is overdrawn', "SELECT id FROM account WHERE kind = 'balance' AND posted - held < 0"],
  [
    'I7: a window holds what its open requests hold',
    'SELECT m.id FROM meter m LEFT JOIN request_meter rm ON rm.meter_id = m.id GROUP BY m.id, m.held HAVING m.held <> COALESCE(SUM(rm.held), 0)',
  ],
  [
    'I8: a window counts what its requests count',
    'SELECT m.id FROM meter m LEFT JOIN request_meter rm ON rm.meter_id = m.id GROUP BY m.id, m.settled HAVING m.settled <> COALESCE(SUM(rm.counted), 0)',
  ],
  ['I9: no window is above its limit', 'SELECT id FROM meter WHERE settled + held > limit_amount'],
  [
    'I10: windows of a name never overlap',
    "SELECT b.id FROM meter a JOIN meter b ON a.subject_id = b.subject_id AND a.name = b.name AND a.id <> b.id AND b.starts_at >= a.starts_at AND b.starts_at < a.ends_at WHERE a.kind <> 'sliding'",
  ],
  [
    'I10: a request was admitted before its window ended',
    'SELECT r.id FROM request r JOIN request_meter rm ON rm.request_id = r.id JOIN meter m ON m.id = rm.meter_id WHERE r.created_at >= m.ends_at',
  ],
]

async function askInvariants(sql: Sql): Promise<void> {
  for (const [name, statement] of INVARIANTS) {
    const row = await sql.get<{ id: string }>(statement)
    demand(row === undefined, `${name}: ${row?.id}`)
  }
}

/**
 * Looks into the gateway's books from a second connection while it runs, and judges them by invariants of its own.
 *
 * The invariants are written anew here, in plain SQL, so that a slip in `zendo audit` shows as well.
 */
import type { SQLInputValue } from 'node:sqlite'
import { type BooksPlace, openSyncSql, type SyncSql } from './sync-sql.ts'

/** Amounts are nano-dollars. */
export interface BookRow {
  readonly id: string
  readonly model: string
  readonly funding: 'free' | 'plan' | 'balance'
  readonly stream: bigint
  readonly state: 'held' | 'settled' | 'released'
  readonly outcome: string | null
  readonly estimated: bigint
  readonly status: bigint | null
  readonly error_code: string | null
  readonly price_version: string | null
  readonly provider: string | null
  readonly attempts: bigint
  readonly hold: bigint
  readonly cost: bigint | null
  readonly charged: bigint | null
  readonly input_tokens: bigint
  readonly output_tokens: bigint
}

export interface WindowBook {
  readonly seat_id: string
  readonly name: string
  readonly settled: bigint
  readonly held: bigint
  readonly limit_amount: bigint
}

export interface BookAttempt {
  readonly provider: string
  readonly outcome: string
  readonly status: bigint | null
  readonly took_ms: bigint
}

export interface Books {
  openHolds(): number
  balance(): { readonly posted: bigint; readonly held: bigint }
  windows(): WindowBook[]
  requests(): BookRow[]
  find(requestId: string): BookRow | null
  /** Of a request, in order. */
  attempts(requestId: string): BookAttempt[]
  /** Of a request's settlement: amount by account kind. */
  entries(requestId: string): ReadonlyMap<string, bigint>
  /** The broken invariants at this instant, each with what broke it; empty when all is well. */
  violations(): string[]
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[]
  close(): void
}

/** Opens the database of a running or stopped gateway; nothing is written. A text is its data directory. */
export function openBooks(place: string | BooksPlace): Books {
  const sql = openSyncSql(typeof place === 'string' ? { dataDir: place } : place)
  const { all } = sql
  return {
    openHolds: () => Number(all<{ n: bigint }>("SELECT count(*) AS n FROM request WHERE state = 'held'")[0]?.n ?? -1),
    balance: () =>
      all<{ posted: bigint; held: bigint }>("SELECT posted, held FROM account WHERE kind = 'balance'")[0] ?? {
        posted: 0n,
        held: 0n,
      },
    windows: () =>
      all<WindowBook>('SELECT subject_id AS seat_id, name, settled, held, limit_amount FROM meter ORDER BY id'),
    requests: () => all<BookRow>('SELECT * FROM request ORDER BY id'),
    find: (requestId) => all<BookRow>('SELECT * FROM request WHERE id = ?', requestId)[0] ?? null,
    attempts: (requestId) =>
      all(
        'SELECT provider, outcome, status, ended_at - started_at AS took_ms FROM attempt WHERE request_id = ? ORDER BY n',
        requestId,
      ),
    entries(requestId) {
      const rows = all<{ kind: string; amount: bigint }>(
        // A charge may draw on several lots of credit, a leg each.
        'SELECT a.kind, sum(e.amount) AS amount FROM entry e JOIN account a ON a.id = e.account_id WHERE e.transfer_id = ? GROUP BY a.kind',
        `s:${requestId}`,
      )
      return new Map(rows.map(({ kind, amount }) => [kind, amount]))
    },
    violations: () => violations(sql),
    all,
    close: () => sql.close(),
  }
}

/** Of columns that would take anything. */
const LOOSELY_TYPED = [
  'amounts are integers',
  "SELECT id, typeof(posted) AS type FROM account WHERE typeof(posted) <> 'integer' OR typeof(held) <> 'integer'",
] as const

/** Each statement returns no rows when its invariant holds. */
const INVARIANTS: readonly (readonly [string, string])[] = [
  [
    'the entries of each transfer sum to zero, over two legs or more',
    'SELECT transfer_id FROM entry GROUP BY transfer_id HAVING sum(amount) <> 0 OR count(*) < 2',
  ],
  ['the whole ledger sums to zero', 'SELECT sum(posted) AS total FROM account HAVING sum(posted) <> 0'],
  [
    'a balance is the sum of its entries',
    'SELECT id FROM account a WHERE posted <> (SELECT coalesce(sum(amount), 0) FROM entry WHERE account_id = a.id)',
  ],
  [
    'what a balance holds is the sum of its open requests',
    "SELECT a.id, a.held FROM account a WHERE kind = 'balance' AND held <> (SELECT coalesce(sum(hold), 0) FROM request r" +
      " WHERE r.workspace_id = a.workspace_id AND r.funding = 'balance' AND r.state = 'held')",
  ],
  ['no balance is overdrawn', "SELECT id FROM account WHERE kind = 'balance' AND posted - held < 0"],
  [
    'one settlement per charged request, none for the others',
    "SELECT r.id FROM request r LEFT JOIN transfer t ON t.id = 's:' || r.id" +
      " WHERE (t.id IS NOT NULL) <> (r.state = 'settled' AND r.funding = 'balance' AND r.cost > 0)",
  ],
  [
    'a settlement takes from the balance what the row says',
    "SELECT r.id, sum(e.amount) AS total, r.charged FROM request r JOIN entry e ON e.transfer_id = 's:' || r.id" +
      " JOIN account a ON a.id = e.account_id AND a.kind = 'balance' GROUP BY r.id, r.charged" +
      ' HAVING sum(e.amount) <> -r.charged',
  ],
  [
    'a charge is not negative and within its hold',
    "SELECT id FROM request WHERE charged < 0 OR charged > hold OR (charged IS NULL) <> (state = 'held')",
  ],
  [
    'what a window holds is the sum of its open requests',
    'SELECT id, held FROM meter w WHERE held <> (SELECT coalesce(sum(held), 0) FROM request_meter WHERE meter_id = w.id)',
  ],
  [
    'what a window counts is the sum of its requests',
    'SELECT id FROM meter w WHERE settled <> (SELECT coalesce(sum(counted), 0) FROM request_meter WHERE meter_id = w.id)',
  ],
  ['no window is above its limit', 'SELECT id FROM meter WHERE settled + held > limit_amount'],
  [
    'windows of one name never overlap',
    'SELECT b.id FROM meter a JOIN meter b ON a.subject_id = b.subject_id AND a.name = b.name AND a.id <> b.id' +
      ' AND b.starts_at >= a.starts_at AND b.starts_at < a.ends_at',
  ],
  [
    'an ended request holds nothing of a window',
    "SELECT r.id FROM request r JOIN request_meter w ON w.request_id = r.id WHERE r.state <> 'held' AND w.held <> 0",
  ],
]

function violations(sql: SyncSql): string[] {
  const invariants = sql.engine === 'sqlite' ? [...INVARIANTS, LOOSELY_TYPED] : INVARIANTS
  const found = sql.allOfOneInstant(invariants.map(([, query]) => query))
  return invariants.flatMap(([name], index) => {
    const rows = found[index] ?? []
    const [first] = rows
    return first ? [`${name}: ${rows.length} rows, such as ${Object.values(first).join(' ')}`] : []
  })
}

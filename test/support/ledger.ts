/** Reads what the gateway wrote down, straight from its database file. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The columns of a request row that tests look at. Amounts are nano-dollars. */
export interface LedgerRow {
  readonly id: string
  readonly model: string
  readonly state: 'held' | 'settled' | 'released'
  readonly outcome: string | null
  readonly estimated: boolean
  readonly status: number | null
  readonly error_code: string | null
  readonly hold: bigint
  readonly cost: bigint | null
  readonly charged: bigint | null
  readonly input_tokens: number
  readonly cached_read_tokens: number
  readonly cache_write_5m_tokens: number
  readonly cache_write_1h_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
}

export interface Ledger {
  /** The row of an answered request, or null. */
  find(requestId: string): LedgerRow | null
  /** Every row, oldest first. */
  rows(): LedgerRow[]
  close(): void
}

const COLUMNS =
  'id, model, state, outcome, estimated, status, error_code, hold, cost, charged, input_tokens,' +
  ' cached_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens'

/** Opens the ledger beside a running or stopped gateway; it is never written to. */
export function openLedger(dataDir: string): Ledger {
  const db = new DatabaseSync(join(dataDir, 'zendo.db'), { readOnly: true })
  const one = db.prepare(`SELECT ${COLUMNS} FROM request WHERE id = ?`)
  const all = db.prepare(`SELECT ${COLUMNS} FROM request ORDER BY id`)
  one.setReadBigInts(true)
  all.setReadBigInts(true)
  return {
    find: (requestId) => {
      const row = one.get(requestId)
      return row === undefined ? null : toRow(row)
    },
    rows: () => all.all().map(toRow),
    close: () => db.close(),
  }
}

/** Token counts and flags are small; only amounts of money stay `bigint`. */
function toRow(record: Record<string, unknown>): LedgerRow {
  const amounts = ['hold', 'cost', 'charged']
  const columns = Object.entries(record).map(([name, value]) => {
    if (typeof value !== 'bigint' || amounts.includes(name)) return [name, value]
    return [name, name === 'estimated' ? value === 1n : Number(value)]
  })
  return Object.fromEntries(columns) as LedgerRow
}

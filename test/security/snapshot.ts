/** Everything that stands in an embedded database: read whole, compared, and put back as it was. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

type Row = readonly unknown[]

/** The rows of each table, as texts in order. */
export type Contents = ReadonlyMap<string, readonly string[]>

/** Written by every process all the time, or by design only added to. */
const NEVER_PUT_BACK: ReadonlySet<string> = new Set([
  ...['schema_version', 'migration', 'revision', 'audit_log', 'node', 'price_version', 'event', 'delivery'],
])
/** What a refusal may write: counters against guessing, and that somebody was refused. */
const MAY_CHANGE: ReadonlySet<string> = new Set([...NEVER_PUT_BACK, 'throttle', 'anonymous_use', 'kept_reply'])
/** Written off the request path, when nobody can say. */
const VOLATILE_COLUMNS: ReadonlySet<string> = new Set(['api_key.last_used_at', 'session.seen_at'])

export interface Snapshots {
  /** Every column name of every table. */
  columns(): ReadonlyMap<string, readonly string[]>
  look(): Contents
  /** Makes the look of now the one that is put back. */
  keep(): void
  /** Puts back what has changed since. */
  putBack(): void
  run(sql: string, ...values: (string | number | bigint | null)[]): void
  all(sql: string, ...values: (string | number | bigint | null)[]): Record<string, unknown>[]
  close(): void
}

interface Table {
  readonly name: string
  readonly columns: readonly string[]
}

export function openSnapshots(dataDir: string): Snapshots {
  const db = new DatabaseSync(join(dataDir, 'zendo.db'), { readBigInts: true, timeout: 5000 })
  db.exec('PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF')
  db.function('ledger_open', () => 1)
  const tables = tablesOf(db)
  let kept: ReadonlyMap<string, { readonly rows: readonly Row[]; readonly texts: readonly string[] }> = new Map()

  const read = ({ name }: Table): Row[] => {
    const statement = db.prepare(`SELECT * FROM "${name}"`)
    statement.setReturnArrays(true)
    return statement.all() as unknown as Row[]
  }
  const putBackTable = (table: Table, rows: readonly Row[]): void => {
    const triggers = db
      .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?")
      .all(table.name) as { name: string; sql: string }[]
    for (const { name } of triggers) db.exec(`DROP TRIGGER "${name}"`)
    db.exec(`DELETE FROM "${table.name}"`)
    const insert = db.prepare(`INSERT INTO "${table.name}" VALUES (${table.columns.map(() => '?').join(', ')})`)
    for (const row of rows) insert.run(...(row as (string | bigint | null)[]))
    for (const { sql } of triggers) db.exec(sql)
  }
  return {
    columns: () => new Map(tables.map(({ name, columns }) => [name, columns])),
    look: () =>
      new Map(
        tables.map((table) => [
          table.name,
          read(table)
            .map((row) => textOf(table, row))
            .sort(),
        ]),
      ),
    keep() {
      kept = new Map(
        tables
          .filter(({ name }) => !NEVER_PUT_BACK.has(name))
          .map((table) => {
            const rows = read(table)
            return [table.name, { rows, texts: rows.map((row) => exactTextOf(row)) }] as const
          }),
      )
    },
    putBack() {
      db.exec('BEGIN IMMEDIATE')
      for (const table of tables) {
        const before = kept.get(table.name)
        if (!before) continue
        const now = read(table).map(exactTextOf)
        if (now.length === before.texts.length && now.every((text, index) => text === before.texts[index])) continue
        putBackTable(table, before.rows)
      }
      db.exec('COMMIT')
    },
    run: (sql, ...values) => void db.prepare(sql).run(...values),
    all: (sql, ...values) => db.prepare(sql).all(...values) as Record<string, unknown>[],
    close: () => db.close(),
  }
}

function tablesOf(db: DatabaseSync): Table[] {
  const found = db
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    .all() as { name: string }[]
  return found.map(({ name }) => {
    const columns = db.prepare(`SELECT name FROM pragma_table_info('${name}')`).all() as { name: string }[]
    return { name, columns: columns.map((column) => column.name) }
  })
}

function exactTextOf(row: Row): string {
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}

function textOf({ name, columns }: Table, row: Row): string {
  return exactTextOf(row.map((value, index) => (VOLATILE_COLUMNS.has(`${name}.${columns[index]}`) ? null : value)))
}

/** What two looks differ in, but for what may change at any time; rows that hold none of `only`'s texts do not count. */
export function differences(before: Contents, after: Contents, only: readonly string[] | null = null): string[] {
  const found: string[] = []
  for (const [table, rows] of after) {
    if (MAY_CHANGE.has(table)) continue
    const old = new Set(before.get(table))
    const now = new Set(rows)
    const gone = [...old].filter((row) => !now.has(row)).map((row) => `${table} lost ${row}`)
    const come = [...now].filter((row) => !old.has(row)).map((row) => `${table} got ${row}`)
    found.push(...[...gone, ...come].filter((line) => only === null || only.some((text) => line.includes(text))))
  }
  return found.map((line) => line.slice(0, 300))
}

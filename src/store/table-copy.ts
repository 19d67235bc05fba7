/**
 * Whole tables, from one database to another of the same schema: read by key in pages, so that memory is that of one
 * page, and counted and hashed on the way, so that both sides can be compared.
 *
 * Which tables there are, their keys and whose rows must come first is asked of SQLite's catalogue: of two databases that
 * are copied or compared, one is always a file.
 */
import { hash } from 'node:crypto'
import type { Sql, SqlValue } from './database.ts'

export interface Table {
  readonly name: string
  readonly columns: readonly string[]
  /** The columns of its primary key. */
  readonly key: readonly string[]
}

/** The same for the same rows, whatever the order in which an engine gives them. */
export interface TableDigest {
  readonly rows: number
  readonly digest: string
}

type Row = Readonly<Record<string, SqlValue>>

/** Rows in memory at a time. */
const PAGE_ROWS = 500

/** What SQLite keeps of tables, indexes and triggers: to be hashed like a table. */
export const SQLITE_SCHEMA: Table = {
  name: 'sqlite_schema',
  columns: ['name', 'type', 'tbl_name', 'sql'],
  key: ['name'],
}

/** All tables of a SQLite database, those that others refer to before these. */
export async function listTables(sqlite: Sql): Promise<Table[]> {
  const columns = await sqlite.all<{ table: string; column: string; pk: bigint }>(
    'SELECT m.name AS "table", c.name AS "column", c.pk FROM sqlite_schema m JOIN pragma_table_info(m.name) c' +
      " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid",
  )
  const references = await sqlite.all<{ child: string; parent: string }>(
    'SELECT m.name AS child, f."table" AS parent FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f' +
      " WHERE m.type = 'table'",
  )
  const tables = [...Map.groupBy(columns, ({ table }) => table)].map(([name, own]) => ({
    name,
    columns: own.map(({ column }) => column),
    key: own
      .filter(({ pk }) => pk > 0n)
      .sort((a, b) => Number(a.pk - b.pk))
      .map(({ column }) => column),
  }))
  return parentsFirst(tables, references)
}

function parentsFirst(
  tables: readonly Table[],
  references: readonly { readonly child: string; readonly parent: string }[],
): Table[] {
  const ordered = new Map<string, Table>()
  while (ordered.size < tables.length) {
    const isReady = ({ name }: Table): boolean =>
      !ordered.has(name) &&
      references.every(({ child, parent }) => child !== name || parent === name || ordered.has(parent))
    const next = tables.find(isReady)
    if (!next) throw new Error('tables refer to each other in a circle')
    ordered.set(next.name, next)
  }
  return [...ordered.values()]
}

/** Whether not one of the tables has a row. */
export async function areEmpty(sql: Sql, tables: readonly Pick<Table, 'name'>[]): Promise<boolean> {
  for (const { name } of tables) {
    if (await sql.get(`SELECT 1 AS found FROM ${quoted(name)} LIMIT 1`)) return false
  }
  return true
}

/** Forgets the rows that a migration itself has made: they come with the copy. */
export async function clearDefaults(sql: Sql): Promise<void> {
  await sql.run('DELETE FROM revision')
}

/** Keeps every other transaction out of the tables until this one ends. SQLite has one writer at a time anyway. */
export async function lockTables(postgres: Sql, tables: readonly Table[]): Promise<void> {
  await postgres.script(`LOCK TABLE ${tables.map(({ name }) => quoted(name)).join(', ')} IN ACCESS EXCLUSIVE MODE`)
}

/** Adds every row of a table to the same table elsewhere, which has none of them. */
export async function copyTable(from: Sql, to: Sql, table: Table): Promise<TableDigest> {
  const { name, columns } = table
  const marks = columns.map(() => '?').join(', ')
  const insert = `INSERT INTO ${quoted(name)} (${listed(columns)}) VALUES (${marks})`
  const digest = createDigest()
  for await (const rows of readPages(from, table)) {
    for (const row of rows) digest.add(row)
    await to.runEach(insert, rows)
  }
  return digest.result()
}

/** Of all its rows. `between` runs after each page: where another transaction waits, it must not be silent for long. */
export async function digestTable(
  sql: Sql,
  table: Table,
  between: () => Promise<unknown> = async () => undefined,
): Promise<TableDigest> {
  const digest = createDigest()
  for await (const rows of readPages(sql, table)) {
    for (const row of rows) digest.add(row)
    await between()
  }
  return digest.result()
}

/** Says a word in a transaction: PostgreSQL ends those that are silent. */
export async function keepAlive(sql: Sql): Promise<void> {
  await sql.get('SELECT 1 AS alive')
}

/** The rows in the order of their key, as values in the order of the columns. */
async function* readPages(sql: Sql, { name, columns, key }: Table): AsyncGenerator<SqlValue[][], void> {
  const first = `SELECT ${listed(columns)} FROM ${quoted(name)}`
  const order = `ORDER BY ${listed(key)} LIMIT ${PAGE_ROWS}`
  const after = `WHERE (${listed(key)}) > (${key.map(() => '?').join(', ')})`
  let last: SqlValue[] | null = null
  for (;;) {
    const page: Row[] =
      last === null
        ? await sql.all<Row>(`${first} ${order}`)
        : await sql.all<Row>(`${first} ${after} ${order}`, ...last)
    const end = page.at(-1)
    if (end === undefined) return
    last = valuesOf(end, key)
    yield page.map((row) => valuesOf(row, columns))
    if (page.length < PAGE_ROWS) return
  }
}

function valuesOf(row: Row, columns: readonly string[]): SqlValue[] {
  return columns.map((column) => row[column] ?? null)
}

/** Sums of hashes do not depend on the order, and engines sort text differently. */
function createDigest(): { add(row: readonly SqlValue[]): void; result(): TableDigest } {
  let rows = 0
  let [low, high] = [0n, 0n]
  return {
    add(row) {
      const bytes = hash('sha256', row.map(textOf).join('\0'), 'buffer')
      rows++
      low = BigInt.asUintN(64, low + bytes.readBigUInt64BE(0))
      high = BigInt.asUintN(64, high + bytes.readBigUInt64BE(8))
    },
    result: () => ({ rows, digest: [high, low].map((half) => half.toString(16).padStart(16, '0')).join('') }),
  }
}

/** Tells numbers, text and null apart. PostgreSQL keeps no zero characters: they are written as the same other one. */
function textOf(value: SqlValue): string {
  if (value === null) return ''
  return typeof value === 'string' ? `t${value.replaceAll('\0', '\ufffd')}` : `n${value}`
}

function listed(columns: readonly string[]): string {
  return columns.map(quoted).join(', ')
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

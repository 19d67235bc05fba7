/** SQL of what a backup says of itself: two tables of its own in the file, which a restore reads and drops. */
import { hash } from 'node:crypto'
import type { Database, Sql } from './database.ts'
import { sqlFor } from './engine-sql.ts'
import { digestTable, listTables, SQLITE_SCHEMA, type Table, type TableDigest } from './table-copy.ts'

export interface BackupRecord {
  readonly format: number
  /** The number of the last migration. */
  readonly schema: number
  /** Where the rows came from. */
  readonly engine: 'sqlite' | 'postgres'
  readonly madeAtMs: number
  /** Of each table of the file, and of its schema. */
  readonly digests: Readonly<Record<string, TableDigest>>
}

export const BACKUP_FORMAT = 1
const RECORD = 'backup'
const ENDS = 'backup_end'

/** Tables of a database that are no rows of an instance. */
export function isBookkeeping({ name }: Pick<Table, 'name'>): boolean {
  return name === RECORD || name === ENDS || name === 'migration'
}

/** Writes the record of what the file holds now; `ends` are charges that the database had not taken yet, as text. */
export async function writeBackupRecord(
  sql: Database,
  about: Pick<BackupRecord, 'engine' | 'madeAtMs'>,
  ends: readonly string[],
): Promise<BackupRecord> {
  await sql.script(
    'CREATE TABLE backup (format INTEGER NOT NULL, schema INTEGER NOT NULL, engine TEXT NOT NULL, made_at BIGINT NOT NULL, digests TEXT NOT NULL, seal TEXT NOT NULL);' +
      ' CREATE TABLE backup_end (n INTEGER PRIMARY KEY, content TEXT NOT NULL)',
  )
  await sql.runEach(
    'INSERT INTO backup_end (n, content) VALUES (?, ?)',
    ends.map((content, n) => [n, content]),
  )
  const schema = (await loadSchemaVersion(sql)) ?? 0
  const record: BackupRecord = { ...about, format: BACKUP_FORMAT, schema, digests: await digestFile(sql) }
  await sql.run(
    'INSERT INTO backup (format, schema, engine, made_at, digests, seal) VALUES (?, ?, ?, ?, ?, ?)',
    ...[record.format, schema, record.engine, record.madeAtMs, JSON.stringify(record.digests), sealOf(record)],
  )
  return record
}

interface RecordRow {
  readonly format: bigint
  readonly schema: bigint
  readonly engine: BackupRecord['engine']
  readonly made_at: bigint
  readonly digests: string
  readonly seal: string
}

/** Undefined for a database that no backup made. @throws Error when the record is damaged. */
export async function loadBackupRecord(sql: Sql): Promise<BackupRecord | undefined> {
  if (!(await sql.get("SELECT 1 AS found FROM sqlite_schema WHERE name = 'backup'"))) return undefined
  const row = await sql.get<RecordRow>('SELECT format, schema, engine, made_at, digests, seal FROM backup')
  if (!row) throw new Error('its record is missing')
  const record: BackupRecord = {
    format: Number(row.format),
    schema: Number(row.schema),
    engine: row.engine,
    madeAtMs: Number(row.made_at),
    digests: JSON.parse(row.digests),
  }
  if (sealOf(record) !== row.seal) throw new Error('its record was changed')
  return record
}

/** The charges that stood beside the database, as they were given to `writeBackupRecord`. */
export async function listBackupEnds(sql: Sql): Promise<string[]> {
  const rows = await sql.all<{ content: string }>('SELECT content FROM backup_end ORDER BY n')
  return rows.map(({ content }) => content)
}

export async function dropBackupRecord(sql: Sql): Promise<void> {
  await sql.script('DROP TABLE IF EXISTS backup; DROP TABLE IF EXISTS backup_end')
}

const HAS_MIGRATIONS =
  "SELECT 1 AS found FROM /*sqlite sqlite_schema WHERE name = 'migration' */ /*postgres pg_class WHERE oid = to_regclass('migration') */"

/** The number of the last migration; undefined for a database that has none. */
export async function loadSchemaVersion(database: Pick<Database, 'engine' | 'get'>): Promise<number | undefined> {
  if (!(await database.get(sqlFor(database.engine, HAS_MIGRATIONS)))) return undefined
  const row = await database.get<{ version: bigint | null }>('SELECT MAX(version) AS version FROM migration')
  return row?.version == null ? undefined : Number(row.version)
}

/** Of all tables of the file but the record itself, and of its schema. */
export async function digestFile(sqlite: Sql): Promise<Record<string, TableDigest>> {
  const tables = (await listTables(sqlite)).filter(({ name }) => name !== RECORD)
  const digests: Record<string, TableDigest> = {}
  for (const table of [SQLITE_SCHEMA, ...tables]) digests[table.name] = await digestTable(sqlite, table)
  return digests
}

function sealOf({ format, schema, engine, madeAtMs, digests }: BackupRecord): string {
  return hash('sha256', JSON.stringify([format, schema, engine, madeAtMs, digests]))
}

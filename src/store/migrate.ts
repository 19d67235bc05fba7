/** Brings a database to the newest schema: numbered files, forward only, each checksummed and applied once. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { AppError } from '../base/errors.ts'
import { failpoint } from '../base/failpoint.ts'
import type { Database, Sql } from './database.ts'
import { sqlFor } from './engine-sql.ts'

const DIRECTORY = new URL('./migrations/', import.meta.url)
/** Rewriting large tables takes its time, and so does waiting for another process that does. */
const MAX_WAIT_MS = 600_000
/** Any number that nobody else takes in this database. */
const ADVISORY_LOCK = 7_302_716_001n

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * Applies what is missing in one transaction, so that a crash or a second process leaves all or nothing.
 * @throws AppError storage_unavailable when the database is newer than this program, or a past migration was edited.
 */
export async function migrate(
  database: Database,
  nowMs: number,
  migrations: readonly Migration[] = readMigrations(),
): Promise<void> {
  // Looked at first without a lock: the command line must not wait for a busy server only to find nothing to do.
  if (await isCurrent(database, migrations)) return
  const apply = (tx: Sql): Promise<void> => applyMissing(tx, database.engine, nowMs, migrations)
  await database.write(apply, {
    opensLedger: true,
    ...(database.engine === 'postgres' ? { maxWaitMs: MAX_WAIT_MS } : {}),
  })
}

async function applyMissing(
  tx: Sql,
  engine: Database['engine'],
  nowMs: number,
  migrations: readonly Migration[],
): Promise<void> {
  // SQLite has one writer at a time anyway.
  if (engine === 'postgres') await tx.get('SELECT pg_advisory_xact_lock(?)', ADVISORY_LOCK)
  await tx.run(
    'CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)',
  )
  const applied = await tx.all<AppliedRow>('SELECT version, checksum FROM migration')
  checkApplied(applied, migrations)
  for (const { version, name, sql, checksum } of migrations.slice(applied.length)) {
    await tx.script(sqlFor(engine, sql))
    const record = 'INSERT INTO migration (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)'
    await tx.run(record, version, name, checksum, nowMs)
  }
  failpoint('migrate.before_commit')
}

const MIGRATION_TABLE =
  "SELECT 1 AS found FROM /*sqlite sqlite_master WHERE name = 'migration' */ /*postgres pg_class WHERE oid = to_regclass('migration') */"

async function isCurrent(database: Database, migrations: readonly Migration[]): Promise<boolean> {
  if (!(await database.get(sqlFor(database.engine, MIGRATION_TABLE)))) return false
  const applied = await database.all<AppliedRow>('SELECT version, checksum FROM migration')
  checkApplied(applied, migrations)
  return applied.length === migrations.length
}

interface AppliedRow {
  readonly version: bigint
  readonly checksum: string
}

function checkApplied(applied: readonly AppliedRow[], known: readonly Migration[]): void {
  for (const row of applied) {
    const migration = known.find((candidate) => candidate.version === Number(row.version))
    if (!migration) {
      throw new AppError(
        'storage_unavailable',
        `the database has schema ${row.version}, newer than this version of Zendo knows; use the newer version`,
      )
    }
    if (migration.checksum !== row.checksum) {
      throw new AppError('storage_unavailable', `migration ${migration.name} was changed after it had been applied`)
    }
  }
}

export function readMigrations(): Migration[] {
  const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.sql'))
  return names.sort().map((name) => {
    const sql = readFileSync(new URL(name, DIRECTORY), 'utf8')
    return { version: Number(name.slice(0, 4)), name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

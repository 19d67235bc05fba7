/** Brings a database to the newest schema: numbered files, forward only, each checksummed and applied once. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { AppError } from '../base/errors.ts'
import type { Database } from './database.ts'

const DIRECTORY = new URL('./migrations/', import.meta.url)

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * Applies what is missing in one transaction, so that a crash or a second process leaves all or nothing.
 * @throws AppError storage_unavailable when the file is newer than this program, or a past migration was edited.
 */
export function migrate(database: Database, nowMs: number, migrations: readonly Migration[] = readMigrations()): void {
  // Looked at first without a lock: the command line must not wait for a busy server only to find nothing to do.
  if (isCurrent(database, migrations)) return
  database.exec('BEGIN IMMEDIATE')
  try {
    database.exec(
      'CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)',
    )
    const applied = database.all<AppliedRow>('SELECT version, checksum FROM migration')
    checkApplied(applied, migrations)
    for (const migration of migrations.slice(applied.length)) {
      database.exec(migration.sql.replace(/\/\*sqlite (.+?)\*\//g, '$1'))
      database.run(
        'INSERT INTO migration (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)',
        migration.version,
        migration.name,
        migration.checksum,
        nowMs,
      )
    }
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

function isCurrent(database: Database, migrations: readonly Migration[]): boolean {
  if (!database.get("SELECT 1 FROM sqlite_master WHERE name = 'migration'")) return false
  const applied = database.all<AppliedRow>('SELECT version, checksum FROM migration')
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

/**
 * Copies an instance into one file while it serves: its rows of one instant, the charges that stand in its spill, and
 * what proves at a restore that nothing of it has changed since. The file is a SQLite database, whatever the engine.
 */
import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs'
import { AppError } from '../base/errors.ts'
import { writeEnd } from '../ledger/spill-record.ts'
import { type BackupRecord, isBookkeeping, loadSchemaVersion, writeBackupRecord } from '../store/backup-record.ts'
import { type Database, reasonOf } from '../store/database.ts'
import { migrate, readMigrations } from '../store/migrate.ts'
import type { DatabasePlace } from '../store/open-database.ts'
import { openPostgres } from '../store/postgres.ts'
import { openSqlite } from '../store/sqlite.ts'
import { copySqliteFile, placeFile, removeSqliteFile, sealSqliteFile } from '../store/sqlite-file.ts'
import { copyTables } from './copy-database.ts'
import { readSpills } from './spill-files.ts'

export interface BackupOptions {
  readonly place: DatabasePlace
  /** Whose spill belongs to it; need not exist. */
  readonly dataDir: string
  /** Must not exist yet. */
  readonly file: string
  readonly nowMs: number
}

export interface BackupReport {
  readonly bytes: number
  readonly record: BackupRecord
  /** Charges that stood in the spill. */
  readonly unwritten: number
}

/** The file is there whole, or not at all. @throws AppError storage_unavailable, or invalid_request when it exists */
export async function makeBackup(options: BackupOptions): Promise<BackupReport> {
  const { place, dataDir, file, nowMs } = options
  if (existsSync(file)) throw new AppError('invalid_request', `${file} exists; a backup replaces no file`)
  const unfinished = `${file}.${process.pid}.unfinished`
  try {
    makePrivate(unfinished)
    // Read before the rows: an end that is in neither had not been told to its client by then.
    const ends = readSpills(dataDir).map(writeEnd)
    const engine = 'url' in place ? 'postgres' : 'sqlite'
    if ('url' in place) await copyPostgres(place.url, unfinished, nowMs)
    else await copySqliteFile(place.path, unfinished)
    const record = await describeFile(unfinished, { engine, nowMs, ends })
    sealSqliteFile(unfinished)
    placeFile(unfinished, file)
    return { record, bytes: statSync(file).size, unwritten: ends.length }
  } catch (cause) {
    removeSqliteFile(unfinished)
    if (cause instanceof AppError) throw cause
    throw new AppError('storage_unavailable', `no backup was made: ${reasonOf(cause)}`, { cause })
  }
}

/** Readable by its owner alone from its first byte on. */
function makePrivate(path: string): void {
  removeSqliteFile(path)
  closeSync(openSync(path, 'wx', 0o600))
  chmodSync(path, 0o600)
}

/** All rows of one instant, into a new file of the same schema. */
async function copyPostgres(url: string, path: string, nowMs: number): Promise<void> {
  const source = await openPostgres(url, { nowMs, isMigrated: true })
  try {
    const version = await loadSchemaVersion(source)
    if (version === undefined) throw new AppError('storage_unavailable', 'the database holds no instance of Zendo')
    await migrateTo(path, version, nowMs)
    const target = await openSqlite(path, { nowMs, isMigrated: true })
    try {
      await source.read((from) => copyTables(from, target))
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Older servers may still serve: their schema is not changed by a backup, but kept. */
async function migrateTo(path: string, version: number, nowMs: number): Promise<void> {
  const migrations = readMigrations()
  if (version > migrations.length) {
    throw new AppError(
      'storage_unavailable',
      `the database has schema ${version}, newer than this version of Zendo knows`,
    )
  }
  const database = await openSqlite(path, { nowMs, isMigrated: true })
  try {
    await migrate(database, nowMs, migrations.slice(0, version))
  } finally {
    await database.close()
  }
}

async function describeFile(
  path: string,
  { engine, nowMs, ends }: { engine: Database['engine']; nowMs: number; ends: readonly string[] },
): Promise<BackupRecord> {
  const database = await openSqlite(path, { nowMs, isMigrated: true })
  try {
    return await writeBackupRecord(database, { engine, madeAtMs: nowMs }, ends)
  } finally {
    await database.close()
  }
}

/** Of the instance itself, without what a database keeps of its own. */
export function rowsOf({ digests }: BackupRecord): Record<string, number> {
  const tables = Object.entries(digests).filter(([name]) => name !== 'sqlite_schema' && !isBookkeeping({ name }))
  return Object.fromEntries(tables.map(([name, { rows }]) => [name, rows]))
}

/**
 * From a backup to a database that can be served: checked against what the backup says of itself, brought to the newest
 * schema, with every charge written and every hold of processes that are gone given back. Works on a copy of the file.
 */
import { chmodSync, constants, copyFileSync, existsSync, statSync } from 'node:fs'
import { AppError } from '../base/errors.ts'
import { recoverPlaces } from '../ledger/node.ts'
import { parseEnd } from '../ledger/spill-record.ts'
import { runCommands } from '../ledger/transaction.ts'
import {
  BACKUP_FORMAT,
  type BackupRecord,
  digestFile,
  dropBackupRecord,
  listBackupEnds,
  loadBackupRecord,
  loadSchemaVersion,
} from '../store/backup-record.ts'
import { type Database, reasonOf } from '../store/database.ts'
import { migrate, readMigrations } from '../store/migrate.ts'
import { openSqlite } from '../store/sqlite.ts'
import { findDamage, removeSqliteFile } from '../store/sqlite-file.ts'
import { type AuditReport, auditLedger } from './audit.ts'
import { type Digests, digestAll, listInstanceTables } from './copy-database.ts'

/** Ends in one transaction. */
const BATCH = 100

export interface Prepared {
  /** Undefined for a database file that no backup made. */
  readonly record: BackupRecord | undefined
  readonly fromSchema: number
  readonly toSchema: number
  /** Requests whose charge stood in the backup beside the rows. */
  readonly settled: number
  /** Requests that were under way: nothing is charged for them. */
  readonly released: number
  readonly audit: AuditReport
  /** Of the rows as they are to be served. */
  readonly digests: Digests
}

/**
 * Makes `path` from `file`, which is only read. On a refusal nothing is left at `path`.
 * @throws AppError invalid_request when the file is cut, damaged or no instance's; storage_unavailable when it is newer.
 */
export async function prepareBackup(file: string, path: string, nowMs: number): Promise<Prepared> {
  removeSqliteFile(path)
  try {
    copyIn(file, path)
    const { record, fromSchema } = await orDamaged(file, () => verify(file, path, nowMs))
    return { record, fromSchema, ...(await finish(path, nowMs)) }
  } catch (error) {
    removeSqliteFile(path)
    throw error
  }
}

/** With the log of a database that is kept as it was left: without it the last commits would be missing. */
function copyIn(file: string, path: string): void {
  if (!existsSync(file) || !statSync(file).isFile()) {
    throw new AppError('invalid_request', `there is no file ${file}`)
  }
  copyFileSync(file, path, constants.COPYFILE_EXCL)
  chmodSync(path, 0o600)
  if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${path}-wal`)
}

async function verify(
  file: string,
  path: string,
  nowMs: number,
): Promise<{ record: BackupRecord | undefined; fromSchema: number }> {
  const database = await openSqlite(path, { nowMs, isMigrated: true })
  try {
    const damage = await findDamage(database)
    if (damage.length > 0) throw damaged(file, damage.join('; '))
    const fromSchema = await loadSchemaVersion(database)
    if (fromSchema === undefined) throw new AppError('invalid_request', `${file} holds no instance of Zendo`)
    const record = await loadBackupRecord(database)
    if (record) await compare(file, record, database)
    return { record, fromSchema }
  } finally {
    await database.close()
  }
}

/** Every value of every row is as it was when the backup was made. */
async function compare(file: string, record: BackupRecord, database: Database): Promise<void> {
  if (record.format > BACKUP_FORMAT) {
    throw new AppError('storage_unavailable', `${file} was made by a newer version of Zendo; use that version`)
  }
  const found = await digestFile(database)
  const names = [...new Set([...Object.keys(record.digests), ...Object.keys(found)])]
  const different = names.filter((name) => record.digests[name]?.digest !== found[name]?.digest)
  if (different.length > 0)
    throw damaged(file, `what it holds of ${different.join(', ')} has changed since it was made`)
}

async function orDamaged<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid_request') throw error
    const reason = error instanceof AppError && error.cause !== undefined ? error.cause : error
    throw damaged(file, reasonOf(reason))
  }
}

function damaged(file: string, reason: string): AppError {
  return new AppError('invalid_request', `${file} is damaged and cannot be restored: ${reason}`)
}

/** Nobody serves from the copy: what its processes left open is ended for them, as at the start after a crash. */
async function finish(path: string, nowMs: number): Promise<Omit<Prepared, 'record' | 'fromSchema'>> {
  const database = await openSqlite(path, { nowMs, isMigrated: true })
  try {
    const ends = (await loadBackupRecord(database)) ? (await listBackupEnds(database)).map(parseEnd) : []
    await dropBackupRecord(database)
    await migrate(database, nowMs)
    for (let at = 0; at < ends.length; at += BATCH) {
      const batch = ends.slice(at, at + BATCH)
      await database.write((sql) => runCommands(sql, batch, { receivers: null }), { opensLedger: true })
    }
    const { released } = await recoverPlaces(database, { isOurs: () => true, spills: [] }, nowMs)
    const audit = await auditLedger(database, { nowMs })
    const digests = await digestAll(database, await listInstanceTables(database))
    return { toSchema: readMigrations().length, settled: ends.length, released, audit, digests }
  } finally {
    await database.close()
  }
}

/**
 * Puts a backup in the place of an instance: into an empty data directory, or an empty PostgreSQL database. What was
 * there before is never deleted, and takes its leave in one step.
 */
import { existsSync, linkSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../base/errors.ts'
import { formatInstant } from '../base/time.ts'
import { lockDataDir } from '../store/lock.ts'
import type { DatabasePlace } from '../store/open-database.ts'
import { openPostgres } from '../store/postgres.ts'
import { openSqlite } from '../store/sqlite.ts'
import { placeFile, removeSqliteFile, sealSqliteFile, syncPath } from '../store/sqlite-file.ts'
import { areEmpty } from '../store/table-copy.ts'
import { auditLedger } from './audit.ts'
import { type Prepared, prepareBackup } from './backup-file.ts'
import { copyTables, notEmpty } from './copy-database.ts'
import { databasePath, prepareDataDir } from './instance.ts'
import { listSpillFiles, readSpills } from './spill-files.ts'

export interface RestoreOptions {
  readonly file: string
  readonly place: DatabasePlace
  /** The directory of the server that will serve it; it must not serve now. */
  readonly dataDir: string
  /** Puts aside what is there. */
  readonly force: boolean
  readonly nowMs: number
}

export interface RestoreReport extends Prepared {
  /** Under which names what was there before is kept. */
  readonly kept: readonly string[]
  /** Where the restored database lies that was not put in place, because its audit found differences; else null. */
  readonly rejected: string | null
}

/** @throws AppError invalid_request, or storage_unavailable; nothing has changed then. */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreReport> {
  const { place, dataDir, force } = options
  prepareDataDir(dataDir)
  const release = lockDataDir(dataDir)
  try {
    const isOwed = readSpills(dataDir).length > 0
    if (isOwed && !force) throw owedSpills(dataDir)
    if ('path' in place && existsSync(place.path) && !force) throw alreadyThere(place.path)
    const report = await restoreInto(options)
    if (!isOwed || report.rejected !== null) return report
    return { ...report, kept: [...report.kept, ...putAsideSpills(options)] }
  } finally {
    release()
  }
}

/** The same without asking what is there: a file is put aside, a database must be empty. The caller has the lock. */
export async function restoreInto(options: RestoreOptions): Promise<RestoreReport> {
  const { file, place, dataDir, nowMs } = options
  const path = 'path' in place ? place.path : databasePath(dataDir)
  const unfinished = `${path}.restoring`
  if ('url' in place) await refuseFull(place.url, nowMs)
  const prepared = await prepareBackup(file, unfinished, nowMs)
  try {
    sealSqliteFile(unfinished)
    if (prepared.audit.differences.length > 0) {
      const rejected = `${path}.rejected-${stamp(nowMs)}`
      placeFile(unfinished, rejected)
      return { ...prepared, kept: [], rejected }
    }
    if ('url' in place) {
      const audit = await load(unfinished, place.url, nowMs)
      return { ...prepared, audit, kept: [], rejected: null }
    }
    const kept = await putAside(path, nowMs)
    placeFile(unfinished, path)
    return { ...prepared, kept, rejected: null }
  } finally {
    removeSqliteFile(unfinished)
  }
}

/** Said early: a large backup takes its time. The copy asks again, when nobody else can write any more. */
async function refuseFull(url: string, nowMs: number): Promise<void> {
  const target = await openPostgres(url, { nowMs })
  try {
    if (!(await areEmpty(target, [{ name: 'workspace' }, { name: 'account' }, { name: 'request' }]))) throw notEmpty()
  } finally {
    await target.close()
  }
}

/** Answers with the audit of what has arrived. */
async function load(path: string, url: string, nowMs: number): Promise<Prepared['audit']> {
  const source = await openSqlite(path, { nowMs, isMigrated: true })
  try {
    const target = await openPostgres(url, { nowMs })
    try {
      await source.read((from) => copyTables(from, target, from))
      return await auditLedger(target, { nowMs })
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

function alreadyThere(path: string): AppError {
  return new AppError(
    'invalid_request',
    `there is a database at ${path}: choose an empty --data-dir, or give --force to put it aside`,
  )
}

/** Charges that no database has taken yet must not fall under the table. */
function owedSpills(dataDir: string): AppError {
  return new AppError(
    'invalid_request',
    `${dataDir} holds charges that its database has not taken yet: start the server once, or give --force to put them aside`,
  )
}

/** They are of what was there before: the next start would take them for this instance's own. */
function putAsideSpills({ dataDir, nowMs }: RestoreOptions): string[] {
  return listSpillFiles(dataDir).map((path) => {
    const kept = `${path}.before-${stamp(nowMs)}`
    renameSync(path, kept)
    return kept
  })
}

/** Gives the file a second name, so that its own name never stands for nothing. */
async function putAside(path: string, nowMs: number): Promise<string[]> {
  if (!existsSync(path)) return []
  const kept = `${path}.before-${stamp(nowMs)}`
  if (existsSync(kept)) throw new AppError('invalid_request', `${kept} exists already`)
  await foldLog(path, nowMs)
  // A log that could not be folded in belongs to the old file, and would be taken for the new one's.
  if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${kept}-wal`)
  rmSync(`${path}-shm`, { force: true })
  linkSync(path, kept)
  syncPath(dirname(path))
  return [kept]
}

/** A damaged database may not open any more: it is kept as it is. */
async function foldLog(path: string, nowMs: number): Promise<void> {
  try {
    const old = await openSqlite(path, { nowMs, isMigrated: true })
    await old.close()
  } catch {
    // It is only moved.
  }
}

/** `20261120T120000Z` */
function stamp(nowMs: number): string {
  return `${formatInstant(nowMs).slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

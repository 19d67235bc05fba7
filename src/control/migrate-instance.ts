/**
 * Brings an instance to the newest schema, or to another database: there it is a backup that is restored at once, by way
 * of a file in the data directory, so that what it comes from is only read.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../base/errors.ts'
import { loadSchemaVersion } from '../store/backup-record.ts'
import type { Database } from '../store/database.ts'
import { lockDataDir } from '../store/lock.ts'
import { migrate, readMigrations } from '../store/migrate.ts'
import { listLiveNodes } from '../store/node.ts'
import type { DatabasePlace } from '../store/open-database.ts'
import { openPostgres } from '../store/postgres.ts'
import { openSqlite } from '../store/sqlite.ts'
import { removeSqliteFile } from '../store/sqlite-file.ts'
import { makeBackup } from './backup.ts'
import { prepareDataDir } from './instance.ts'
import { type RestoreReport, restoreInto } from './restore.ts'

/** Servers beat every two seconds. */
const LISTEN_MS = 5000
/** What ending the processes of before changes, whatever else stays the same. */
const CHANGED_BY_MOVE = new Set(['node'])

export interface MoveOptions {
  readonly from: DatabasePlace
  readonly to: DatabasePlace
  /** Whose spill belongs to `from`. */
  readonly dataDir: string
  readonly nowMs: number
}

export interface SchemaChange {
  readonly engine: Database['engine']
  readonly fromSchema: number
  readonly toSchema: number
}

/** In one transaction: a crash leaves the schema as it was. @throws AppError storage_unavailable */
export async function migrateSchema(place: DatabasePlace, dataDir: string, nowMs: number): Promise<SchemaChange> {
  const release = 'path' in place ? lockDataDir(dataDir) : () => undefined
  try {
    const options = { nowMs, isMigrated: true } as const
    const database = 'url' in place ? await openPostgres(place.url, options) : await openSqlite(place.path, options)
    try {
      const fromSchema = (await loadSchemaVersion(database)) ?? 0
      await migrate(database, nowMs)
      return { engine: database.engine, fromSchema, toSchema: readMigrations().length }
    } finally {
      await database.close()
    }
  } finally {
    release()
  }
}

/**
 * Carries every row over, and compares. `from` stays as it is; `to` must be an empty database, or a file that is not
 * there.
 * @throws AppError invalid_request, or storage_unavailable; `to` holds no rows then.
 */
export async function moveInstance(options: MoveOptions): Promise<RestoreReport> {
  const { from, to, dataDir, nowMs } = options
  if ('path' in to && existsSync(to.path)) {
    throw new AppError('invalid_request', `${to.path} exists; give the name of a file that does not`)
  }
  const release = lockAll([dataDir, ...('path' in to ? [dirname(to.path)] : [])])
  const file = join(dataDir, 'zendo.moving')
  try {
    if ('url' in from) await refuseServed(from.url, nowMs)
    removeSqliteFile(file)
    const { record } = await makeBackup({ place: from, dataDir, file, nowMs })
    const report = await restoreInto({ file, place: to, dataDir, force: false, nowMs })
    if (report.rejected === null) compareRows(record.digests, report)
    return report
  } finally {
    removeSqliteFile(file)
    release()
  }
}

function lockAll(directories: readonly string[]): () => void {
  const releases: (() => void)[] = []
  const release = (): void => {
    for (const one of releases) one()
  }
  try {
    for (const directory of new Set(directories)) {
      prepareDataDir(directory)
      releases.push(lockDataDir(directory))
    }
    return release
  } catch (error) {
    release()
    throw error
  }
}

/** Nobody holds a lock on a database that several machines share: whoever serves it is known by its beats. */
async function refuseServed(url: string, nowMs: number): Promise<void> {
  const database = await openPostgres(url, { nowMs, isMigrated: true })
  try {
    const before = new Map((await listLiveNodes(database)).map(({ id, beat }) => [id, beat]))
    if (before.size === 0) return
    await delay(LISTEN_MS)
    const beating = (await listLiveNodes(database)).filter(({ id, beat }) => before.get(id) !== beat)
    if (beating.length === 0) return
    throw new AppError('invalid_request', `${beating.length} server processes use the database: stop them first`)
  } finally {
    await database.close()
  }
}

/** Where nothing had to be ended or brought to a newer schema, every value of every row is the same. */
function compareRows(sent: RestoreReport['digests'], report: RestoreReport): void {
  const { digests, settled, released, fromSchema, toSchema } = report
  if (settled + released > 0 || fromSchema !== toSchema) return
  const different = Object.keys(digests).filter(
    (name) => !CHANGED_BY_MOVE.has(name) && sent[name]?.digest !== digests[name]?.digest,
  )
  if (different.length === 0) return
  throw new AppError('storage_unavailable', `rows of ${different.join(', ')} changed on their way; do not use the copy`)
}

/** One server per data directory: a lock that the operating system drops when the process ends, however it ends. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError } from '../base/errors.ts'
import { reasonOf } from './database.ts'
import { isBusy } from './sqlite.ts'
import { ensurePrivateFile } from './sqlite-file.ts'

/**
 * Takes the directory's lock; the returned function gives it back. Two servers on one file would take each other's
 * open holds for a crash's. The command line needs no lock.
 * @throws AppError storage_unavailable when another server has it.
 */
export function lockDataDir(dataDir: string): () => void {
  const path = join(dataDir, 'server.lock')
  const lock = openLock(path)
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    if (!isBusy(cause)) throw unusable(path, cause)
    throw new AppError(
      'storage_unavailable',
      `another Zendo server is using ${dataDir}; stop it, or set ZENDO_DATA_DIR to another directory`,
      { cause },
    )
  }
  return () => lock.close()
}

function openLock(path: string): DatabaseSync {
  ensurePrivateFile(path)
  try {
    return new DatabaseSync(path, { timeout: 0 })
  } catch (cause) {
    throw unusable(path, cause)
  }
}

function unusable(path: string, cause: unknown): AppError {
  return new AppError('storage_unavailable', `${path} cannot be written: ${reasonOf(cause)}`, { cause })
}

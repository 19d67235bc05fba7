/** SQLite files as a whole: copied while others write, checked page by page, and put in their place in one step. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { AppError } from '../base/errors.ts'
import { type Database, reasonOf } from './database.ts'

/** Pages copied in one go: a few milliseconds of another thread. */
const STEP_PAGES = 1000
/** What SQLite keeps beside a file that is in use. */
const COMPANIONS = ['-wal', '-shm', '-journal']

/**
 * Copies the database as it is at one instant. Writers go on: the copy reads in a transaction of its own, which also
 * keeps it from starting again with each of their commits.
 * @throws AppError storage_unavailable
 */
export async function copySqliteFile(from: string, to: string): Promise<void> {
  let source: DatabaseSync | undefined
  try {
    // Closing it would otherwise fold a left-over log into a file that is only to be read.
    source = new DatabaseSync(from, { readOnly: true, timeout: 5000 })
    source.exec('BEGIN')
    // The instant is that of the first read.
    source.prepare('SELECT COUNT(*) FROM sqlite_schema').get()
    await backup(source, to, { rate: STEP_PAGES })
  } catch (cause) {
    throw new AppError('storage_unavailable', `${from} cannot be copied to ${to}: ${reasonOf(cause)}`, { cause })
  } finally {
    source?.close()
  }
}

/** What is wrong with the file, in SQLite's words; empty when all is well. */
export async function findDamage(sqlite: Database): Promise<string[]> {
  const pages = await sqlite.all<{ integrity_check: string }>('PRAGMA integrity_check(20)')
  const references = await sqlite.all<{ table: string }>('PRAGMA foreign_key_check')
  return [
    ...pages.map(({ integrity_check: text }) => text).filter((text) => text !== 'ok'),
    ...references.map(({ table }) => `a row of ${table} refers to one that is not there`),
  ].slice(0, 20)
}

/** Makes the file complete in itself: nothing beside it belongs to it any more. Nobody has it open. */
export function sealSqliteFile(path: string): void {
  const file = new DatabaseSync(path)
  try {
    file.exec('PRAGMA journal_mode = DELETE')
  } finally {
    file.close()
  }
}

/** Gives a finished file its name: after a power cut the name stands for all of it, or for what it stood for before. */
export function placeFile(unfinished: string, path: string): void {
  syncPath(unfinished)
  renameSync(unfinished, path)
  syncPath(dirname(path))
}

export function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Made for its owner alone, and so is what SQLite puts beside it. One that is there keeps the mode that it was given. */
export function ensurePrivateFile(path: string): void {
  try {
    // Never one that is there: to close it again would drop the locks that this process has on it.
    closeSync(openSync(path, 'wx', 0o600))
  } catch {
    // It is there, or SQLite says what is wrong.
  }
}

/** Deletes a file and what SQLite kept beside it, where they exist. */
export function removeSqliteFile(path: string): void {
  for (const suffix of ['', ...COMPANIONS]) rmSync(path + suffix, { force: true })
}

/** Runs several statements as one: all of them or none, and reads that all see the same instant. */
import { AppError } from '../base/errors.ts'
import { type Database, isBusy, reasonOf } from './database.ts'

/** Other processes' transactions take milliseconds; only a stuck one takes this long. */
const DEFAULT_MAX_WAIT_MS = 10_000
const PAUSE_MS = 1
const pauseCell = new Int32Array(new SharedArrayBuffer(4))

export interface WriteOptions {
  /** How long to wait in all while other processes write. */
  readonly maxWaitMs?: number
}

/**
 * Runs `work` in one durable transaction; what it throws undoes everything it wrote.
 * @throws AppError storage_unavailable when another process kept the database locked, or the commit failed.
 */
export function writeTransaction<T>(db: Database, work: () => T, options: WriteOptions = {}): T {
  return transact(db, 'BEGIN IMMEDIATE', work, options.maxWaitMs)
}

/** Runs reads that must agree with each other. Writers are not held up, and `work` does not see them. */
export function readTransaction<T>(db: Database, work: () => T): T {
  return transact(db, 'BEGIN', work)
}

/**
 * Repeats `work` while it fails because another process has the database locked. SQLite's own wait looks ever more
 * seldom, up to every 100 ms, and so hardly ever finds the short gaps that a busy server leaves. Blocks the thread.
 */
export function waitWhileBusy<T>(work: () => T, maxWaitMs = DEFAULT_MAX_WAIT_MS): T {
  const startedAtMs = performance.now()
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() - startedAtMs > maxWaitMs) throw error
      Atomics.wait(pauseCell, 0, 0, PAUSE_MS)
    }
  }
}

function transact<T>(db: Database, begin: string, work: () => T, maxWaitMs?: number): T {
  orRefuse(() => waitWhileBusy(() => db.exec(begin), maxWaitMs))
  try {
    const result = work()
    orRefuse(() => db.exec('COMMIT'))
    return result
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

function orRefuse(step: () => void): void {
  try {
    step()
  } catch (cause) {
    throw new AppError('storage_unavailable', `the database cannot be written right now: ${reasonOf(cause)}`, { cause })
  }
}

/**
 * Group commit: writes that arrive together share one durable transaction.
 *
 * A commit waits for the disk (about 0.15 ms on an SSD), whatever it holds. Everything submitted during one turn of
 * the event loop goes into the next transaction, so under load the wait is shared, and alone a write waits for nobody.
 */
import { AppError } from '../base/errors.ts'
import { type Database, reasonOf } from './database.ts'

interface Waiting {
  readonly work: () => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export interface CommitQueue {
  /**
   * Runs `work` inside a transaction and resolves with what it returned once that is on disk.
   * `work` is synchronous and may run twice: it must touch nothing but the database. What it throws is thrown here,
   * and none of its writes stay. @throws AppError storage_unavailable when the database refuses to commit.
   */
  run<T>(work: () => T): Promise<T>
}

/** Works in one transaction at most, so that one commit never holds up the event loop for long. */
const MAX_BATCH = 128

export function createCommitQueue(database: Database): CommitQueue {
  let waiting: Waiting[] = []
  let scheduled = false

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }
  const flush = (): void => {
    scheduled = false
    const batch = waiting.length > MAX_BATCH ? waiting.slice(0, MAX_BATCH) : waiting
    waiting = waiting.length > MAX_BATCH ? waiting.slice(MAX_BATCH) : []
    if (waiting.length > 0) schedule()
    commitBatch(database, batch)
  }
  return {
    run<T>(work: () => T): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        waiting.push({ work, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
  }
}

function commitBatch(database: Database, batch: readonly Waiting[]): void {
  const results: unknown[] = []
  try {
    database.exec('BEGIN IMMEDIATE')
    for (const { work } of batch) results.push(work())
    database.exec('COMMIT')
  } catch (error) {
    rollback(database)
    // One work's failure must not undo its neighbours: each is tried alone, and only the guilty one fails.
    if (batch.length > 1) for (const one of batch) commitBatch(database, [one])
    else batch[0]?.reject(error instanceof AppError ? error : storageFailure(error))
    return
  }
  for (let i = 0; i < batch.length; i++) batch[i]?.resolve(results[i])
}

function rollback(database: Database): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // No transaction was open: BEGIN itself had failed, or SQLite had already rolled back.
  }
}

function storageFailure(cause: unknown): AppError {
  return new AppError('storage_unavailable', 'the ledger cannot be written right now; nothing was charged', {
    cause: reasonOf(cause),
    retryAfterSeconds: 1,
  })
}

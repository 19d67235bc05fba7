/**
 * Group commit: writes that arrive together share one durable transaction.
 *
 * A commit waits for the disk (about 0.15 ms on an SSD), whatever it holds. Everything submitted during one turn of
 * the event loop goes into the next transaction, so under load the wait is shared, and alone a write waits for nobody.
 */
import { AppError } from '../base/errors.ts'
import { type Database, isBusy, reasonOf } from './database.ts'

interface Waiting {
  /** Set when a transaction with it failed: it is tried again by itself, so that only the guilty one fails. */
  isAlone: boolean
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

export interface CommitQueueOptions {
  /** How long works wait in all while another process writes. */
  readonly maxWaitMs?: number
  /** Works in one transaction at most, so that one commit never holds up the event loop for long. */
  readonly maxBatch?: number
}

const DEFAULT_MAX_WAIT_MS = 5000
const DEFAULT_MAX_BATCH = 128
const BUSY_PAUSE_MS = 5

export function createCommitQueue(database: Database, options: CommitQueueOptions = {}): CommitQueue {
  const maxWaitMs = options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS
  const maxBatch = options.maxBatch ?? DEFAULT_MAX_BATCH
  let waiting: Waiting[] = []
  let isScheduled = false
  /** When the database was first found locked by another process; null while it is not. */
  let busySinceMs: number | null = null

  function schedule(): void {
    if (isScheduled) return
    isScheduled = true
    // Waiting for another process inside SQLite would hold up every stream.
    if (busySinceMs === null) setImmediate(flush)
    else setTimeout(flush, BUSY_PAUSE_MS)
  }

  function flush(): void {
    isScheduled = false
    const batch = waiting.splice(0, batchSize())
    if (!begin(batch)) return
    if (!commitBatch(database, batch)) {
      for (const one of batch) one.isAlone = true
      waiting = [...batch, ...waiting]
    }
    if (waiting.length > 0) schedule()
  }

  function batchSize(): number {
    if (waiting[0]?.isAlone) return 1
    const firstAlone = waiting.findIndex((one) => one.isAlone)
    return firstAlone === -1 ? maxBatch : Math.min(firstAlone, maxBatch)
  }

  /** Opens the transaction, or puts the batch back to try again; gives up on it after `maxWaitMs`. */
  function begin(batch: Waiting[]): boolean {
    try {
      database.exec('BEGIN IMMEDIATE')
      busySinceMs = null
      return true
    } catch (error) {
      busySinceMs ??= performance.now()
      const hasTime = isBusy(error) && performance.now() - busySinceMs < maxWaitMs
      if (hasTime) waiting = [...batch, ...waiting]
      else for (const { reject } of batch) reject(storageFailure(error))
      if (waiting.length > 0) schedule()
      // Who comes next waits for whoever writes then.
      else busySinceMs = null
      return false
    }
  }

  return {
    run<T>(work: () => T): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        waiting.push({ isAlone: false, work, resolve: resolve as (value: unknown) => void, reject })
        schedule()
      })
    },
  }
}

/** Runs the works inside the open transaction and commits it. False: several were in it, and one of them failed. */
function commitBatch(database: Database, batch: readonly Waiting[]): boolean {
  const results: unknown[] = []
  try {
    for (const { work } of batch) results.push(work())
    database.exec('COMMIT')
  } catch (error) {
    rollback(database)
    if (batch.length > 1) return false
    batch[0]?.reject(error instanceof AppError ? error : storageFailure(error))
    return true
  }
  for (let i = 0; i < batch.length; i++) batch[i]?.resolve(results[i])
  return true
}

function rollback(database: Database): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // SQLite had already rolled back by itself.
  }
}

function storageFailure(cause: unknown): AppError {
  return new AppError('storage_unavailable', 'the ledger cannot be written right now; nothing was charged', {
    cause: reasonOf(cause),
    retryAfterSeconds: 1,
  })
}

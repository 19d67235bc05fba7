/**
 * The engine for many processes: PostgreSQL. One connection writes, in one transaction at a time; some others read.
 *
 * Statements are sent without waiting for each answer. A connection that does not answer in time is cut and never used
 * again, so that nothing waits for ever; the next call opens a new one.
 */
import { AppError } from '../base/errors.ts'
import { type Database, reasonOf, storageFailure, type WriteOptions } from './database.ts'
import { migrate } from './migrate.ts'
import { createMutex, type Mutex } from './mutex.ts'
import { failureOf } from './postgres-errors.ts'
import { createPlainStatements } from './postgres-plain.ts'
import { createSessions, type Sessions } from './postgres-session.ts'
import { type Attempt, tryRead, tryWrite, type Work } from './postgres-transaction.ts'

export interface PostgresOptions {
  readonly nowMs: number
  /** In all, of this process; at least 2, because one is for writing alone. */
  readonly maxConnections?: number
  /** For a statement outside of `write`, and for what the server is left to do for a client that is gone. */
  readonly statementTimeoutMs?: number
  /** Skips the migrations, for a database that is only looked at. */
  readonly isMigrated?: true
}

const DEFAULT_CONNECTIONS = 6
const DEFAULT_TIMEOUT_MS = 5000
const DEFAULT_MAX_WAIT_MS = 5000
/** Collisions with other processes are solved by going again; many in a row mean something else. */
const MAX_TRIES = 20
const ADDRESS = /^postgres(?:ql)?:\/\//

/**
 * Connects, checks that the server is durable, and migrates. The address is never repeated in an error.
 * @throws AppError storage_unavailable
 */
export async function openPostgres(url: string, options: PostgresOptions): Promise<Database> {
  if (!ADDRESS.test(url)) throw unusable('its address must begin with postgres://')
  const statementTimeoutMs = options.statementTimeoutMs ?? DEFAULT_TIMEOUT_MS
  const readers = Math.max(1, (options.maxConnections ?? DEFAULT_CONNECTIONS) - 1)
  const writing = createSessions({ url, max: 1, statementTimeoutMs, refusesLoneWrites: true })
  const reading = createSessions({ url, max: readers, statementTimeoutMs, refusesLoneWrites: false })
  const database = createDatabase(writing, reading, statementTimeoutMs)
  try {
    const session = await writing.acquire(DEFAULT_MAX_WAIT_MS)
    session.release()
    if (!options.isMigrated) await migrate(database, options.nowMs)
    return database
  } catch (error) {
    await database.close()
    const cause = error instanceof AppError ? error.cause : error
    throw cause === undefined ? error : unusable(reasonOf(cause))
  }
}

function unusable(reason: string): AppError {
  return new AppError('storage_unavailable', `the PostgreSQL database cannot be used: ${reason}`)
}

function createDatabase(writing: Sessions, reading: Sessions, statementTimeoutMs: number): Database {
  const oneWriter = createMutex()

  async function write<T>(work: Work<T>, options: WriteOptions = {}): Promise<T> {
    const { maxWaitMs = DEFAULT_MAX_WAIT_MS, opensLedger = false } = options
    const deadline = deadlineIn(maxWaitMs)
    const isLong = maxWaitMs > statementTimeoutMs
    const attempt = async (): Promise<Attempt<T>> => {
      const session = await writing.acquire(deadline.leftMs())
      return tryWrite(session, work, { opensLedger, limitMs: deadline.leftMs(), isLong })
    }
    return await inTurn(oneWriter, deadline, () => untilDone(attempt, deadline))
  }

  return {
    engine: 'postgres',
    ...createPlainStatements(reading, statementTimeoutMs),
    // All of its rows or none.
    runEach: (sql, rows) => write((tx) => tx.runEach(sql, rows)),
    write,
    async read(work) {
      const attempt = async () => tryRead(await reading.acquire(statementTimeoutMs), work, statementTimeoutMs)
      return await untilDone(attempt, deadlineIn(statementTimeoutMs))
    },
    async close() {
      await Promise.all([writing.close(), reading.close()])
    },
  }
}

/** Repeats what collided with another transaction, or met a connection that had been left. @throws AppError, or what the work threw */
async function untilDone<T>(attempt: () => Promise<Attempt<T>>, deadline: Deadline): Promise<T> {
  for (let tries = 1; ; tries++) {
    const outcome = await attempt().catch((error: unknown) => ({ error: failureOf(error), mayRepeat: false }))
    if ('value' in outcome) return outcome.value
    if (!outcome.mayRepeat || tries === MAX_TRIES || deadline.leftMs() <= 0) throw outcome.error
  }
}

interface Deadline {
  /** Zero or less: it is over. */
  leftMs(): number
}

function deadlineIn(ms: number): Deadline {
  const untilMs = performance.now() + ms
  return { leftMs: () => untilMs - performance.now() }
}

/** Waits for those who came before, but not beyond the deadline; work that did not begin by then never does. */
function inTurn<T>(mutex: Mutex, deadline: Deadline, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let gaveUp = false
    const giveUp = (): void => {
      gaveUp = true
      reject(storageFailure('other transactions of this process took too long'))
    }
    const timer = setTimeout(giveUp, deadline.leftMs())
    void mutex(async () => {
      // Asked by its own flag: a timer may fire a moment before the clock says so.
      if (gaveUp) return
      clearTimeout(timer)
      await work().then(resolve, reject)
    })
  })
}

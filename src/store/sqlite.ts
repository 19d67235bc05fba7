/**
 * The embedded engine: one SQLite file, durable, with one connection that writes and one that reads what is committed.
 *
 * SQLite answers at once, so a transaction is never left open while the world goes on: what looks asynchronous here
 * only keeps the one shape that both engines have.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../base/errors.ts'
import { type Database, reasonOf, type Sql, type SqlValue, storageFailure, type WriteOptions } from './database.ts'
import { sqlFor } from './engine-sql.ts'
import { migrate } from './migrate.ts'
import { createMutex } from './mutex.ts'
import { ensurePrivateFile } from './sqlite-file.ts'

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5
/** Other processes' transactions take milliseconds; only a stuck one takes this long. */
const DEFAULT_MAX_WAIT_MS = 5000
/** SQLite's own wait looks ever more seldom, and hardly ever finds the short gaps that a busy server leaves. */
const BUSY_PAUSE_MS = 1

export interface SqliteOptions {
  readonly nowMs: number
  /** Skips the migrations, for a file that is only looked at. */
  readonly isMigrated?: true
}

/** Opens or creates the file and migrates it. @throws AppError storage_unavailable */
export async function openSqlite(path: string, options: SqliteOptions): Promise<Database> {
  ensurePrivateFile(path)
  const writer = openConnection(path)
  let ledgerIsOpen = false
  try {
    writer.function('ledger_open', () => (ledgerIsOpen ? 1 : 0))
    await orUnusable(path, () => prepareFile(writer))
    const database = createDatabase(writer, openConnection(path), openConnection(path), (isOpen) => {
      ledgerIsOpen = isOpen
    })
    if (!options.isMigrated) await orUnusable(path, () => migrate(database, options.nowMs))
    return database
  } catch (error) {
    writer.close()
    throw error
  }
}

/** What is read alone must not see the old snapshot of a `read` that is under way: these are two connections. */
function createDatabase(
  writer: DatabaseSync,
  reader: DatabaseSync,
  snapshot: DatabaseSync,
  openLedger: (isOpen: boolean) => void,
): Database {
  const writing = statementsOf(writer)
  const reading = statementsOf(reader)
  const inSnapshot = statementsOf(snapshot)
  const oneWriter = createMutex()
  const oneReader = createMutex()

  async function write<T>(work: (sql: Sql) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    await beginImmediate(writer, options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS)
    openLedger(options.opensLedger === true)
    try {
      const result = await work(writing)
      commit(writer)
      return result
    } catch (error) {
      rollback(writer)
      throw error
    } finally {
      openLedger(false)
    }
  }

  async function read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    orFailure(() => snapshot.exec('BEGIN'))
    try {
      return await work(inSnapshot)
    } finally {
      snapshot.exec('COMMIT')
    }
  }

  return {
    engine: 'sqlite',
    get: reading.get,
    all: reading.all,
    // A lone statement that writes is a transaction of its own.
    run: (sql, ...values) => oneWriter(() => write((tx) => tx.run(sql, ...values))),
    runEach: (sql, rows) => oneWriter(() => write((tx) => tx.runEach(sql, rows))),
    script: (sql) => oneWriter(() => writing.script(sql)),
    write: (work, options) => oneWriter(() => write(work, options)),
    read: (work) => oneReader(() => read(work)),
    async close() {
      for (const [inTurn, connection] of [
        [oneWriter, writer],
        [oneReader, snapshot],
        [oneReader, reader],
      ] as const) {
        await inTurn(async () => {
          if (connection.isOpen) connection.close()
        })
      }
    },
  }
}

function openConnection(path: string): DatabaseSync {
  try {
    // Waiting inside SQLite would hold up every stream: who finds it locked pauses and asks again.
    return new DatabaseSync(path, { timeout: 0, readBigInts: true })
  } catch (cause) {
    throw unusable(path, cause)
  }
}

/** Without FULL a power cut takes acknowledged commits with it, and with them charges. */
async function prepareFile(connection: DatabaseSync): Promise<void> {
  // Pages that many commits touch are copied back once for all of them; the file beside grows to some 16 MB.
  await whileBusy(DEFAULT_MAX_WAIT_MS, () =>
    connection.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000',
    ),
  )
  const { journal_mode: mode } = connection.prepare('PRAGMA journal_mode').get() ?? {}
  const { synchronous } = connection.prepare('PRAGMA synchronous').get() ?? {}
  if (mode !== 'wal' || synchronous !== 2n) {
    throw new AppError('storage_unavailable', `the database is not durable here (journal ${mode}, sync ${synchronous})`)
  }
}

function statementsOf(connection: DatabaseSync): Sql {
  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql)
    if (!statement) {
      statement = connection.prepare(sqlFor('sqlite', sql))
      statements.set(sql, statement)
    }
    return statement
  }
  const change = (sql: string, values: readonly SqlValue[]): number => Number(prepare(sql).run(...values).changes)
  return {
    run: (sql, ...values) => settled(() => change(sql, values)),
    get: <Row>(sql: string, ...values: SqlValue[]) => settled(() => prepare(sql).get(...values) as Row | undefined),
    all: <Row>(sql: string, ...values: SqlValue[]) => settled(() => prepare(sql).all(...values) as Row[]),
    runEach: (sql, rows) => settled(() => rows.map((values) => change(sql, values))),
    script: (sql) => settled(() => connection.exec(sqlFor('sqlite', sql))),
  }
}

async function beginImmediate(writer: DatabaseSync, maxWaitMs: number): Promise<void> {
  try {
    await whileBusy(maxWaitMs, () => writer.exec('BEGIN IMMEDIATE'))
  } catch (cause) {
    throw storageFailure(cause)
  }
}

/** Repeats a step while another process has the file locked. */
async function whileBusy(maxWaitMs: number, step: () => void): Promise<void> {
  const startedAtMs = performance.now()
  for (;;) {
    try {
      step()
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() - startedAtMs >= maxWaitMs) throw error
    }
    await delay(BUSY_PAUSE_MS)
  }
}

function commit(writer: DatabaseSync): void {
  try {
    writer.exec('COMMIT')
  } catch (cause) {
    throw storageFailure(cause)
  }
}

function rollback(writer: DatabaseSync): void {
  try {
    writer.exec('ROLLBACK')
  } catch {
    // SQLite had already rolled back by itself.
  }
}

/** Runs a step now. Whoever awaits it is told of an error; that nobody does must not end the process. */
function settled<T>(step: () => T): Promise<T> {
  try {
    return Promise.resolve(step())
  } catch (error) {
    const failed = Promise.reject(asFailure(error))
    failed.catch(() => undefined)
    return failed
  }
}

function orFailure<T>(step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw asFailure(error)
  }
}

/** A full disk or a broken one is a refusal that passes, and not a fault of what was asked. */
function asFailure(error: unknown): unknown {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : null
  return code !== null && STORAGE_CODES.has(code) ? storageFailure(error) : error
}

/** BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB. */
const STORAGE_CODES: ReadonlySet<number> = new Set([SQLITE_BUSY, 6, 7, 8, 10, 11, 13, 14, 15, 26])

async function orUnusable(path: string, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    throw error instanceof AppError ? error : unusable(path, error)
  }
}

function unusable(path: string, cause: unknown): AppError {
  return new AppError('storage_unavailable', `the database ${path} cannot be used: ${reasonOf(cause)}`, { cause })
}

/** Whether an error says that another process has the file locked. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}

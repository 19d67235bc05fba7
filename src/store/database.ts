/** Opens the SQLite file, asserts that it is durable, and keeps prepared statements. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { AppError } from '../base/errors.ts'
import { migrate } from './migrate.ts'

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5

export type SqlValue = SQLInputValue

/**
 * A connection with its prepared statements. Integers are read as `bigint`, because money is; `Number()` what is a
 * count or an instant.
 */
export interface Database {
  /** Runs one statement; returns how many rows it changed. */
  run(sql: string, ...values: SqlValue[]): number
  get<Row>(sql: string, ...values: SqlValue[]): Row | undefined
  all<Row>(sql: string, ...values: SqlValue[]): Row[]
  /** Runs statements without parameters: transactions, pragmas. */
  exec(sql: string): void
  close(): void
}

export interface DatabaseOptions {
  /** How long a write waits for another process, such as the command line, in milliseconds. */
  readonly busyTimeoutMs?: number
  readonly nowMs: number
}

/** Opens or creates the file and migrates it. @throws AppError storage_unavailable */
export function openDatabase(path: string, options: DatabaseOptions): Database {
  let connection: DatabaseSync
  try {
    connection = new DatabaseSync(path, { timeout: options.busyTimeoutMs ?? 5000, readBigInts: true })
  } catch (cause) {
    throw unusable(path, cause)
  }
  const database = wrap(connection)
  try {
    // Without FULL a power cut takes acknowledged commits with it, and with them charges.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    // Pages that many commits touch are copied back once for all of them; the file beside grows to some 16 MB.
    database.exec('PRAGMA wal_autocheckpoint = 4000')
    assertDurable(database)
    migrate(database, options.nowMs)
    return database
  } catch (error) {
    database.close()
    if (error instanceof AppError || isBusy(error)) throw error
    throw unusable(path, error)
  }
}

function unusable(path: string, cause: unknown): AppError {
  return new AppError('storage_unavailable', `the database ${path} cannot be used: ${reasonOf(cause)}`, { cause })
}

function assertDurable(database: Database): void {
  const mode = database.get<{ journal_mode: string }>('PRAGMA journal_mode')?.journal_mode
  const synchronous = database.get<{ synchronous: bigint }>('PRAGMA synchronous')?.synchronous
  if (mode !== 'wal' || synchronous !== 2n) {
    throw new AppError('storage_unavailable', `the database is not durable here (journal ${mode}, sync ${synchronous})`)
  }
}

function wrap(connection: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql)
    if (!statement) {
      statement = connection.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }
  return {
    run: (sql, ...values) => Number(prepare(sql).run(...values).changes),
    get: <Row>(sql: string, ...values: SqlValue[]) => prepare(sql).get(...values) as Row | undefined,
    all: <Row>(sql: string, ...values: SqlValue[]) => prepare(sql).all(...values) as Row[],
    exec: (sql) => connection.exec(sql),
    close: () => connection.close(),
  }
}

/** Whether an error says that another process has the file locked. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

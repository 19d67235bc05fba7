/**
 * The database as every part sees it: one kind of SQL, two engines (`sqlite.ts`, `postgres.ts`).
 *
 * Statements use `?` for values, `ON CONFLICT`, `RETURNING` and nothing that only one engine has. What must differ
 * stands in a comment that names its engine and is seen by that one alone: `WITHOUT ROWID` in SQLite's, `FOR UPDATE` in
 * PostgreSQL's, as in SELECT id FROM account WHERE id = ? (then, in comment marks) postgres FOR UPDATE.
 */
import { AppError } from '../base/errors.ts'

export type SqlValue = string | number | bigint | null

/**
 * Statements of one transaction, or of none. Whole numbers are read as `bigint`, because money is; `Number()` what is a
 * count or an instant. Calls may be issued without awaiting each: they run in the order in which they were issued, and
 * PostgreSQL then gets them in one go.
 */
export interface Sql {
  /** Runs one statement; resolves with how many rows it changed. */
  run(sql: string, ...values: SqlValue[]): Promise<number>
  get<Row>(sql: string, ...values: SqlValue[]): Promise<Row | undefined>
  all<Row>(sql: string, ...values: SqlValue[]): Promise<Row[]>
  /** Runs one statement once per row of values; resolves with how many rows each changed. */
  runEach(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number[]>
  /** Runs several statements without values, as migrations are. */
  script(sql: string): Promise<void>
}

export interface WriteOptions {
  /** How long to wait in all for other processes, in milliseconds. */
  readonly maxWaitMs?: number
  /** Balances change in such a transaction alone; only `ledger/` and the first start ask for it. */
  readonly opensLedger?: true
}

/** Its own statements run outside of any transaction; reads then see what is committed. */
export interface Database extends Sql {
  readonly engine: 'sqlite' | 'postgres'
  /**
   * Runs `work` in one durable transaction; what it throws undoes everything it wrote. One at a time per process.
   * `work` awaits nothing but `sql`: a transaction that waits for the world keeps others out.
   * @throws AppError storage_unavailable when others kept the database locked, or it cannot be reached or written.
   */
  write<T>(work: (sql: Sql) => Promise<T>, options?: WriteOptions): Promise<T>
  /** Runs reads that all see the same instant. Writers are not held up. */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** What to tell when the storage cannot be used now; nothing was written. */
export function storageFailure(cause: unknown): AppError {
  return new AppError('storage_unavailable', 'the ledger cannot be written right now; nothing was charged', {
    cause: reasonOf(cause),
    retryAfterSeconds: 1,
  })
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

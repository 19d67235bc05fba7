/** What PostgreSQL's refusals mean: a fault of the statement, a collision that passes, or storage that cannot be used. */
import { DatabaseError } from 'pg'
import { reasonOf, storageFailure } from './database.ts'

/** https://www.postgresql.org/docs/15/errcodes-appendix.html */
const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'
const CACHED_PLAN_CHANGED = '0A000'
const PREPARED_STATEMENT_GONE = '26000'

/** The first two characters: connection, privileges to connect, transaction state, resources, operator, system, bug. */
const STORAGE_CLASSES: ReadonlySet<string> = new Set(['08', '25', '28', '3D', '40', '53', '55', '57', '58', 'F0', 'XX'])

/** The connection is gone, or was given up: nothing more can be known of what was sent on it. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

/** The statement was refused for what it says or for what stands in the tables: trying again does not help. */
export class StatementRefused extends Error {
  override readonly name = 'StatementRefused'
  /** SQLSTATE, `23505` for a unique key. */
  readonly sqlState: string

  constructor(error: DatabaseError) {
    // Refusals of data name the value, which may be anything.
    const message = error.code?.startsWith('22') ? 'a value does not fit' : error.message
    super(`${message} (${error.code})`)
    this.sqlState = error.code ?? ''
  }
}

/** Whether the server ended the session along with the statement. */
export function endsSession(error: unknown): boolean {
  return !(error instanceof DatabaseError) || error.severity === 'FATAL' || error.severity === 'PANIC'
}

/** Whether the same transaction, run again, may succeed: it collided with another. */
export function isCollision(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === SERIALIZATION_FAILURE || error.code === DEADLOCK_DETECTED)
}

/** Whether what the connection had prepared does not fit the tables any more, as after another process migrated. */
export function isStalePreparation(error: unknown): boolean {
  const isPlan =
    error instanceof DatabaseError && error.code === CACHED_PLAN_CHANGED && /cached plan/.test(error.message)
  return isPlan || (error instanceof DatabaseError && error.code === PREPARED_STATEMENT_GONE)
}

/** What to throw for an error of a statement or a connection of which nothing was kept; others pass unchanged. */
export function failureOf(error: unknown): unknown {
  if (error instanceof ConnectionLost) return storageFailure(error)
  if (!(error instanceof DatabaseError)) return error
  const isStorage = STORAGE_CLASSES.has(error.code?.slice(0, 2) ?? '') || isStalePreparation(error)
  return isStorage ? storageFailure(`${error.message} (${error.code})`) : new StatementRefused(error)
}

/** Why a connection cannot be had or kept, in words. Node leaves them empty where several addresses were tried. */
export function connectionReasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return reasonOf(error)
}

/** Runs several statements as one: all of them or none, and reads that all see the same instant. */
import { AppError } from '../base/errors.ts'
import { type Database, reasonOf } from './database.ts'

/**
 * Runs `work` in one durable transaction; what it throws undoes everything it wrote.
 * @throws AppError storage_unavailable when another process kept the database locked, or the commit failed.
 */
export function writeTransaction<T>(db: Database, work: () => T): T {
  return transact(db, 'BEGIN IMMEDIATE', work)
}

/** Runs reads that must agree with each other. Writers are not held up, and `work` does not see them. */
export function readTransaction<T>(db: Database, work: () => T): T {
  return transact(db, 'BEGIN', work)
}

function transact<T>(db: Database, begin: string, work: () => T): T {
  execOrRefuse(db, begin)
  let result: T
  try {
    result = work()
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
  try {
    execOrRefuse(db, 'COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
  return result
}

function execOrRefuse(db: Database, sql: string): void {
  try {
    db.exec(sql)
  } catch (cause) {
    throw new AppError('storage_unavailable', `the database cannot be written right now: ${reasonOf(cause)}`, { cause })
  }
}

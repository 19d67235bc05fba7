/** For tests: a database whose connection is cut while it commits, so that nobody is told whether that stands. */
import type { Database } from '../store/database.ts'
import { UnknownOutcome } from '../store/unknown-outcome.ts'

/** The first transaction is cut; it stands if `isCommitted`. */
export function cutFirstCommit(db: Database, isCommitted: boolean): Database {
  let isCut = false
  return {
    ...db,
    async write(work, options) {
      if (isCut) return await db.write(work, options)
      isCut = true
      const undone = new Error('undone')
      const done = db.write(async (sql) => {
        await work(sql)
        if (!isCommitted) throw undone
      }, options)
      await done.catch((error: unknown) => {
        if (error !== undone) throw error
      })
      throw new UnknownOutcome('the connection was cut')
    },
  }
}

/** Changes of what admission goes by: keys, seats, caps, calendars. */
import type { Database, Sql } from '../store/database.ts'
import { bumpRevision } from '../store/revision.ts'

/**
 * Runs such a change in one transaction that tells every process. The counter is raised first: its row keeps other
 * changes out until this one is done, so that what is looked at before writing is still so when it is written.
 */
export function changePolicy<T>(db: Database, work: (sql: Sql) => Promise<T>): Promise<T> {
  return db.write(async (sql) => {
    await bumpRevision(sql)
    return await work(sql)
  })
}

/** Keeps everyone else from writing to a gateway's database, as a long command or a backup tool would. */
import { type BooksPlace, openSyncSql } from './sync-sql.ts'

export interface WriteLock {
  release(): void
}

/** Waits for the gateway's own transaction, if one is under way. A text is its data directory. */
export function takeWriteLock(place: string | BooksPlace): WriteLock {
  const sql = openSyncSql(typeof place === 'string' ? { dataDir: place } : place, { readOnly: false })
  if (sql.engine === 'sqlite') {
    sql.run('BEGIN IMMEDIATE')
  } else {
    sql.run('BEGIN')
    // Others may read, and nobody else may write what every request writes.
    sql.run('LOCK TABLE account, request IN EXCLUSIVE MODE')
  }
  return {
    release() {
      sql.run('ROLLBACK')
      sql.close()
    },
  }
}

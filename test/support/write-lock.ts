/** Keeps everyone else from writing to a gateway's database, as a long command or a backup tool would. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface WriteLock {
  release(): void
}

/** Waits for the gateway's own transaction, if one is under way. */
export function takeWriteLock(dataDir: string): WriteLock {
  const db = new DatabaseSync(join(dataDir, 'zendo.db'), { timeout: 5000 })
  db.exec('BEGIN IMMEDIATE')
  return {
    release() {
      db.exec('ROLLBACK')
      db.close()
    },
  }
}

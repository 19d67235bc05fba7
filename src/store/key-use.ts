/** SQL of when keys were used last: written in batches, now and then, for people who look for keys that nobody needs. */
import type { Database } from './database.ts'

/** Rows of one transaction: others wait for it. */
const BATCH = 500
/** A server that ends must not wait long for this. */
const MAX_WAIT_MS = 1000

const SAVE = 'UPDATE api_key SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)'

/** An instant before the one that stands there already, which another process wrote, changes nothing. */
export async function saveKeyUses(database: Database, uses: ReadonlyMap<string, number>): Promise<void> {
  const rows = [...uses].map(([id, usedAtMs]) => [usedAtMs, id, usedAtMs])
  for (let at = 0; at < rows.length; at += BATCH) {
    await database.write((sql) => sql.runEach(SAVE, rows.slice(at, at + BATCH)), { maxWaitMs: MAX_WAIT_MS })
  }
}

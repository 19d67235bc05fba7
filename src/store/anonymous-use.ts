/** SQL that counts requests without a key, by client address and UTC day. */
import type { Database } from './database.ts'

/** Counts one request if fewer than `limit` were counted that day. Returns whether it was counted. */
export function countAnonymousUse(db: Database, addressHash: string, day: number, limit: number): boolean {
  if (limit < 1) return false
  const changed = db.run(
    'INSERT INTO anonymous_use (address_hash, day, used) VALUES (?, ?, 1)' +
      ' ON CONFLICT (address_hash, day) DO UPDATE SET used = anonymous_use.used + 1 WHERE anonymous_use.used < ?',
    addressHash,
    day,
    limit,
  )
  return changed === 1
}

/** Requests counted that day. */
export function loadAnonymousUse(db: Database, addressHash: string, day: number): number {
  const row = db.get<{ used: bigint }>(
    'SELECT used FROM anonymous_use WHERE address_hash = ? AND day = ?',
    addressHash,
    day,
  )
  return Number(row?.used ?? 0)
}

/** Forgets the days before `day`: addresses are kept no longer than the limit needs them. */
export function deleteAnonymousUseBefore(db: Database, day: number): void {
  db.run('DELETE FROM anonymous_use WHERE day < ?', day)
}

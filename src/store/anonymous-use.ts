/** SQL that counts requests without a key, by client address and UTC day. */
import type { Sql } from './database.ts'

/** Counts one request if fewer than `limit` were counted that day. Returns whether it was counted. */
export async function countAnonymousUse(sql: Sql, addressHash: string, day: number, limit: number): Promise<boolean> {
  if (limit < 1) return false
  const changed = await sql.run(
    'INSERT INTO anonymous_use (address_hash, day, used) VALUES (?, ?, 1)' +
      ' ON CONFLICT (address_hash, day) DO UPDATE SET used = anonymous_use.used + 1 WHERE anonymous_use.used < ?',
    addressHash,
    day,
    limit,
  )
  return changed === 1
}

/** Requests counted that day. */
export async function loadAnonymousUse(sql: Sql, addressHash: string, day: number): Promise<number> {
  const row = await sql.get<{ used: bigint }>(
    'SELECT used FROM anonymous_use WHERE address_hash = ? AND day = ?',
    addressHash,
    day,
  )
  return Number(row?.used ?? 0)
}

/** Forgets the days before `day`: addresses are kept no longer than the limit needs them. */
export async function deleteAnonymousUseBefore(sql: Sql, day: number): Promise<void> {
  await sql.run('DELETE FROM anonymous_use WHERE day < ?', day)
}

/** SQL of the revision: a number that changes with keys, seats, caps and settings, so that every process notices. */
import type { Sql } from './database.ts'

/** Call it in the transaction of the change. */
export async function bumpRevision(sql: Sql): Promise<void> {
  await sql.run("UPDATE revision SET value = value + 1 WHERE name = 'policy'")
}

export async function loadRevision(sql: Sql): Promise<bigint> {
  const row = await sql.get<{ value: bigint }>("SELECT value FROM revision WHERE name = 'policy'")
  return row?.value ?? 0n
}

/** Writes a row as it stands: whether the database takes writes shows only when something is written. */
export async function touchRevision(sql: Sql): Promise<void> {
  await sql.run("UPDATE revision SET value = value WHERE name = 'policy'")
}

/** SQL of passkeys: public keys only, which open nothing by themselves. */
import type { Sql } from './database.ts'

export interface Passkey {
  /** The credential id that the authenticator chose, base64url. */
  readonly id: string
  readonly personId: string
  readonly name: string
  /** COSE, base64url. */
  readonly publicKey: string
  /** How often the authenticator says it was used; 0 for ever with those that do not count. */
  readonly counter: number
  readonly transports: readonly string[]
  readonly createdAtMs: number
  readonly lastUsedAtMs: number | null
}

interface Row {
  readonly id: string
  readonly person_id: string
  readonly name: string
  readonly public_key: string
  readonly counter: bigint
  readonly transports: string
  readonly created_at: bigint
  readonly last_used_at: bigint | null
}

const SELECT = 'SELECT id, person_id, name, public_key, counter, transports, created_at, last_used_at FROM passkey'

function passkeyOf(row: Row): Passkey {
  return {
    id: row.id,
    personId: row.person_id,
    name: row.name,
    publicKey: row.public_key,
    counter: Number(row.counter),
    transports: JSON.parse(row.transports) as string[],
    createdAtMs: Number(row.created_at),
    lastUsedAtMs: row.last_used_at === null ? null : Number(row.last_used_at),
  }
}

/** Returns false when somebody has one of this id. */
export async function insertPasskey(
  sql: Sql,
  passkey: Omit<Passkey, 'createdAtMs' | 'lastUsedAtMs'>,
  nowMs: number,
): Promise<boolean> {
  const { id, personId, name, publicKey, counter, transports } = passkey
  const inserted = await sql.run(
    'INSERT INTO passkey (id, person_id, name, public_key, counter, transports, created_at)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ...[id, personId, name, publicKey, counter, JSON.stringify(transports), nowMs],
  )
  return inserted === 1
}

export async function loadPasskey(sql: Sql, id: string): Promise<Passkey | undefined> {
  const row = await sql.get<Row>(`${SELECT} WHERE id = ?`, id)
  return row && passkeyOf(row)
}

/** A person's own, oldest first. */
export async function listPasskeys(sql: Sql, personId: string): Promise<Passkey[]> {
  return (await sql.all<Row>(`${SELECT} WHERE person_id = ? ORDER BY created_at, id`, personId)).map(passkeyOf)
}

/**
 * Counts a use. Returns false when the counter has not grown: of two that show the same one, at whatever moment and to
 * whichever process, one is refused. One that stays at 0 says that its authenticator does not count.
 */
export async function usePasskey(sql: Sql, id: string, counter: number, nowMs: number): Promise<boolean> {
  const changed = await sql.run(
    'UPDATE passkey SET counter = ?, last_used_at = ?' +
      ' WHERE id = ? AND (counter < ? OR (counter = 0 AND CAST(? AS BIGINT) = 0))',
    ...[counter, nowMs, id, counter, counter],
  )
  return changed === 1
}

export async function renamePasskey(sql: Sql, id: string, name: string): Promise<void> {
  await sql.run('UPDATE passkey SET name = ? WHERE id = ?', name, id)
}

/** All of a person; returns how many. */
export function deletePasskeysOf(sql: Sql, personId: string): Promise<number> {
  return sql.run('DELETE FROM passkey WHERE person_id = ?', personId)
}

export async function deletePasskey(sql: Sql, id: string): Promise<void> {
  await sql.run('DELETE FROM passkey WHERE id = ?', id)
}

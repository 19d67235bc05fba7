/** SQL of people. */
import type { Sql } from './database.ts'

export interface Person {
  readonly id: string
  /** Lower case. */
  readonly email: string
  readonly name: string
  readonly isOperator: boolean
  /** Argon2id in the PHC string format. */
  readonly password: string | null
  readonly disabledAtMs: number | null
  readonly createdAtMs: number
  /** When somebody first showed that the address is its own; null: nobody has. */
  readonly emailProvedAtMs: number | null
}

interface Row {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly is_operator: bigint
  readonly password: string | null
  readonly disabled_at: bigint | null
  readonly created_at: bigint
  readonly email_proved_at: bigint | null
}

const SELECT = 'SELECT id, email, name, is_operator, password, disabled_at, created_at, email_proved_at FROM person'

function personOf(row: Row | undefined): Person | undefined {
  return (
    row && {
      id: row.id,
      email: row.email,
      name: row.name,
      isOperator: row.is_operator === 1n,
      password: row.password,
      disabledAtMs: row.disabled_at === null ? null : Number(row.disabled_at),
      createdAtMs: Number(row.created_at),
      emailProvedAtMs: row.email_proved_at === null ? null : Number(row.email_proved_at),
    }
  )
}

export async function loadPerson(sql: Sql, id: string): Promise<Person | undefined> {
  return personOf(await sql.get<Row>(`${SELECT} WHERE id = ?`, id))
}

/** As `loadPerson`; keeps others from changing it until the transaction ends. */
export async function lockPerson(sql: Sql, id: string): Promise<Person | undefined> {
  return personOf(await sql.get<Row>(`${SELECT} WHERE id = ? /*postgres FOR UPDATE */`, id))
}

/** Oldest first, those after an id. */
export async function listPeople(sql: Sql, afterId: string, limit: number): Promise<Person[]> {
  const rows = await sql.all<Row>(`${SELECT} WHERE id > ? ORDER BY id LIMIT ?`, afterId, limit)
  return rows.flatMap((row) => personOf(row) ?? [])
}

/** By its address in lower case. */
export async function findPersonByEmail(sql: Sql, email: string): Promise<Person | undefined> {
  return personOf(await sql.get<Row>(`${SELECT} WHERE email = ?`, email))
}

/** Without `isProved` nobody has shown yet that the address is its own. */
export async function insertPerson(
  sql: Sql,
  person: Pick<Person, 'id' | 'email' | 'name' | 'isOperator' | 'password'> & { readonly isProved?: boolean },
  nowMs: number,
): Promise<void> {
  const { id, email, name, isOperator, password, isProved = false } = person
  await sql.run(
    'INSERT INTO person (id, email, name, is_operator, password, created_at, email_proved_at)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[id, email, name, isOperator ? 1 : 0, password, nowMs, isProved ? nowMs : null],
  )
}

/** Its address is proved from then on, and whatever password it had opens nothing any more. */
export async function setEmailProved(sql: Sql, id: string, nowMs: number): Promise<void> {
  await sql.run('UPDATE person SET email_proved_at = ?, password = NULL WHERE id = ?', nowMs, id)
}

export async function setPersonName(sql: Sql, id: string, name: string): Promise<void> {
  await sql.run('UPDATE person SET name = ? WHERE id = ?', name, id)
}

/** Whatever a role map said of it before counts no longer. */
export async function setOperator(sql: Sql, id: string, isOperator: boolean): Promise<void> {
  await sql.run('UPDATE person SET is_operator = ?, operator_by = NULL WHERE id = ?', isOperator ? 1 : 0, id)
}

/** Argon2id in the PHC string format. */
export async function setPassword(sql: Sql, id: string, password: string): Promise<void> {
  await sql.run('UPDATE person SET password = ? WHERE id = ?', password, id)
}

/** Null: no longer disabled. */
export async function setDisabled(sql: Sql, id: string, disabledAtMs: number | null): Promise<void> {
  await sql.run('UPDATE person SET disabled_at = ? WHERE id = ?', disabledAtMs, id)
}

/** Of all its memberships; returns how many keys that makes useless. */
export function revokeKeysOfPerson(sql: Sql, id: string, nowMs: number): Promise<number> {
  return sql.run(
    'UPDATE api_key SET revoked_at = ? WHERE revoked_at IS NULL AND member_id IN' +
      ' (SELECT id FROM member WHERE person_id = ?)',
    nowMs,
    id,
  )
}

/** Who runs the instance first takes over what the first start made: its oldest admin, where that is nobody's yet. */
export async function linkFirstAdmin(sql: Sql, personId: string): Promise<void> {
  await sql.run(
    'UPDATE member SET person_id = ? WHERE person_id IS NULL AND id = (SELECT id FROM member' +
      " WHERE workspace_id = (SELECT MIN(id) FROM workspace) AND role = 'admin' AND removed_at IS NULL" +
      ' ORDER BY id LIMIT 1)',
    personId,
  )
}

export async function countOperators(sql: Sql): Promise<number> {
  const row = await sql.get<{ count: bigint }>(
    'SELECT COUNT(*) AS count FROM person WHERE is_operator = 1 AND disabled_at IS NULL',
  )
  return Number(row?.count ?? 0n)
}

/** A membership with its workspace's name. */
export interface NamedMembership {
  readonly workspaceId: string
  readonly workspaceName: string
  readonly memberId: string
  readonly role: 'admin' | 'member'
}

/** The workspaces that a person belongs to, oldest first. */
export function listMemberships(sql: Sql, personId: string): Promise<NamedMembership[]> {
  return sql.all<NamedMembership>(
    'SELECT m.workspace_id AS "workspaceId", w.name AS "workspaceName", m.id AS "memberId", m.role' +
      ' FROM member m JOIN workspace w ON w.id = m.workspace_id' +
      ' WHERE m.person_id = ? AND m.removed_at IS NULL ORDER BY m.id',
    personId,
  )
}

/** SQL of accounts at providers of identities, and of the roles that those gave. */
import type { Sql } from './database.ts'
import type { Role } from './membership.ts'

export interface Identity {
  readonly issuer: string
  readonly subject: string
  readonly personId: string
  readonly createdAtMs: number
}

/** By what its issuer calls it, and by nothing else. */
export async function findIdentity(sql: Sql, issuer: string, subject: string): Promise<Identity | undefined> {
  const row = await sql.get<Row>(`${SELECT} WHERE issuer = ? AND subject = ?`, issuer, subject)
  return row && identityOf(row)
}

/** Oldest first. */
export async function listIdentities(sql: Sql, personId: string): Promise<Identity[]> {
  return (await sql.all<Row>(`${SELECT} WHERE person_id = ? ORDER BY created_at, issuer`, personId)).map(identityOf)
}

const SELECT = 'SELECT issuer, subject, person_id, created_at FROM identity'

interface Row {
  readonly issuer: string
  readonly subject: string
  readonly person_id: string
  readonly created_at: bigint
}

function identityOf({ issuer, subject, person_id: personId, created_at: createdAt }: Row): Identity {
  return { issuer, subject, personId, createdAtMs: Number(createdAt) }
}

export async function insertIdentity(sql: Sql, identity: Omit<Identity, 'createdAtMs'>, nowMs: number): Promise<void> {
  await sql.run(
    'INSERT INTO identity (issuer, subject, person_id, created_at) VALUES (?, ?, ?, ?)',
    ...[identity.issuer, identity.subject, identity.personId, nowMs],
  )
}

/** Returns whether there was one. */
export async function deleteIdentity(sql: Sql, personId: string, issuer: string): Promise<boolean> {
  return (await sql.run('DELETE FROM identity WHERE person_id = ? AND issuer = ?', personId, issuer)) > 0
}

/** Returns whether there was one. */
export async function deleteIdentityAt(
  sql: Sql,
  { issuer, subject }: Pick<Identity, 'issuer' | 'subject'>,
): Promise<boolean> {
  return (await sql.run('DELETE FROM identity WHERE issuer = ? AND subject = ?', issuer, subject)) > 0
}

/** With what a person can prove who it is. */
export interface Proofs {
  readonly hasPassword: boolean
  readonly passkeys: number
  readonly identities: number
}

export async function countProofs(sql: Sql, personId: string): Promise<Proofs> {
  const row = await sql.get<{ password: string | null; passkeys: bigint; identities: bigint }>(
    'SELECT password, (SELECT COUNT(*) FROM passkey WHERE person_id = p.id) AS passkeys,' +
      ' (SELECT COUNT(*) FROM identity WHERE person_id = p.id) AS identities FROM person p WHERE id = ?',
    personId,
  )
  return {
    hasPassword: (row?.password ?? null) !== null,
    passkeys: Number(row?.passkeys ?? 0n),
    identities: Number(row?.identities ?? 0n),
  }
}

/** Whether somebody with this address was invited and may still come. */
export async function hasOpenInvite(sql: Sql, email: string, nowMs: number): Promise<boolean> {
  const row = await sql.get<{ id: string }>(
    'SELECT id FROM invite WHERE email = ? AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ? LIMIT 1',
    email,
    nowMs,
  )
  return row !== undefined
}

/** Whether somebody runs the instance, and the issuer whose role map said so; null: somebody here did. */
export async function loadOperatorGrant(
  sql: Sql,
  personId: string,
): Promise<{ readonly isOperator: boolean; readonly by: string | null }> {
  const row = await sql.get<{ is_operator: bigint; operator_by: string | null }>(
    'SELECT is_operator, operator_by FROM person WHERE id = ?',
    personId,
  )
  return { isOperator: row?.is_operator === 1n, by: row?.operator_by ?? null }
}

/** From now on it is the role map of that issuer that may take it back. */
export async function setOperatorBy(sql: Sql, personId: string, by: string): Promise<void> {
  await sql.run('UPDATE person SET operator_by = ? WHERE id = ?', by, personId)
}

/** A membership with the issuer whose role map gave it; null: somebody here did. */
export interface MappedMembership {
  readonly id: string
  readonly workspaceId: string
  readonly role: Role
  readonly mappedBy: string | null
  /** The role that somebody here gave before that role map raised it; null: the map gave the membership. */
  readonly handRole: Role | null
}

/** Those of a person that were not ended. */
export function listMappedMemberships(sql: Sql, personId: string): Promise<MappedMembership[]> {
  return sql.all<MappedMembership>(
    'SELECT id, workspace_id AS "workspaceId", role, mapped_by AS "mappedBy", hand_role AS "handRole" FROM member' +
      ' WHERE person_id = ? AND removed_at IS NULL ORDER BY id',
    personId,
  )
}

/** From now on it is the role map of that issuer that may change and end it; with a role by hand, take it back to that. */
export async function setMappedBy(sql: Sql, memberId: string, by: string, handRole: Role | null): Promise<void> {
  await sql.run('UPDATE member SET mapped_by = ?, hand_role = ? WHERE id = ?', by, handRole, memberId)
}

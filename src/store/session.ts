/** SQL of browsers that are signed in. */
import type { Sql } from './database.ts'

export type SignInMethod = 'setup' | 'password' | 'passkey' | 'email' | 'oidc' | 'invite'

export interface NewSession {
  readonly id: string
  /** SHA-256 of the cookie's content. */
  readonly hash: string
  readonly personId: string
  readonly method: SignInMethod
  readonly expiresAtMs: number
}

export interface SessionRow {
  readonly id: string
  readonly personId: string
  readonly method: SignInMethod
  readonly createdAtMs: number
  readonly authenticatedAtMs: number
  readonly seenAtMs: number
  readonly expiresAtMs: number
}

/** A session that is in use, with the person behind it. */
export interface OpenSession extends SessionRow {
  readonly isOperator: boolean
}

export async function insertSession(sql: Sql, session: NewSession, nowMs: number): Promise<void> {
  await sql.run(
    'INSERT INTO session (id, hash, person_id, method, created_at, authenticated_at, seen_at, expires_at)' +
      ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ...[session.id, session.hash, session.personId, session.method, nowMs, nowMs, nowMs, session.expiresAtMs],
  )
}

interface Row {
  readonly id: string
  readonly person_id: string
  readonly method: SignInMethod
  readonly created_at: bigint
  readonly authenticated_at: bigint
  readonly seen_at: bigint
  readonly expires_at: bigint
}

function sessionOf(row: Row): SessionRow {
  return {
    id: row.id,
    personId: row.person_id,
    method: row.method,
    createdAtMs: Number(row.created_at),
    authenticatedAtMs: Number(row.authenticated_at),
    seenAtMs: Number(row.seen_at),
    expiresAtMs: Number(row.expires_at),
  }
}

/** Neither ended nor of a person who was disabled; whether its time is over is for the caller to say. */
export async function loadOpenSession(sql: Sql, hash: string): Promise<OpenSession | undefined> {
  const row = await sql.get<Row & { is_operator: bigint }>(
    'SELECT s.id, s.person_id, s.method, s.created_at, s.authenticated_at, s.seen_at, s.expires_at, p.is_operator' +
      ' FROM session s JOIN person p ON p.id = s.person_id' +
      ' WHERE s.hash = ? AND s.ended_at IS NULL AND p.disabled_at IS NULL',
    hash,
  )
  return row && { ...sessionOf(row), isOperator: row.is_operator === 1n }
}

/** Sessions that may still be used, newest first: not ended, not over, and seen after an instant. */
export async function listSessions(
  sql: Sql,
  personId: string,
  { nowMs, seenAfterMs }: { readonly nowMs: number; readonly seenAfterMs: number },
): Promise<SessionRow[]> {
  const rows = await sql.all<Row>(
    'SELECT id, person_id, method, created_at, authenticated_at, seen_at, expires_at FROM session' +
      ' WHERE person_id = ? AND ended_at IS NULL AND expires_at > ? AND seen_at > ? ORDER BY id DESC',
    ...[personId, nowMs, seenAfterMs],
  )
  return rows.map(sessionOf)
}

/** One of a person's own that was not ended. */
export async function loadSession(sql: Sql, personId: string, id: string): Promise<SessionRow | undefined> {
  const row = await sql.get<Row>(
    'SELECT id, person_id, method, created_at, authenticated_at, seen_at, expires_at FROM session' +
      ' WHERE id = ? AND person_id = ? AND ended_at IS NULL',
    id,
    personId,
  )
  return row && sessionOf(row)
}

/** Gives it another secret after a proof of identity; the one before opens nothing any more. Returns whether it was in use. */
export async function renewSession(sql: Sql, id: string, hash: string, nowMs: number): Promise<boolean> {
  return (
    (await sql.run(
      'UPDATE session SET hash = ?, authenticated_at = ?, seen_at = ? WHERE id = ? AND ended_at IS NULL',
      ...[hash, nowMs, nowMs, id],
    )) === 1
  )
}

/** Ends the one that a browser had, whoever's it was. */
export async function endSessionByHash(sql: Sql, hash: string, nowMs: number): Promise<void> {
  await sql.run('UPDATE session SET ended_at = ? WHERE hash = ? AND ended_at IS NULL', nowMs, hash)
}

/** Ends all of a person's but one that is new, and the newest so many beside it. */
export async function endOldestSessions(
  sql: Sql,
  { personId, newId, others }: { readonly personId: string; readonly newId: string; readonly others: number },
  nowMs: number,
): Promise<void> {
  await sql.run(
    'UPDATE session SET ended_at = ? WHERE person_id = ? AND ended_at IS NULL AND id <> ? AND id NOT IN' +
      ' (SELECT id FROM session WHERE person_id = ? AND ended_at IS NULL AND id <> ? ORDER BY id DESC LIMIT ?)',
    ...[nowMs, personId, newId, personId, newId, others],
  )
}

/** Those that nobody can use any more since an instant. */
export async function deleteOldSessions(sql: Sql, beforeMs: number): Promise<void> {
  await sql.run('DELETE FROM session WHERE ended_at < ? OR expires_at < ?', beforeMs, beforeMs)
}

export async function touchSession(sql: Sql, id: string, nowMs: number): Promise<void> {
  await sql.run('UPDATE session SET seen_at = ? WHERE id = ?', nowMs, id)
}

/** Returns whether it was in use. */
export async function endSession(sql: Sql, personId: string, id: string, nowMs: number): Promise<boolean> {
  return (
    (await sql.run(
      'UPDATE session SET ended_at = ? WHERE id = ? AND person_id = ? AND ended_at IS NULL',
      nowMs,
      id,
      personId,
    )) === 1
  )
}

/** Ends all sessions of a person, but for one where it is named; returns how many. */
export function endSessions(
  sql: Sql,
  personId: string,
  nowMs: number,
  exceptId: string | null = null,
): Promise<number> {
  return sql.run(
    "UPDATE session SET ended_at = ? WHERE person_id = ? AND ended_at IS NULL AND id <> COALESCE(?, '')",
    nowMs,
    personId,
    exceptId,
  )
}

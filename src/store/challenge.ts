/**
 * SQL of challenges: what somebody was given to bring back once. A row has the hash of it alone; who reads the database
 * can bring back nothing. Call these inside `write`: what depends on the answer belongs in the same transaction.
 */
import type { Sql } from './database.ts'

export type ChallengePurpose = 'setup' | 'email_code' | 'password_reset' | 'oidc' | 'passkey_sign_in' | 'passkey_add'

export interface NewChallenge {
  /** SHA-256 of what was given. */
  readonly hash: string
  readonly purpose: ChallengePurpose
  /** Whom it is for; null while that is not known. */
  readonly personId: string | null
  /** What is needed to check it; secrets in it are sealed. */
  readonly payload: unknown
  readonly expiresAtMs: number
}

export interface Challenge extends NewChallenge {
  /** How often somebody answered it, this time included. */
  readonly tries: number
  readonly createdAtMs: number
}

interface Row {
  readonly hash: string
  readonly purpose: ChallengePurpose
  readonly person_id: string | null
  readonly payload: string
  readonly tries: bigint
  readonly created_at: bigint
  readonly expires_at: bigint
}

function challengeOf(row: Row | undefined): Challenge | undefined {
  return (
    row && {
      hash: row.hash,
      purpose: row.purpose,
      personId: row.person_id,
      payload: JSON.parse(row.payload) as unknown,
      tries: Number(row.tries),
      createdAtMs: Number(row.created_at),
      expiresAtMs: Number(row.expires_at),
    }
  )
}

export async function insertChallenge(sql: Sql, challenge: NewChallenge, nowMs: number): Promise<void> {
  const { hash, purpose, personId, payload, expiresAtMs } = challenge
  await sql.run(
    'INSERT INTO challenge (hash, purpose, person_id, payload, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
    ...[hash, purpose, personId, JSON.stringify(payload), nowMs, expiresAtMs],
  )
}

/** One that could be taken now; undefined for every other. */
export async function loadChallenge(
  sql: Sql,
  hash: string,
  purpose: ChallengePurpose,
  nowMs: number,
): Promise<Challenge | undefined> {
  return challengeOf(
    await sql.get<Row>(
      'SELECT hash, purpose, person_id, payload, tries, created_at, expires_at FROM challenge' +
        ' WHERE hash = ? AND purpose = ? AND used_at IS NULL AND expires_at > ?',
      ...[hash, purpose, nowMs],
    ),
  )
}

/**
 * Uses it up. Of all who come with the same one, at whatever moment and to whichever process, exactly one gets it;
 * undefined for the others, and for one that is over or was for something else.
 */
export async function takeChallenge(
  sql: Sql,
  hash: string,
  purpose: ChallengePurpose,
  nowMs: number,
): Promise<Challenge | undefined> {
  return challengeOf(
    await sql.get<Row>(
      'UPDATE challenge SET used_at = ? WHERE hash = ? AND purpose = ? AND used_at IS NULL AND expires_at > ?' +
        ' RETURNING hash, purpose, person_id, payload, tries, created_at, expires_at',
      ...[nowMs, hash, purpose, nowMs],
    ),
  )
}

/**
 * Counts a try, before anybody looks whether it is right, so that guesses made at the same time all count; its
 * transaction must stand whatever comes of the guess. Undefined when all tries are used up, as for one that is over. The
 * challenge stays: `takeChallenge` uses it up when the answer was right.
 */
export async function tryChallenge(
  sql: Sql,
  hash: string,
  purpose: ChallengePurpose,
  limits: { readonly nowMs: number; readonly maxTries: number },
): Promise<Challenge | undefined> {
  return challengeOf(
    await sql.get<Row>(
      'UPDATE challenge SET tries = tries + 1' +
        ' WHERE hash = ? AND purpose = ? AND used_at IS NULL AND expires_at > ? AND tries < ?' +
        ' RETURNING hash, purpose, person_id, payload, tries, created_at, expires_at',
      ...[hash, purpose, limits.nowMs, limits.maxTries],
    ),
  )
}

/** Uses up all that a person was given for a purpose; null: those that are for nobody yet. Returns how many. */
export function endChallenges(
  sql: Sql,
  purpose: ChallengePurpose,
  personId: string | null,
  nowMs: number,
): Promise<number> {
  return sql.run(
    'UPDATE challenge SET used_at = ? WHERE purpose = ? AND person_id IS NOT DISTINCT FROM ? AND used_at IS NULL',
    ...[nowMs, purpose, personId],
  )
}

/** How many a person was given for a purpose since an instant that can still be taken. */
export async function countChallenges(
  sql: Sql,
  purpose: ChallengePurpose,
  personId: string,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): Promise<number> {
  const row = await sql.get<{ count: bigint }>(
    'SELECT COUNT(*) AS count FROM challenge' +
      ' WHERE purpose = ? AND person_id = ? AND used_at IS NULL AND created_at > ? AND expires_at > ?',
    ...[purpose, personId, sinceMs, nowMs],
  )
  return Number(row?.count ?? 0n)
}

export async function deleteOldChallenges(sql: Sql, expiredBeforeMs: number): Promise<void> {
  await sql.run('DELETE FROM challenge WHERE expires_at < ?', expiredBeforeMs)
}

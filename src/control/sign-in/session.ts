/**
 * Sessions: what a cookie holds is 256 random bits, known here by their hash alone. Every request looks in the database,
 * so that a session that was ended is dead at once in every process.
 */
import { createHash, createHmac } from 'node:crypto'
import { newId } from '../../base/ids.ts'
import { DAY_MS, MINUTE_MS } from '../../base/time.ts'
import type { Database, Sql } from '../../store/database.ts'
import {
  insertSession,
  loadOpenSession,
  type OpenSession,
  type SignInMethod,
  touchSession,
} from '../../store/session.ts'
import type { RandomBytes } from '../instance.ts'

const TOKEN_BYTES = 32
/** However busy it is; and without any request. */
export const SESSION_MS = 30 * DAY_MS
export const IDLE_MS = 7 * DAY_MS
/** How long a proof of identity counts as recent. */
export const RECENT_MS = 15 * MINUTE_MS
/** Seen is written this often at most. */
const TOUCH_MS = 5 * MINUTE_MS

export interface StartedSession {
  readonly id: string
  /** For the cookie; known nowhere else. */
  readonly token: string
  readonly expiresAtMs: number
}

/** A new session inside the caller's transaction: signing in never goes on with an old one. */
export async function startSession(
  sql: Sql,
  person: { readonly personId: string; readonly method: SignInMethod },
  { nowMs, randomBytes }: { readonly nowMs: number; readonly randomBytes: RandomBytes },
): Promise<StartedSession> {
  const token = Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url')
  const session = { id: newId('ses', nowMs), token, expiresAtMs: nowMs + SESSION_MS }
  await insertSession(sql, { ...session, hash: hashToken(token), ...person }, nowMs)
  return session
}

/** The session of a cookie; undefined when there is none, it was ended, its time is over, or nobody used it for long. */
export async function findSession(db: Database, token: string, nowMs: number): Promise<OpenSession | undefined> {
  if (!/^[\w-]{43}$/.test(token)) return undefined
  const session = await loadOpenSession(db, hashToken(token))
  if (!session || session.expiresAtMs <= nowMs || session.seenAtMs + IDLE_MS <= nowMs) return undefined
  if (session.seenAtMs + TOUCH_MS <= nowMs) await touchSession(db, session.id, nowMs)
  return session
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** What a page of this origin must bring back with each write: it follows from the session and cannot be guessed. */
export function csrfToken(secret: string, sessionToken: string): string {
  return createHmac('sha256', secret).update(`csrf ${sessionToken}`).digest('base64url')
}

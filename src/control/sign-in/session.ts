/**
 * Sessions: what a cookie holds is 256 random bits, known here by their hash alone. Every request looks in the database,
 * so that a session that was ended is dead at once in every process.
 */
import { createHash, createHmac } from 'node:crypto'
import { newId } from '../../base/ids.ts'
import { DAY_MS, MINUTE_MS } from '../../base/time.ts'
import type { Database, Sql } from '../../store/database.ts'
import {
  deleteOldSessions,
  endOldestSessions,
  endSession,
  endSessions,
  insertSession,
  listSessions,
  loadOpenSession,
  loadSession,
  type OpenSession,
  renewSession,
  type SessionRow,
  type SignInMethod,
  touchSession,
} from '../../store/session.ts'
import { type Acting, putOnRecord } from '../acting.ts'
import type { RandomBytes } from '../instance.ts'

const TOKEN_BYTES = 32
/** However busy it is; and without any request. */
export const SESSION_MS = 30 * DAY_MS
export const IDLE_MS = 7 * DAY_MS
/** How long a proof of identity counts as recent. */
export const RECENT_MS = 15 * MINUTE_MS
/** Browsers that one person may be signed in with at once; beyond that the oldest session ends. */
const MAX_SESSIONS = 50
/** How long a session that nobody can use is kept. */
const KEPT_MS = 7 * DAY_MS
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
  await endOldestSessions(sql, { personId: person.personId, newId: session.id, others: MAX_SESSIONS - 1 }, nowMs)
  return session
}

/**
 * A session goes on after its person proved once more who it is: with another token, so that whoever had the one before
 * is out. When it ends stays as it was. Undefined when it was ended meanwhile.
 */
export async function renewProof(
  sql: Sql,
  { personId, sessionId }: { readonly personId: string; readonly sessionId: string },
  { nowMs, randomBytes }: { readonly nowMs: number; readonly randomBytes: RandomBytes },
): Promise<StartedSession | undefined> {
  const session = await loadSession(sql, personId, sessionId)
  if (!session) return undefined
  const token = Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url')
  if (!(await renewSession(sql, sessionId, hashToken(token), nowMs))) return undefined
  return { id: sessionId, token, expiresAtMs: session.expiresAtMs }
}

/** The sessions with which a person is signed in, newest first. */
export function listOpenSessions(sql: Sql, personId: string, nowMs: number): Promise<SessionRow[]> {
  return listSessions(sql, personId, { nowMs, seenAfterMs: nowMs - IDLE_MS })
}

/** Signs a person out of one browser, on record. Returns whether there was such a session. */
export function endOwnSession(db: Database, acting: Acting, personId: string, id: string): Promise<boolean> {
  return db.write(async (sql) => {
    if (!(await endSession(sql, personId, id, acting.nowMs))) return false
    await putOnRecord(sql, acting, { action: 'session.end_one', workspaceId: null, target: id })
    return true
  })
}

/** Signs a person out everywhere but in one browser, on record. Returns how many sessions ended. */
export function endSessionsBut(db: Database, acting: Acting, personId: string, keptId: string): Promise<number> {
  return db.write(async (sql) => {
    const ended = await endSessions(sql, personId, acting.nowMs, keptId)
    const after = { sessions_ended: ended }
    await putOnRecord(sql, acting, { action: 'session.end_others', workspaceId: null, target: personId, after })
    return ended
  })
}

/** Those that nobody could use for a while go. */
export function forgetSessions(sql: Sql, nowMs: number): Promise<void> {
  return deleteOldSessions(sql, nowMs - KEPT_MS)
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

/**
 * Signing in, and proving once more who one is. Whatever way somebody comes by ends in `enter`: a new session, the one
 * that the browser had before is over, and both the success and the failure stand in the audit log.
 */
import { AppError } from '../../base/errors.ts'
import { endChallenges } from '../../store/challenge.ts'
import { type Database, reasonOf, type Sql } from '../../store/database.ts'
import { findPersonByEmail, loadPerson, lockPerson, type Person, setPassword } from '../../store/person.ts'
import { touchRevision } from '../../store/revision.ts'
import { endSessionByHash, endSessions, type SignInMethod } from '../../store/session.ts'
import { type Acting, type Change, putOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { postMail } from '../mail/outbox.ts'
import { hostOf, passwordChangedMail } from '../mail/texts.ts'
import { checkNewPassword, hashPassword, verifyPassword } from './password.ts'
import { hashToken, RECENT_MS, renewProof, type StartedSession, startSession } from './session.ts'
import { type Attempt, beginAttempt, isStep, passAttempt } from './throttle.ts'

export interface Entering {
  readonly personId: string
  readonly method: SignInMethod
  /** What was counted beforehand; null where nothing can be guessed. */
  readonly attempt: Attempt | null
  /** What the browser's cookie held; null for none. */
  readonly oldToken: string | null
  /** What else goes on record, in the person's name: the account that was made, say. */
  readonly change?: Change
}

/**
 * Signs a person in, inside the caller's transaction. Call it last: it ends with the audit log, after which nothing may
 * be locked. @throws AppError sign_in_failed when the person was disabled meanwhile
 */
export async function enter(sql: Sql, acting: Acting, entering: Entering): Promise<StartedSession> {
  const { personId, method, attempt, oldToken, change } = entering
  const { nowMs } = acting
  if (attempt) await passAttempt(sql, attempt, nowMs)
  const person = await lockPerson(sql, personId)
  if (!person || person.disabledAtMs !== null) throw failed()
  if (oldToken !== null) await endSessionByHash(sql, hashToken(oldToken), nowMs)
  const session = await startSession(sql, { personId, method }, acting)
  const inTheirName = asPerson(acting, personId)
  if (change) await putOnRecord(sql, inTheirName, change)
  await putOnRecord(sql, inTheirName, {
    action: 'sign_in.succeeded',
    ...{ workspaceId: null, target: personId, after: { method, session: session.id } },
  })
  return session
}

/** In the name of a person whom the request itself did not show. */
export function asPerson(acting: Acting, personId: string): Acting {
  return { ...acting, actor: { kind: 'person', id: personId } }
}

interface Failure {
  readonly personId: string | null
  readonly method: SignInMethod
  readonly attempt: Attempt
}

/**
 * Puts on record that somebody could not prove to be a person; null for nobody who is known. It writes either way, so
 * that the next request is kept waiting either way.
 */
async function noteFailure(db: Database, acting: Acting, { personId, method, attempt }: Failure): Promise<void> {
  await db.write(async (sql) => {
    await touchRevision(sql)
    if (personId === null || !isStep(attempt)) return
    await putOnRecord(sql, acting, {
      action: 'sign_in.failed',
      ...{ workspaceId: null, target: personId, after: { method, in_a_row: attempt.failures } },
    })
  })
}

/** Behind the answer: the time that a line on record takes would tell that there is such an account. */
export function noteFailureLater({ database, log }: ControlPlane, acting: Acting, failure: Failure): void {
  setImmediate(() => {
    noteFailure(database, acting, failure).catch((error: unknown) =>
      log.error({ cause: reasonOf(error) }, 'a sign-in that failed could not be put on record'),
    )
  })
}

/** The one answer to everything that does not fit: who exists stays open. */
export function failed(): AppError {
  return new AppError('sign_in_failed', 'The address or the password is wrong. Check both, or sign in another way.')
}

export interface PasswordSignIn {
  /** In lower case. */
  readonly email: string
  readonly password: string
  /** Of the client. */
  readonly address: string
  readonly oldToken: string | null
}

/** @throws AppError sign_in_failed, rate_limited, overloaded */
export async function signInWithPassword(
  control: ControlPlane,
  acting: Acting,
  { email, password, address, oldToken }: PasswordSignIn,
): Promise<StartedSession & { readonly personId: string }> {
  const attempt = await beginAttempt(control, { way: 'password', account: email, address })
  const person = await findPersonByEmail(control.database, email)
  await checkPassword(control, acting, { person, password, attempt })
  if (!person) throw failed()
  const session = await control.database.write(async (sql) => {
    // One that was changed while it was checked is the wrong one.
    if ((await lockPerson(sql, person.id))?.password !== person.password) throw failed()
    return await enter(sql, acting, { personId: person.id, method: 'password', attempt, oldToken })
  })
  return { ...session, personId: person.id }
}

interface Proof {
  readonly person: Person | undefined
  readonly password: string
  readonly attempt: Attempt
}

/** @throws AppError sign_in_failed, which is on record then */
async function checkPassword(
  control: ControlPlane,
  acting: Acting,
  { person, password, attempt }: Proof,
): Promise<void> {
  const isRight = await verifyPassword(password, person?.password ?? null)
  if (person && isRight && person.disabledAtMs === null && mayUsePassword(control, person)) return
  noteFailureLater(control, acting, { personId: person?.id ?? null, method: 'password', attempt })
  throw failed()
}

/** Where people sign in elsewhere, operators still get in by password: somebody must when all else is down. */
function mayUsePassword({ signIn }: ControlPlane, person: Person): boolean {
  return signIn().password || person.isOperator
}

export interface OwnSession {
  readonly personId: string
  readonly sessionId: string
  readonly authenticatedAtMs: number
}

/** @throws AppError sign_in_failed, rate_limited, overloaded, sign_in_required when the session was ended meanwhile */
export async function proveByPassword(
  control: ControlPlane,
  acting: Acting,
  { own, password, address }: { readonly own: OwnSession; readonly password: string; readonly address: string },
): Promise<StartedSession> {
  const person = await loadPerson(control.database, own.personId)
  if (!person) throw sessionEnded()
  const attempt = await beginAttempt(control, { way: 'password', account: person.email, address })
  await checkPassword(control, acting, { person, password, attempt })
  return await control.database.write(async (sql) => {
    await passAttempt(sql, attempt, acting.nowMs)
    return await proveAgain(sql, acting, { own, method: 'password' })
  })
}

/**
 * For every way of proving, inside the caller's transaction: the session goes on with another token, and that stands on
 * record. @throws AppError sign_in_required when it was ended meanwhile
 */
export async function proveAgain(
  sql: Sql,
  acting: Acting,
  { own, method }: { readonly own: Omit<OwnSession, 'authenticatedAtMs'>; readonly method: SignInMethod },
): Promise<StartedSession> {
  const session = await renewProof(sql, own, acting)
  if (!session) throw sessionEnded()
  await putOnRecord(sql, acting, {
    action: 'session.prove',
    ...{ workspaceId: null, target: own.personId, after: { method, session: own.sessionId } },
  })
  return session
}

export interface PasswordChange {
  readonly own: OwnSession
  /** Null for somebody who has none yet. */
  readonly current: string | null
  readonly next: string
  readonly address: string
}

/**
 * Sets another password, or a first one; all other sessions of the person end, and this one goes on with another token.
 * @throws AppError sign_in_failed, invalid_request (what may be no password), permission_denied (a first one wants a
 *   recent proof of identity), rate_limited, overloaded
 */
export async function changePassword(
  control: ControlPlane,
  acting: Acting,
  { own, current, next, address }: PasswordChange,
): Promise<StartedSession> {
  const person = await loadPerson(control.database, own.personId)
  if (!person) throw sessionEnded()
  checkNewPassword(next, person)
  let attempt: Attempt | null = null
  if (person.password !== null) {
    attempt = await beginAttempt(control, { way: 'password', account: person.email, address })
    await checkPassword(control, acting, { person, password: current ?? '', attempt })
  } else if (own.authenticatedAtMs + RECENT_MS <= acting.nowMs) {
    throw new AppError('permission_denied', 'Sign in again first: a first password needs a recent proof of identity.', {
      metadata: { reason: 'sign_in_again' },
    })
  }
  const password = await hashPassword(next, control.randomBytes)
  const session = await control.database.write(async (sql) => {
    if (attempt) await passAttempt(sql, attempt, acting.nowMs)
    if ((await lockPerson(sql, person.id))?.password !== person.password) throw failed()
    return await replacePassword(sql, acting, { own, password, isFirst: person.password === null })
  })
  postMail(control, passwordChangedMail(person.email, hostOf(control)))
  return session
}

async function replacePassword(
  sql: Sql,
  acting: Acting,
  { own, password, isFirst }: { readonly own: OwnSession; readonly password: string; readonly isFirst: boolean },
): Promise<StartedSession> {
  const { personId, sessionId } = own
  await setPassword(sql, personId, password)
  await endChallenges(sql, 'password_reset', personId, acting.nowMs)
  const ended = await endSessions(sql, personId, acting.nowMs, sessionId)
  const session = await renewProof(sql, own, acting)
  if (!session) throw sessionEnded()
  await putOnRecord(sql, acting, {
    action: 'password.change',
    ...{ workspaceId: null, target: personId, after: { is_first: isFirst, sessions_ended: ended } },
  })
  return session
}

/** The request was let in by it; it is over. */
export function sessionEnded(): AppError {
  return new AppError('sign_in_required', 'This session was ended. Sign in again.')
}

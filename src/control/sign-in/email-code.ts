/**
 * Signing in with a code by e-mail. A code has 40 bits, is good for ten minutes, five tries and one use, on the page that
 * asked for it, and only while it is the newest. Who asks for an address that has no account sees and waits for the same.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../base/errors.ts'
import { newId } from '../../base/ids.ts'
import { MINUTE_MS } from '../../base/time.ts'
import { type Challenge, insertChallenge, loadChallenge, takeChallenge, tryChallenge } from '../../store/challenge.ts'
import type { Sql } from '../../store/database.ts'
import { endEmailCodes } from '../../store/email-code.ts'
import { findPersonByEmail, insertPerson, type Person } from '../../store/person.ts'
import { bumpRevision, touchRevision } from '../../store/revision.ts'
import type { Acting, Change } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import type { RandomBytes } from '../instance.ts'
import { postMail, requireMail } from '../mail/outbox.ts'
import { emailCodeMail, hostOf } from '../mail/texts.ts'
import { enter, noteFailureLater } from './account.ts'
import { type AddressProof, proveAddress, tellOfProof } from './address-proof.ts'
import { hashToken, type StartedSession } from './session.ts'
import { beginAttempt, passAttempt } from './throttle.ts'

const HANDLE_BYTES = 32
/** 40 bits: eight characters of Crockford's base 32, which has no letters that look like digits. */
const CODE_BYTES = 5
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
export const CODE_MS = 10 * MINUTE_MS
export const MAX_CODE_TRIES = 5
const MAX_NAME_LENGTH = 100

/** What stands with the challenge. */
interface CodePayload {
  readonly email: string
  /** A keyed hash; null where nobody was sent a code. */
  readonly code: string | null
}

export interface AskedCode {
  /** To be sent along with the code: it opens nothing alone, nor does the code without it. */
  readonly challenge: string
  readonly expiresAtMs: number
}

/** @throws AppError not_found where no mail leaves, rate_limited */
export async function askForCode(
  control: ControlPlane,
  { email, address }: { readonly email: string; readonly address: string },
): Promise<AskedCode> {
  requireMail(control)
  const { database, randomBytes, secret } = control
  await beginAttempt(control, { way: 'email_code', account: email, address })
  const nowMs = control.clock()
  const challenge = Buffer.from(randomBytes(HANDLE_BYTES)).toString('base64url')
  const code = newCode(randomBytes)
  const expiresAtMs = nowMs + CODE_MS
  const isMeant = await database.write(async (sql) => {
    // Keeps others that ask at the same time out: one code is the newest.
    await touchRevision(sql)
    const person = await findPersonByEmail(sql, email)
    const mayEnter = person ? person.disabledAtMs === null : isOpen(control)
    const payload: CodePayload = { email, code: mayEnter ? codeHash(secret, challenge, code) : null }
    await endEmailCodes(sql, email, nowMs)
    const hash = hashToken(challenge)
    await insertChallenge(
      sql,
      { hash, purpose: 'email_code', personId: person?.id ?? null, payload, expiresAtMs },
      nowMs,
    )
    return mayEnter
  })
  if (isMeant) postMail(control, emailCodeMail(email, `${code.slice(0, 4)}-${code.slice(4)}`, hostOf(control)))
  return { challenge, expiresAtMs }
}

/** A new session, and whose it is. */
export interface SignedIn extends StartedSession {
  readonly personId: string
}

/** Not null where this was the first proof that the address is the account's own. */
export interface SignedInByCode extends SignedIn {
  readonly proof: AddressProof | null
}

export interface CodeAnswer {
  readonly challenge: string
  readonly code: string
  /** Of the client. */
  readonly address: string
  readonly oldToken: string | null
}

/** @throws AppError sign_in_failed, rate_limited */
export async function signInWithCode(
  control: ControlPlane,
  acting: Acting,
  { challenge, code, address, oldToken }: CodeAnswer,
): Promise<SignedInByCode> {
  requireMail(control)
  const { database, secret } = control
  const { nowMs } = acting
  const hash = hashToken(challenge)
  const asked = await loadChallenge(database, hash, 'email_code', nowMs)
  const account = asked ? payloadOf(asked).email : null
  const attempt = await beginAttempt(control, { way: 'email_code', account, address })
  // The try stands before anybody looks at the code: guesses made at the same time all count.
  const tried = await database.write((sql) =>
    tryChallenge(sql, hash, 'email_code', { nowMs, maxTries: MAX_CODE_TRIES }),
  )
  if (!tried || !isSame(payloadOf(tried).code, codeHash(secret, challenge, normalCode(code)))) {
    noteFailureLater(control, acting, { personId: asked?.personId ?? null, method: 'email', attempt })
    throw codeRefused()
  }
  const session = await database.write(async (sql) => {
    // Keys end with the first proof, which every process must hear; the revision comes before all other locks.
    if (!(await isProved(sql, payloadOf(tried).email))) await bumpRevision(sql)
    if (!(await takeChallenge(sql, hash, 'email_code', nowMs))) throw codeRefused()
    // The one that asked for the code was meant as well: many who sign in from one address do not slow each other down.
    await passAttempt(sql, { ...attempt, accountSubject: null, placeSubject: null }, nowMs)
    await passAttempt(sql, attempt, nowMs)
    const found = await findOrMake(sql, control, tried, nowMs)
    const proof = await proveAddress(sql, acting, found.personId)
    const session = await enter(sql, acting, { ...found, method: 'email', attempt: null, oldToken })
    return { ...session, personId: found.personId, proof }
  })
  tellOfProof(control, session.proof)
  return session
}

async function isProved(sql: Sql, email: string): Promise<boolean> {
  const person = await findPersonByEmail(sql, email)
  return person !== undefined && person.emailProvedAtMs !== null
}

/** The person who has the address; where anybody may make an account, a new one. */
async function findOrMake(
  sql: Sql,
  control: ControlPlane,
  challenge: Challenge,
  nowMs: number,
): Promise<{ readonly personId: string; readonly change?: Change }> {
  const { email } = payloadOf(challenge)
  const person = await findPersonByEmail(sql, email)
  if (person) {
    if (isStillMeant(person, challenge)) return { personId: person.id }
    throw codeRefused()
  }
  if (challenge.personId !== null || !isOpen(control)) throw codeRefused()
  const id = newId('per', nowMs)
  const name = email.slice(0, email.lastIndexOf('@')).slice(0, MAX_NAME_LENGTH)
  await insertPerson(sql, { id, email, name, isOperator: false, password: null, isProved: true }, nowMs)
  return { personId: id, change: { action: 'person.register', workspaceId: null, target: id, after: { email } } }
}

/** An account that was made after the code was sent belongs to whoever reads the mail as well. */
function isStillMeant(person: Person, challenge: Challenge): boolean {
  return challenge.personId === null || challenge.personId === person.id
}

function isOpen({ signIn }: ControlPlane): boolean {
  return signIn().registration === 'open'
}

function payloadOf({ payload }: Challenge): CodePayload {
  return payload as CodePayload
}

function newCode(randomBytes: RandomBytes): string {
  const bits = Buffer.from(randomBytes(CODE_BYTES)).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  return Array.from({ length: 8 }, (_, i) => ALPHABET[Number((bits >> BigInt(35 - 5 * i)) & 31n)]).join('')
}

/** As people type it. */
function normalCode(typed: string): string {
  return typed.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
}

/** Keyed: 40 bits could be found from a plain hash. */
function codeHash(secret: string, challenge: string, code: string): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify(['email code', challenge, code]))
    .digest('base64url')
}

function isSame(known: string | null, given: string): boolean {
  if (known === null) return false
  const [left, right] = [Buffer.from(known), Buffer.from(given)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function codeRefused(): AppError {
  return new AppError('sign_in_failed', 'The code is wrong or no longer good. Check it, or ask for another one.')
}

/**
 * A new password by a link in a mail: 256 random bits behind the `#`, good for half an hour and one use. It resets a
 * password that there is; an account that signs in elsewhere gets none by mail.
 *
 * Anybody can ask for anybody, so asking takes nothing away: links that were sent go on working until one is used, and
 * what is counted is the asking address. An account gets a few mails at a time, whoever asks how often.
 */
import { AppError } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/time.ts'
import { countChallenges, endChallenges, insertChallenge, loadChallenge, takeChallenge } from '../../store/challenge.ts'
import { findPersonByEmail, loadPerson, lockPerson, type Person, setPassword } from '../../store/person.ts'
import { bumpRevision, touchRevision } from '../../store/revision.ts'
import { endSessions } from '../../store/session.ts'
import { type Acting, putOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { postMail, requireMail } from '../mail/outbox.ts'
import { hostOf, passwordChangedMail, passwordResetMail } from '../mail/texts.ts'
import { asPerson } from './account.ts'
import { proveAddress, tellOfProof } from './address-proof.ts'
import { checkNewPassword, hashPassword } from './password.ts'
import { hashToken } from './session.ts'
import { beginAttempt, passEarlier } from './throttle.ts'

const TOKEN_BYTES = 32
export const RESET_MS = 30 * MINUTE_MS
/** So many links at most are sent to one account within half their life: whoever asks has one that is good for long. */
export const MAX_LINKS = 2

/** Sends the link, where there is an account for it; the same is done and told where there is none. @throws AppError not_found where no mail leaves, rate_limited */
export async function askForReset(
  control: ControlPlane,
  { email, address }: { readonly email: string; readonly address: string },
): Promise<void> {
  requireMail(control)
  await beginAttempt(control, { way: 'password_reset', account: null, address })
  const nowMs = control.clock()
  const token = Buffer.from(control.randomBytes(TOKEN_BYTES)).toString('base64url')
  const isMeant = await control.database.write(async (sql) => {
    // Keeps others that ask at the same time out: they are counted one after the other.
    await touchRevision(sql)
    const person = await findPersonByEmail(sql, email)
    const meantId = person && mayReset(control, person) ? person.id : null
    // Of nobody there are none: the same work, for the same time.
    const span = { sinceMs: nowMs - RESET_MS / 2, nowMs }
    const sent = await countChallenges(sql, 'password_reset', meantId ?? 'nobody', span)
    const personId = sent < MAX_LINKS ? meantId : null
    await insertChallenge(
      sql,
      { hash: hashToken(token), purpose: 'password_reset', personId, payload: {}, expiresAtMs: nowMs + RESET_MS },
      nowMs,
    )
    return personId !== null
  })
  if (isMeant) postMail(control, passwordResetMail(email, `${control.publicUrl()}/console/reset#${token}`))
}

export interface ResetAnswer {
  readonly token: string
  readonly password: string
  /** Of the client. */
  readonly address: string
}

/**
 * Sets the password; every session of the person ends. A password that may be none leaves the link good for another.
 * @throws AppError sign_in_failed, invalid_request, rate_limited, overloaded
 */
export async function finishReset(
  control: ControlPlane,
  acting: Acting,
  { token, password, address }: ResetAnswer,
): Promise<void> {
  requireMail(control)
  const { database, randomBytes } = control
  const { nowMs } = acting
  const hash = hashToken(token)
  const challenge = await loadChallenge(database, hash, 'password_reset', nowMs)
  const asked = challenge?.personId ? await loadPerson(database, challenge.personId) : undefined
  if (!asked || !mayReset(control, asked)) {
    // Nobody guesses a token: what others do at this address keeps nobody waiting who has one.
    await beginAttempt(control, { way: 'password_reset', account: null, address })
    throw linkRefused()
  }
  checkNewPassword(password, asked)
  const hashed = await hashPassword(password, randomBytes)
  const proof = await database.write(async (sql) => {
    // Keys end with the first proof of an address, which every process must hear.
    if (asked.emailProvedAtMs === null) await bumpRevision(sql)
    await passEarlier(sql, control, address, nowMs)
    // Before its links: of two that are used at once, each would wait for the other's.
    const person = await lockPerson(sql, asked.id)
    if (!person || !mayReset(control, person)) throw linkRefused()
    if (!(await takeChallenge(sql, hash, 'password_reset', nowMs))) throw linkRefused()
    await endChallenges(sql, 'password_reset', person.id, nowMs)
    const proof = await proveAddress(sql, acting, person.id)
    await setPassword(sql, person.id, hashed)
    const ended = await endSessions(sql, person.id, nowMs)
    await putOnRecord(sql, asPerson(acting, person.id), {
      action: 'password.reset',
      ...{ workspaceId: null, target: person.id, after: { sessions_ended: ended } },
    })
    return proof
  })
  tellOfProof(control, proof)
  postMail(control, passwordChangedMail(asked.email, hostOf(control)))
}

/** Who may use a password at all may have another one: operators always, see `signInWithPassword`. */
function mayReset({ signIn }: ControlPlane, person: Person): boolean {
  return person.disabledAtMs === null && person.password !== null && (signIn().password || person.isOperator)
}

function linkRefused(): AppError {
  return new AppError('sign_in_failed', 'This link is no longer good. Ask for another one.')
}

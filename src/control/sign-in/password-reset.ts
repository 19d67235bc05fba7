/**
 * A new password by a link in a mail: 256 random bits behind the `#`, good for half an hour and one use. It resets a
 * password that there is; an account that signs in elsewhere gets none by mail.
 */
import { AppError } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/time.ts'
import { endChallenges, insertChallenge, loadChallenge, takeChallenge } from '../../store/challenge.ts'
import { findPersonByEmail, loadPerson, lockPerson, type Person, setPassword } from '../../store/person.ts'
import { touchRevision } from '../../store/revision.ts'
import { endSessions } from '../../store/session.ts'
import { type Acting, putOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { postMail, requireMail } from '../mail/outbox.ts'
import { hostOf, passwordChangedMail, passwordResetMail } from '../mail/texts.ts'
import { asPerson } from './account.ts'
import { checkNewPassword, hashPassword } from './password.ts'
import { hashToken } from './session.ts'
import { beginAttempt, passAttempt } from './throttle.ts'

const TOKEN_BYTES = 32
export const RESET_MS = 30 * MINUTE_MS

/** Sends the link, where there is an account for it; the same is done and told where there is none. @throws AppError not_found where no mail leaves, rate_limited */
export async function askForReset(
  control: ControlPlane,
  { email, address }: { readonly email: string; readonly address: string },
): Promise<void> {
  requireMail(control)
  await beginAttempt(control, { way: 'password_reset', account: email, address })
  const nowMs = control.clock()
  const token = Buffer.from(control.randomBytes(TOKEN_BYTES)).toString('base64url')
  const isMeant = await control.database.write(async (sql) => {
    // Keeps others that ask at the same time out: one link works, not two.
    await touchRevision(sql)
    const person = await findPersonByEmail(sql, email)
    const personId = person && mayReset(control, person) ? person.id : null
    // Of nobody there are none: the same work, for the same time.
    await endChallenges(sql, 'password_reset', personId ?? 'nobody', nowMs)
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
  const attempt = await beginAttempt(control, { way: 'password_reset', account: null, address })
  const hash = hashToken(token)
  const challenge = await loadChallenge(database, hash, 'password_reset', nowMs)
  const asked = challenge?.personId ? await loadPerson(database, challenge.personId) : undefined
  if (!asked || !mayReset(control, asked)) throw linkRefused()
  checkNewPassword(password, asked)
  const hashed = await hashPassword(password, randomBytes)
  await database.write(async (sql) => {
    await passAttempt(sql, attempt, nowMs)
    if (!(await takeChallenge(sql, hash, 'password_reset', nowMs))) throw linkRefused()
    const person = await lockPerson(sql, asked.id)
    if (!person || !mayReset(control, person)) throw linkRefused()
    await setPassword(sql, person.id, hashed)
    const ended = await endSessions(sql, person.id, nowMs)
    await putOnRecord(sql, asPerson(acting, person.id), {
      action: 'password.reset',
      ...{ workspaceId: null, target: person.id, after: { sessions_ended: ended } },
    })
  })
  postMail(control, passwordChangedMail(asked.email, hostOf(control)))
}

/** Who may use a password at all may have another one: operators always, see `signInWithPassword`. */
function mayReset({ signIn }: ControlPlane, person: Person): boolean {
  return person.disabledAtMs === null && person.password !== null && (signIn().password || person.isOperator)
}

function linkRefused(): AppError {
  return new AppError('sign_in_failed', 'This link is no longer good. Ask for another one.')
}

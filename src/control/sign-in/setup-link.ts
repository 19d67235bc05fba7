/**
 * The link by which somebody becomes an operator: shown at the start while there is none, and made on the machine when
 * nobody gets in any more. What it carries stands behind the `#`, which browsers send to no server: no log has it.
 */
import { AppError } from '../../base/errors.ts'
import { newId } from '../../base/ids.ts'
import { DAY_MS } from '../../base/time.ts'
import { type Challenge, endChallenges, insertChallenge, loadChallenge, takeChallenge } from '../../store/challenge.ts'
import type { Sql } from '../../store/database.ts'
import {
  countOperators,
  findPersonByEmail,
  insertPerson,
  linkFirstAdmin,
  lockPerson,
  setPassword,
} from '../../store/person.ts'
import { bumpRevision, touchRevision } from '../../store/revision.ts'
import { endSessions } from '../../store/session.ts'
import { type Acting, type Change, changeOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { enter } from './account.ts'
import { proveAddress } from './address-proof.ts'
import { checkNewPassword, hashPassword } from './password.ts'
import { hashToken, type StartedSession } from './session.ts'
import { beginAttempt, passAttempt } from './throttle.ts'

const TOKEN_BYTES = 32
export const SETUP_LINK_MS = DAY_MS

export interface SetupLink {
  /** Shown once; the instance knows its hash alone. */
  readonly url: string
  readonly expiresAtMs: number
}

/** What stands with the challenge: one that a start printed is worth nothing once there is an operator. */
interface LinkPayload {
  readonly isFirst: boolean
}

/** While there is no operator: a fresh link, and no other that a start has printed works any more. Else null. */
export async function makeFirstSetupLink(control: ControlPlane): Promise<SetupLink | null> {
  const nowMs = control.clock()
  if ((await countOperators(control.database)) > 0) return null
  return await control.database.write(async (sql) => {
    // Of several starts at once, each waits here for the one before: the last one's link is the one that works.
    await touchRevision(sql)
    return (await countOperators(sql)) > 0
      ? null
      : await putLink(sql, control, { personId: null, isFirst: true, nowMs })
  })
}

/**
 * For whoever may run commands on the machine: a link for an operator who cannot sign in any more, or for a new one.
 * @throws AppError not_found when no operator has the address
 */
export function makeSetupLink(
  control: ControlPlane,
  acting: Acting,
  { email }: { readonly email: string | null },
): Promise<SetupLink> {
  return changeOnRecord(control.database, acting, async (sql, put) => {
    const person = email === null ? null : await findPersonByEmail(sql, email.toLowerCase())
    if (email !== null && (!person?.isOperator || person.disabledAtMs !== null)) {
      throw new AppError('not_found', 'No operator has this address. Leave it out to make a new operator.')
    }
    const personId = person?.id ?? null
    const link = await putLink(sql, control, { personId, isFirst: false, nowMs: acting.nowMs })
    await put({ action: 'setup_link.make', workspaceId: null, target: personId })
    return link
  })
}

async function putLink(
  sql: Sql,
  { randomBytes, publicUrl }: ControlPlane,
  { personId, isFirst, nowMs }: { readonly personId: string | null; readonly isFirst: boolean; readonly nowMs: number },
): Promise<SetupLink> {
  const token = Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url')
  const expiresAtMs = nowMs + SETUP_LINK_MS
  const payload: LinkPayload = { isFirst }
  await endChallenges(sql, 'setup', personId, nowMs)
  await insertChallenge(sql, { hash: hashToken(token), purpose: 'setup', personId, payload, expiresAtMs }, nowMs)
  return { url: `${publicUrl()}/console/setup#${token}`, expiresAtMs }
}

export interface SetupRequest {
  readonly token: string
  /** In lower case. */
  readonly email: string
  readonly name: string
  readonly password: string
  /** Of the client. */
  readonly address: string
  readonly oldToken: string | null
}

/**
 * Makes the operator of a link, or gives the one it is for another password, and signs in. A link that was refused for
 * what came with it can be used again.
 * @throws AppError sign_in_failed (used, over, or none), invalid_request, conflict (the address has an account),
 *   rate_limited, overloaded
 */
export async function finishSetup(
  control: ControlPlane,
  acting: Acting,
  request: SetupRequest,
): Promise<StartedSession & { readonly personId: string }> {
  const { token, address, oldToken } = request
  const { database } = control
  const hash = hashToken(token)
  const attempt = await beginAttempt(control, { way: 'setup', account: null, address })
  // Before the work that a password makes: it is not for whoever has no link.
  if (!(await loadChallenge(database, hash, 'setup', acting.nowMs))) throw deadLink()
  checkNewPassword(request.password, request)
  const password = await hashPassword(request.password, control.randomBytes)
  return await database.write(async (sql) => {
    await bumpRevision(sql)
    const challenge = await takeChallenge(sql, hash, 'setup', acting.nowMs)
    if (!challenge) throw deadLink()
    await passAttempt(sql, attempt, acting.nowMs)
    const settling = { challenge, request, password }
    const { personId, change } =
      challenge.personId === null
        ? await makeOperator(sql, acting, settling)
        : await recoverOperator(sql, acting, challenge.personId, settling)
    const session = await enter(sql, acting, { personId, method: 'setup', attempt: null, oldToken, change })
    return { ...session, personId }
  })
}

interface Settling {
  readonly challenge: Challenge
  readonly request: SetupRequest
  readonly password: string
}

interface Settled {
  readonly personId: string
  readonly change: Change
}

async function makeOperator(
  sql: Sql,
  { nowMs }: Acting,
  { challenge, request: { email, name }, password }: Settling,
): Promise<Settled> {
  const { isFirst } = challenge.payload as LinkPayload
  if (isFirst && (await countOperators(sql)) > 0) throw deadLink()
  if (await findPersonByEmail(sql, email)) {
    throw new AppError('conflict', 'This address has an account already. Take another one.', { param: 'email' })
  }
  const personId = newId('per', nowMs)
  await insertPerson(sql, { id: personId, email, name, isOperator: true, password, isProved: true }, nowMs)
  await linkFirstAdmin(sql, personId)
  const after = { email, name, is_operator: true }
  return { personId, change: { action: 'setup.finish', workspaceId: null, target: personId, after } }
}

async function recoverOperator(
  sql: Sql,
  acting: Acting,
  personId: string,
  { request, password }: Settling,
): Promise<Settled> {
  const { nowMs } = acting
  const person = await lockPerson(sql, personId)
  if (!person?.isOperator) throw deadLink()
  if (person.email !== request.email) {
    throw new AppError('invalid_request', 'This link is for an operator with another address.', { param: 'email' })
  }
  await proveAddress(sql, acting, personId)
  await setPassword(sql, personId, password)
  await endChallenges(sql, 'password_reset', personId, nowMs)
  const after = { sessions_ended: await endSessions(sql, personId, nowMs) }
  return { personId, change: { action: 'setup.finish', workspaceId: null, target: personId, after } }
}

function deadLink(): AppError {
  return new AppError(
    'sign_in_failed',
    'This link was used, is over, or was replaced. Start Zendo again or run "zendo setup-link" for a new one.',
  )
}

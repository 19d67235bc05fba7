/**
 * Whose account here a proven identity is. What its issuer calls it decides, once that is linked; an e-mail address only
 * ever finds an account that nobody could sign in to in another way, and only when the provider has verified it.
 */
import { AppError } from '../../base/errors.ts'
import { newId } from '../../base/ids.ts'
import { email as emailShape } from '../../contract/shapes.ts'
import type { IdentityProvider } from '../../domain/sign-in-config.ts'
import type { Sql } from '../../store/database.ts'
import {
  countProofs,
  deleteIdentity,
  findIdentity,
  hasOpenInvite,
  insertIdentity,
  listIdentities,
} from '../../store/identity.ts'
import { findPersonByEmail, insertPerson, lockPerson, type Person } from '../../store/person.ts'
import { loadSession } from '../../store/session.ts'
import { type Acting, changeOnRecord, type Put, putOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { enter, sessionEnded } from './account.ts'
import { type AddressProof, proveAddress, tellOfProof } from './address-proof.ts'
import type { ProvenIdentity } from './oidc.ts'
import { applyRoles, type MappedPerson, planRoles, withoutGroups } from './role-map.ts'
import type { StartedSession } from './session.ts'

/** Why somebody who proved an identity is not let in. */
export type RefusalReason =
  | 'disabled'
  | 'unverified_email'
  | 'domain'
  | 'email_in_use'
  | 'no_account'
  | 'linked_elsewhere'
  | 'already_linked'

export interface Arrival {
  readonly provider: IdentityProvider
  readonly identity: ProvenIdentity
  /** What the browser's cookie held; null for none. */
  readonly oldToken: string | null
}

/**
 * Signs in whoever the identity is, after linking or making an account where that is allowed, and after its groups were
 * looked at. @throws AppError sign_in_failed with a sentence that says what to do
 */
export async function signInWithIdentity(
  control: ControlPlane,
  acting: Acting,
  arrival: Arrival,
): Promise<StartedSession> {
  const { database } = control
  const session = await database.write((sql) => enterUnchanged(sql, acting, arrival))
  if (session) return session
  const scene = { control, acting, arrival }
  const entered = await changeOnRecord(database, acting, (sql, put) => enterChanged(sql, put, scene))
  if (!('reason' in entered)) {
    tellOfProof(control, entered.proof)
    return entered.session
  }
  const { reason, personId } = entered
  if (personId !== null) {
    const { id, issuer } = arrival.provider
    const after = { method: 'oidc', provider: id, issuer, reason }
    const failure = { action: 'sign_in.failed', workspaceId: null, target: personId, after }
    await database.write((sql) => putOnRecord(sql, acting, failure))
  }
  throw refuse(arrival.provider, reason)
}

interface Refused {
  readonly reason: RefusalReason
  /** Whose account it would have been. */
  readonly personId: string | null
}

/** Who is known, and has what its groups give, changes nothing that other processes go by; null: there is more to do. */
async function enterUnchanged(sql: Sql, acting: Acting, arrival: Arrival): Promise<StartedSession | null> {
  const { provider, identity, oldToken } = arrival
  const known = await findIdentity(sql, identity.issuer, identity.subject)
  if (!known || checkAddress(provider, identity) !== null) return null
  const person = await lockPerson(sql, known.personId)
  if (!person || person.disabledAtMs !== null || provesAddress(identity, person)) return null
  // Unlinked while this waited for the person.
  if ((await findIdentity(sql, identity.issuer, identity.subject))?.personId !== person.id) return null
  const mapped = mappedPerson(provider, identity, person)
  if (mapped && (await planRoles(sql, mapped)).length > 0) return null
  return await enter(sql, acting, { personId: person.id, method: 'oidc', attempt: null, oldToken })
}

interface Scene {
  readonly control: ControlPlane
  readonly acting: Acting
  readonly arrival: Arrival
}

interface Entered {
  readonly session: StartedSession
  readonly proof: AddressProof | null
}

async function enterChanged(sql: Sql, put: Put, scene: Scene): Promise<Entered | Refused> {
  const { acting, arrival } = scene
  const { provider, identity, oldToken } = arrival
  const found = await findAccount(sql, put, scene)
  if ('reason' in found) return found
  const proof = provesAddress(identity, found) ? await proveAddress(sql, acting, found.id, { identity }) : null
  const mapped = mappedPerson(provider, identity, found)
  if (mapped) await applyRoles(sql, put, { person: mapped, acting }, await planRoles(sql, mapped))
  const session = await enter(sql, acting, { personId: found.id, method: 'oidc', attempt: null, oldToken })
  return { session, proof }
}

/** For the first time that anything does. */
function provesAddress(identity: ProvenIdentity, { email, emailProvedAtMs }: Person): boolean {
  return emailProvedAtMs === null && verifiedEmail(identity) === email
}

/** Found by the identity, or by an address that counts, or made; locked in any case. */
async function findAccount(sql: Sql, put: Put, scene: Scene): Promise<Person | Refused> {
  const { provider, identity } = scene.arrival
  const known = await findIdentity(sql, identity.issuer, identity.subject)
  const refusal = checkAddress(provider, identity)
  if (refusal) return { reason: refusal, personId: known?.personId ?? null }
  const person = known ? await lockPerson(sql, known.personId) : await matchAddress(sql, put, scene)
  if (!person) return { reason: 'no_account', personId: null }
  if ('reason' in person) return person
  return person.disabledAtMs === null ? person : { reason: 'disabled', personId: person.id }
}

/** A first sign-in. */
async function matchAddress(sql: Sql, put: Put, scene: Scene): Promise<Person | Refused | undefined> {
  const { identity } = scene.arrival
  const email = verifiedEmail(identity)
  if (email === null) return { reason: 'unverified_email', personId: null }
  const found = await findPersonByEmail(sql, email)
  if (!found) return await makeAccount(sql, put, scene, email)
  const person = (await lockPerson(sql, found.id)) ?? found
  if (person.disabledAtMs !== null) return person
  const { hasPassword, passkeys, identities } = await countProofs(sql, person.id)
  // Whoever got hold of somebody's address at a provider must not get hold of the account here; but one that nobody has
  // proved is whose the address is, unless it runs the instance.
  const isSettled = person.emailProvedAtMs !== null || person.isOperator
  if (isSettled && (hasPassword || passkeys > 0 || identities > 0)) {
    return { reason: 'email_in_use', personId: person.id }
  }
  await link(sql, put, scene, person.id)
  return person
}

async function makeAccount(sql: Sql, put: Put, scene: Scene, email: string): Promise<Person | Refused | undefined> {
  const { control, acting, arrival } = scene
  const { provider, identity } = arrival
  const isWelcome = provider.provisions || control.signIn().registration === 'open'
  if (!isWelcome && !(await hasOpenInvite(sql, email, acting.nowMs))) return { reason: 'no_account', personId: null }
  const id = newId('per', acting.nowMs)
  const name = nameOf(identity, email)
  await insertPerson(sql, { id, email, name, isOperator: false, password: null, isProved: true }, acting.nowMs)
  await put({ action: 'person.create', workspaceId: null, target: id, after: { email, name, provider: provider.id } })
  await link(sql, put, scene, id)
  return await lockPerson(sql, id)
}

async function link(sql: Sql, put: Put, { acting, arrival }: Scene, personId: string): Promise<void> {
  const { issuer, subject } = arrival.identity
  await insertIdentity(sql, { issuer, subject, personId }, acting.nowMs)
  await put({ action: 'identity.link', workspaceId: null, target: personId, after: { issuer, subject } })
}

/** Who links an identity, signed in as what. */
export interface Linking {
  readonly personId: string
  readonly sessionId: string
}

/**
 * Links an identity to a person who is signed in and proved both.
 * @throws AppError sign_in_failed; sign_in_required when the session was ended meanwhile
 */
export function linkToPerson(
  control: ControlPlane,
  acting: Acting,
  { arrival, personId, sessionId }: { readonly arrival: Arrival } & Linking,
): Promise<void> {
  const { provider, identity } = arrival
  return changeOnRecord(control.database, acting, async (sql, put) => {
    const reason = checkAddress(provider, identity)
    if (reason) throw refuse(provider, reason)
    const person = await lockPerson(sql, personId)
    if (!person || person.disabledAtMs !== null) throw refuse(provider, 'disabled')
    if (!(await loadSession(sql, personId, sessionId))) throw sessionEnded()
    const known = await findIdentity(sql, identity.issuer, identity.subject)
    if (known?.personId === personId) return
    if (known) throw refuse(provider, 'linked_elsewhere')
    const own = await listIdentities(sql, personId)
    if (own.some(({ issuer }) => issuer === identity.issuer)) throw refuse(provider, 'already_linked')
    await link(sql, put, { control, acting, arrival }, personId)
  })
}

/** What its role map gave goes with it. @throws AppError not_found; conflict for the last way in */
export function unlinkIdentity(
  control: ControlPlane,
  acting: Acting,
  { personId, issuer }: { readonly personId: string; readonly issuer: string },
): Promise<void> {
  return changeOnRecord(control.database, acting, async (sql, put) => {
    const person = await lockPerson(sql, personId)
    const { hasPassword, passkeys, identities } = await countProofs(sql, personId)
    if (!(await deleteIdentity(sql, personId, issuer))) {
      throw new AppError('not_found', 'No account of this provider is linked to you.')
    }
    if (!hasPassword && passkeys === 0 && identities === 1) {
      throw new AppError('conflict', 'This is your only way to sign in. Set a password or add a passkey first.')
    }
    await put({ action: 'identity.unlink', workspaceId: null, target: personId, before: { issuer } })
    // Nobody would ever look again at the groups that these came from.
    const mapped = withoutGroups({ personId, name: person?.name ?? '', issuer })
    await applyRoles(sql, put, { person: mapped, acting }, await planRoles(sql, mapped))
  })
}

/** Whether people with this address may come from this provider at all. */
function checkAddress({ id, domains }: IdentityProvider, identity: ProvenIdentity): RefusalReason | null {
  if (domains === null) return null
  const email = verifiedEmail(identity)
  if (email === null) return 'unverified_email'
  const domain = email.slice(email.lastIndexOf('@') + 1)
  if (!domains.includes(domain)) return 'domain'
  // Anybody can have a Google account with an address elsewhere; only `hd` says that the organisation made it.
  const isOrganisation = id === 'google' && !CONSUMER_DOMAINS.includes(domain)
  return isOrganisation && (identity.hostedDomain === null || !domains.includes(identity.hostedDomain))
    ? 'domain'
    : null
}

const CONSUMER_DOMAINS = ['gmail.com', 'googlemail.com']

/** In lower case; null for none, and for what no provider vouches for. */
function verifiedEmail({ email, isEmailVerified }: ProvenIdentity): string | null {
  const parsed = emailShape.safeParse(email)
  return isEmailVerified && parsed.success ? parsed.data : null
}

function nameOf({ name }: ProvenIdentity, email: string): string {
  const printable = (name ?? '').replace(/\p{C}/gu, '').trim()
  return [...(printable || email.slice(0, email.indexOf('@')))].slice(0, 100).join('').trim()
}

function mappedPerson(
  { roles }: IdentityProvider,
  { issuer, groups }: ProvenIdentity,
  { id, name }: Person,
): MappedPerson | null {
  return roles && groups && { personId: id, name, issuer, map: roles, groups }
}

function refuse({ name }: IdentityProvider, reason: RefusalReason): AppError {
  return new AppError('sign_in_failed', REFUSALS[reason](name), { metadata: { reason } })
}

const REFUSALS: Readonly<Record<RefusalReason, (name: string) => string>> = {
  disabled: () => 'Your account here is disabled. Ask an operator of this gateway.',
  unverified_email: (name) =>
    `${name} has not verified your e-mail address, which then proves nothing. Verify it there and begin again.`,
  domain: (name) =>
    `People with your e-mail address cannot sign in here with ${name}. Use your organisation's account.`,
  email_in_use: (name) =>
    `There is an account with your e-mail address. Sign in to it as you usually do, and link ${name} to it there.`,
  no_account: () => 'There is no account for you here. Ask an admin for an invitation.',
  linked_elsewhere: (name) => `This account of ${name} is linked to another person here.`,
  already_linked: (name) => `Another account of ${name} is linked to you. Unlink it first.`,
}

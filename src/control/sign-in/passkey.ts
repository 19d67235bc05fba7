/**
 * Passkeys (WebAuthn Level 3) with @simplewebauthn/server: discoverable ones, with the person verified by its device each
 * time. A challenge is good for five minutes and one answer, whatever comes of it, and only for what it was made for.
 */

import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type * as WebAuthn from '@simplewebauthn/server'
import { AppError } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/time.ts'
import type {
  AuthenticationResponse,
  CreationOptions,
  RegistrationResponse,
  RequestOptions,
} from '../../contract/passkeys.ts'
import { type Challenge, type ChallengePurpose, insertChallenge, takeChallenge } from '../../store/challenge.ts'
import { listPasskeys, loadPasskey, type Passkey, usePasskey } from '../../store/passkey.ts'
import { loadPerson } from '../../store/person.ts'
import { type Acting, putOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { enter, type OwnSession, proveAgain } from './account.ts'
import type { SignedIn } from './email-code.ts'
import { hashToken, type StartedSession } from './session.ts'
import { beginAttempt, passAttempt } from './throttle.ts'

const CHALLENGE_BYTES = 32
export const PASSKEY_CHALLENGE_MS = 5 * MINUTE_MS
/** What every authenticator has one of: Ed25519, ECDSA with P-256, and RSA (COSE's numbers). */
const ALGORITHMS = [-8, -7, -257]

/** Loaded when it is first needed: many instances have no passkeys, and it takes megabytes. */
function webAuthn(): Promise<typeof WebAuthn> {
  return import('@simplewebauthn/server')
}

/** Whom a passkey belongs to, as browsers see it. */
interface RelyingParty {
  readonly id: string
  readonly origin: string
}

/** Which session asked; null for one that is to be started. */
interface ChallengePayload {
  readonly session: string | null
}

/** Whether browsers offer passkeys there: they want a name, not an address, and TLS anywhere but on one's own machine. */
export function arePasskeysPossible(publicUrl: string): boolean {
  return findRelyingParty(publicUrl) !== null
}

function findRelyingParty(publicUrl: string): RelyingParty | null {
  const { hostname, origin, protocol } = new URL(publicUrl)
  if (isIP(hostname) !== 0 || hostname.startsWith('[')) return null
  if (protocol !== 'https:' && !/^(?:.+\.)?localhost$/.test(hostname)) return null
  return { id: hostname, origin }
}

function relyingParty({ publicUrl }: ControlPlane): RelyingParty {
  const party = findRelyingParty(publicUrl())
  if (party) return party
  throw new AppError(
    'not_found',
    'There are no passkeys here: they need a host name and https. ZENDO_PUBLIC_URL says how this gateway is reached.',
  )
}

/** @throws AppError not_found where there are no passkeys */
export async function startAdding(control: ControlPlane, own: OwnSession): Promise<CreationOptions> {
  const { id: rpId } = relyingParty(control)
  const { database } = control
  const [person, passkeys] = await Promise.all([
    loadPerson(database, own.personId),
    listPasskeys(database, own.personId),
  ])
  if (!person) throw refused()
  return {
    challenge: await makeChallenge(control, 'passkey_add', own),
    rp: { id: rpId, name: 'Zendo' },
    user: { id: userHandle(person.id), name: person.email, displayName: person.name },
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ alg, type: 'public-key' })),
    timeout: PASSKEY_CHALLENGE_MS,
    attestation: 'none',
    excludeCredentials: passkeys.map(descriptorOf),
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
  }
}

/** Without `own`: to sign in, with whichever passkey the browser finds. @throws AppError not_found where there are none */
export async function startUsing(control: ControlPlane, own: OwnSession | null): Promise<RequestOptions> {
  const { id: rpId } = relyingParty(control)
  const passkeys = own ? await listPasskeys(control.database, own.personId) : []
  return {
    challenge: await makeChallenge(control, 'passkey_sign_in', own),
    ...{ rpId, timeout: PASSKEY_CHALLENGE_MS, userVerification: 'required' },
    allowCredentials: passkeys.map(descriptorOf),
  }
}

async function makeChallenge(
  { database, randomBytes, clock }: ControlPlane,
  purpose: ChallengePurpose,
  own: OwnSession | null,
): Promise<string> {
  const challenge = Buffer.from(randomBytes(CHALLENGE_BYTES)).toString('base64url')
  const nowMs = clock()
  const payload: ChallengePayload = { session: own?.sessionId ?? null }
  const row = { hash: hashToken(challenge), purpose, personId: own?.personId ?? null, payload }
  await database.write((sql) => insertChallenge(sql, { ...row, expiresAtMs: nowMs + PASSKEY_CHALLENGE_MS }, nowMs))
  return challenge
}

/** What an authenticator is asked to remember of a person: no name or address. */
function userHandle(personId: string): string {
  return Buffer.from(personId).toString('base64url')
}

function descriptorOf({ id, transports }: Passkey): RequestOptions['allowCredentials'][number] {
  return { id, type: 'public-key', transports: [...transports] }
}

/** Uses the challenge of an answer up, before anything else of the answer is looked at. @throws AppError sign_in_failed */
async function spendChallenge(
  control: ControlPlane,
  clientDataJson: string,
  purpose: ChallengePurpose,
  own: OwnSession | null,
): Promise<string> {
  const { challenge, crossOrigin } = readClientData(clientDataJson)
  if (typeof challenge !== 'string' || crossOrigin === true) throw refused()
  const nowMs = control.clock()
  const row = await control.database.write((sql) => takeChallenge(sql, hashToken(challenge), purpose, nowMs))
  if (!row || sessionOf(row) !== (own?.sessionId ?? null)) throw refused()
  return challenge
}

function sessionOf({ payload }: Challenge): string | null {
  return (payload as ChallengePayload).session
}

function readClientData(text: string): { readonly challenge?: unknown; readonly crossOrigin?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** A checked new one, not stored yet. @throws AppError sign_in_failed, not_found where there are no passkeys */
export async function checkNewPasskey(
  control: ControlPlane,
  own: OwnSession,
  { credential, name }: { readonly credential: RegistrationResponse; readonly name: string },
): Promise<Omit<Passkey, 'createdAtMs' | 'lastUsedAtMs'>> {
  const { id: rpId, origin } = relyingParty(control)
  const { id, rawId, type, response } = credential
  const expectedChallenge = await spendChallenge(control, response.clientDataJSON, 'passkey_add', own)
  if (!(await isSelfMade(response.attestationObject))) throw refused()
  const { clientDataJSON, attestationObject } = response
  const { verifyRegistrationResponse } = await webAuthn()
  const result = await verifyRegistrationResponse({
    response: { id, rawId, type, response: { clientDataJSON, attestationObject }, clientExtensionResults: {} },
    ...{ expectedChallenge, expectedOrigin: origin, expectedRPID: rpId, supportedAlgorithmIDs: ALGORITHMS },
    ...{ requireUserPresence: true, requireUserVerification: true },
  }).catch(() => null)
  // The library takes the id of the credential from what was signed, which is the one that counts.
  const made = result?.registrationInfo?.credential
  if (!result?.verified || !made || made.id !== id) throw refused()
  return {
    ...{ id, personId: own.personId, name, counter: made.counter, transports: response.transports ?? [] },
    publicKey: Buffer.from(made.publicKey).toString('base64url'),
  }
}

/**
 * No maker is asked to vouch for its authenticator, so none may: checking certificates can mean to fetch lists of
 * revoked ones, and a gateway reaches out to nobody it was not told to.
 */
async function isSelfMade(attestationObject: string): Promise<boolean> {
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers')
  try {
    const decoded = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, 'base64url')))
    const format = decoded.get('fmt')
    return format === 'none' || (format === 'packed' && decoded.get('attStmt').get('x5c') === undefined)
  } catch {
    return false
  }
}

interface UsedPasskey {
  readonly passkey: Passkey
  readonly counter: number
}

/** @throws AppError sign_in_failed, whatever does not fit */
async function checkUse(
  control: ControlPlane,
  { id, rawId, type, response }: AuthenticationResponse,
  own: OwnSession | null,
): Promise<UsedPasskey> {
  const { id: rpId, origin } = relyingParty(control)
  const expectedChallenge = await spendChallenge(control, response.clientDataJSON, 'passkey_sign_in', own)
  const passkey = await loadPasskey(control.database, id)
  if (!passkey || (own !== null && passkey.personId !== own.personId)) throw refused()
  // Who signs in has not said who it is: the authenticator must, and be right. WebAuthn, 7.2, step 6.
  const { userHandle: handle, clientDataJSON, authenticatorData, signature } = response
  const isItsOwner = handle === userHandle(passkey.personId)
  if (!isItsOwner && (own === null || (handle !== undefined && handle !== null))) throw refused()
  const { verifyAuthenticationResponse } = await webAuthn()
  const result = await verifyAuthenticationResponse({
    response: {
      id,
      rawId,
      type,
      response: { clientDataJSON, authenticatorData, signature },
      clientExtensionResults: {},
    },
    ...{ expectedChallenge, expectedOrigin: origin, expectedRPID: rpId, requireUserVerification: true },
    // The library would compare the counter before the signature, and with a value that may be old by now: `usePasskey`
    // compares it, in the transaction that counts the use.
    credential: { id, publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'base64url')), counter: 0 },
  }).catch(() => null)
  if (!result?.verified) throw refused()
  return { passkey, counter: result.authenticationInfo.newCounter }
}

export interface PasskeyAnswer {
  readonly credential: AuthenticationResponse
  /** Of the client. */
  readonly address: string
  readonly oldToken: string | null
}

/** @throws AppError sign_in_failed, rate_limited, not_found where there are no passkeys */
export async function signInWithPasskey(
  control: ControlPlane,
  acting: Acting,
  { credential, address, oldToken }: PasskeyAnswer,
): Promise<SignedIn> {
  const attempt = await beginAttempt(control, { way: 'passkey', account: null, address })
  const used = await checkUse(control, credential, null)
  const { personId } = used.passkey
  const session = await control.database.write(async (sql) => {
    if (!(await usePasskey(sql, used.passkey.id, used.counter, acting.nowMs))) return null
    return { ...(await enter(sql, acting, { personId, method: 'passkey', attempt, oldToken })), personId }
  })
  return session ?? (await refuseCopy(control, acting, used.passkey))
}

/** @throws AppError sign_in_failed, rate_limited, sign_in_required when the session was ended meanwhile */
export async function proveWithPasskey(
  control: ControlPlane,
  acting: Acting,
  { own, credential, address }: Omit<PasskeyAnswer, 'oldToken'> & { readonly own: OwnSession },
): Promise<StartedSession> {
  const attempt = await beginAttempt(control, { way: 'passkey', account: null, address })
  const used = await checkUse(control, credential, own)
  const session = await control.database.write(async (sql) => {
    if (!(await usePasskey(sql, used.passkey.id, used.counter, acting.nowMs))) return null
    await passAttempt(sql, attempt, acting.nowMs)
    return await proveAgain(sql, acting, { own, method: 'passkey' })
  })
  return session ?? (await refuseCopy(control, acting, used.passkey))
}

/** A right signature with a counter that has not grown: there are two of what there should be one. */
async function refuseCopy({ database }: ControlPlane, acting: Acting, { id, personId }: Passkey): Promise<never> {
  await database.write((sql) =>
    putOnRecord(sql, acting, {
      action: 'sign_in.failed',
      ...{ workspaceId: null, target: personId },
      after: { method: 'passkey', passkey: passkeyId(id), reason: 'its counter went back: it may have been copied' },
    }),
  )
  throw refused()
}

/** Names a passkey in paths and on record: credential ids may be too long for either. */
export function passkeyId(credentialId: string): string {
  return createHash('sha256').update(credentialId).digest('base64url').slice(0, 22)
}

function refused(): AppError {
  return new AppError('sign_in_failed', 'The passkey was not accepted. Try again, or sign in another way.')
}

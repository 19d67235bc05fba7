/**
 * The way to a provider of identities and back. What must come back is bound to the browser that set out: half of it
 * travels in the address and half stays in a cookie, and only both together find what was kept, once.
 */
import { AppError } from '../../base/errors.ts'
import { MINUTE_MS } from '../../base/time.ts'
import type { IdentityProvider } from '../../domain/sign-in-config.ts'
import { insertChallenge, takeChallenge } from '../../store/challenge.ts'
import type { Acting } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { beginGithub, finishGithub } from './github.ts'
import { type Linking, linkToPerson, signInWithIdentity } from './identity.ts'
import { beginOidc, finishOidc, type ProvenIdentity, type RoundTrip } from './oidc.ts'
import { hashToken, type StartedSession } from './session.ts'

export const ROUND_TRIP_MS = 10 * MINUTE_MS
const TOKEN_BYTES = 32
const CONSOLE_PATH = '/console'

export interface Departure {
  readonly location: URL
  /** For a cookie of the browser that sets out. */
  readonly browserToken: string
}

/** What is kept of a round trip, sealed. */
interface Luggage extends RoundTrip {
  readonly provider: string
  readonly issuer: string
  readonly returnTo: string
  readonly sessionId: string | null
}

/** @throws AppError not_found for the provider; invalid_request for where to go afterwards; upstream_unavailable */
export async function depart(
  control: ControlPlane,
  { providerId, returnTo, linking }: { providerId: string; returnTo: string | undefined; linking: Linking | null },
): Promise<Departure> {
  const provider = findProvider(control, providerId)
  const random = (): string => Buffer.from(control.randomBytes(TOKEN_BYTES)).toString('base64url')
  const redirectUri = callbackUrl(control, providerId)
  const trip: RoundTrip = { state: random(), nonce: random(), verifier: random(), redirectUri }
  const luggage: Luggage = {
    ...trip,
    ...{ provider: providerId, issuer: provider.issuer, sessionId: linking?.sessionId ?? null },
    returnTo: checkReturnPath(control, returnTo),
  }
  const nowMs = control.clock()
  const location = await (provider.kind === 'github' ? beginGithub(provider, trip) : beginOidc(provider, trip, nowMs))
  const browserToken = random()
  const hash = hashOf(trip.state, browserToken)
  const payload = control.sealer.seal(JSON.stringify(luggage), ['challenge', hash])
  const challenge = { hash, purpose: 'oidc', personId: linking?.personId ?? null, payload } as const
  await control.database.write((sql) =>
    insertChallenge(sql, { ...challenge, expiresAtMs: nowMs + ROUND_TRIP_MS }, nowMs),
  )
  return { location, browserToken }
}

export interface Return {
  readonly providerId: string
  /** As the provider sent the browser back with it. */
  readonly query: URLSearchParams
  readonly browserToken: string | null
  /** The session that the browser is in, and its cookie's content. */
  readonly session: { readonly id: string; readonly personId: string } | null
  readonly oldToken: string | null
}

export interface Arrived {
  /** Null where an identity was linked: the session goes on. */
  readonly session: StartedSession | null
  /** The address of a page of the console. */
  readonly location: string
}

/** @throws AppError sign_in_failed, upstream_unavailable, not_found; each with a sentence that says what to do */
export async function arrive(control: ControlPlane, acting: Acting, back: Return): Promise<Arrived> {
  const provider = findProvider(control, back.providerId)
  const { luggage, personId } = await takeLuggage(control, provider, back)
  const callback = new URL(luggage.redirectUri)
  callback.search = back.query.toString()
  const identity = await prove(provider, luggage, { callback, nowMs: control.clock() })
  const location = `${control.publicUrl()}${luggage.returnTo}`
  const arrival = { provider, identity, oldToken: back.oldToken }
  if (personId === null) return { session: await signInWithIdentity(control, acting, arrival), location }
  const { sessionId } = luggage
  if (sessionId === null || back.session?.id !== sessionId || back.session.personId !== personId) throw lost()
  const linker = { ...acting, actor: { kind: 'person', id: personId } } as const
  await linkToPerson(control, linker, { arrival, personId, sessionId })
  return { session: null, location }
}

function prove(
  provider: IdentityProvider,
  trip: RoundTrip,
  { callback, nowMs }: { readonly callback: URL; readonly nowMs: number },
): Promise<ProvenIdentity> {
  if (provider.kind === 'github') return finishGithub(provider, trip, callback)
  return finishOidc(provider, trip, callback, nowMs)
}

/** Whatever comes of it, it is used up. */
async function takeLuggage(
  control: ControlPlane,
  provider: IdentityProvider,
  { query, browserToken }: Return,
): Promise<{ luggage: Luggage; personId: string | null }> {
  const states = query.getAll('state')
  const [state] = states
  if (states.length !== 1 || state === undefined || browserToken === null) throw lost()
  const hash = hashOf(state, browserToken)
  const taken = await control.database.write((sql) => takeChallenge(sql, hash, 'oidc', control.clock()))
  if (!taken) throw lost()
  const luggage = JSON.parse(control.sealer.open(String(taken.payload), ['challenge', hash])) as Luggage
  // A round trip to one provider ends at that one, as it was configured then.
  if (luggage.provider !== provider.id || luggage.issuer !== provider.issuer) throw lost()
  return { luggage, personId: taken.personId }
}

function hashOf(state: string, browserToken: string): string {
  return hashToken(`${state}.${browserToken}`)
}

function lost(): AppError {
  return new AppError('sign_in_failed', 'This sign-in was not begun in this browser, or took too long. Begin again.', {
    metadata: { reason: 'round_trip' },
  })
}

/** @throws AppError not_found */
export function findProvider({ signIn }: ControlPlane, id: string): IdentityProvider {
  const found = signIn().providers.find((provider) => provider.id === id)
  if (!found) throw new AppError('not_found', 'There is no such sign-in provider.')
  return found
}

function callbackUrl({ publicUrl }: ControlPlane, providerId: string): string {
  return `${publicUrl()}/api/sign-in/${providerId}/callback`
}

/** Only a page of this console: never another origin, however it is written. @throws AppError invalid_request */
function checkReturnPath({ publicUrl }: ControlPlane, wanted = CONSOLE_PATH): string {
  const { origin } = new URL(publicUrl())
  const isPath = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(wanted)
  const url = isPath && URL.canParse(wanted, origin) ? new URL(wanted, origin) : null
  const isOurs =
    url?.origin === origin && (url.pathname === CONSOLE_PATH || url.pathname.startsWith(`${CONSOLE_PATH}/`))
  if (url && isOurs) return `${url.pathname}${url.search}${url.hash}`
  throw new AppError('invalid_request', 'The return path must be one of the console: /console/….', {
    param: 'return_to',
  })
}

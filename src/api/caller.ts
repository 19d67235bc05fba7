/**
 * Who asks for an operation, and whether they may: by the definition of the operation alone, before its input is looked
 * at. What is refused to somebody known goes on record.
 */
import { timingSafeEqual } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import type { OperationShape } from '../contract/operation.ts'
import { type Acting, recordRefusal } from '../control/acting.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { confirmCaller, findPlace, type Place, type Principal } from '../control/principal.ts'
import { csrfToken, findSession, RECENT_MS } from '../control/sign-in/session.ts'
import { isWellFormedKey } from '../domain/api-key.ts'
import { findOwner } from '../gateway/call.ts'
import { checkScope } from '../gateway/permission.ts'
import { reasonOf } from '../store/database.ts'
import { addressOf } from './address.ts'
import { findKey } from './credentials.ts'
import type { Asker } from './rates.ts'
import type { Visit } from './routes.ts'
import { readSessionCookie } from './session-cookie.ts'

export interface Caller {
  /** Null for public operations. */
  readonly principal: HttpPrincipal | null
  /** The workspace of the path, as the caller stands to it; null where there is none in the path. */
  readonly place: Place | null
  /** In whose name changes go on record. */
  readonly acting: Acting
}

/** @throws AppError sign_in_required, key_disabled, permission_denied, not_found, rate_limited */
export async function findCaller(visit: Visit, shape: OperationShape): Promise<Caller> {
  const address = addressOf(visit.request, visit.options.trustedProxies)
  // Whatever cookie or key comes along: a public operation goes by what is in the body.
  const principal = shape.access === 'public' ? null : await identify(visit, address)
  const asker = { id: principal && principalId(principal), address }
  visit.rates.check(shape.rate, asker)
  const acting = actingOf(visit, shape, principal)
  try {
    if (!principal) checkOrigin(visit)
    else if (principal.kind === 'key') checkKeyMay(shape, principal)
    else checkPersonMay(visit, shape, principal)
    return { principal, acting, place: principal && (await admit(visit, shape, principal)) }
  } catch (error) {
    if (principal) await recordDenied(visit, shape, { principal, asker, acting }, error)
    throw error
  }
}

/** Whoever asks over HTTP: nobody comes from the shell. */
type HttpPrincipal = Exclude<Principal, { kind: 'shell' }>

/** One text for each caller: rates, kept answers and the like go by it. */
export function principalId(principal: HttpPrincipal): string {
  return principal.kind === 'key' ? `key:${principal.owner.keyId}` : `person:${principal.personId}`
}

/** @throws AppError sign_in_required, key_disabled, workspace_blocked; rate_limited for whoever tries many */
async function identify(visit: Visit, address: string): Promise<HttpPrincipal> {
  const { request, control, gateway } = visit
  try {
    // Not from the address, which logs and histories keep.
    const key = findKey(request.headers, '')
    if (key !== null) return await identifyKey(visit, key)
    const token = readSessionCookie(request.headers, control.publicUrl())
    const session = token === null ? undefined : await findSession(control.database, token, control.clock())
    if (!session) throw signInRequired()
    const { personId, isOperator, id: sessionId, authenticatedAtMs } = session
    return { kind: 'person', personId, isOperator, sessionId, authenticatedAtMs }
  } catch (error) {
    if (error instanceof AppError && (error.status === 401 || error.code === 'key_disabled')) {
      gateway.traffic.checkAddress(address)
    }
    throw error
  }
}

async function identifyKey({ gateway }: Visit, key: string): Promise<HttpPrincipal> {
  const owner = isWellFormedKey(key) ? await findOwner(gateway, key) : null
  if (!owner) throw signInRequired()
  return { kind: 'key', personId: owner.personId, isOperator: owner.isOperator, owner }
}

function signInRequired(): AppError {
  return new AppError('sign_in_required', 'Sign in, or send an API key as "Authorization: Bearer …".')
}

function checkKeyMay({ scope }: OperationShape, { owner }: Extract<Principal, { kind: 'key' }>): void {
  if (scope === null) {
    throw new AppError('permission_denied', 'Only a person who is signed in may do this, not an API key.')
  }
  checkScope(owner, scope)
}

type PersonPrincipal = Extract<Principal, { kind: 'person' }>

function checkPersonMay(visit: Visit, { isSensitive }: OperationShape, { authenticatedAtMs }: PersonPrincipal): void {
  const { control, request } = visit
  if (isWrite(visit)) checkIntent(visit, readSessionCookie(request.headers, control.publicUrl()) ?? '')
  if (!isSensitive || authenticatedAtMs + RECENT_MS > control.clock()) return
  throw new AppError(
    'permission_denied',
    'Sign in again first: this needs a proof of identity of the last 15 minutes.',
    { metadata: { reason: 'sign_in_again' } },
  )
}

function isWrite({ request }: Visit): boolean {
  return request.method !== 'GET' && request.method !== 'HEAD'
}

/** A cookie goes along with requests that other sites make: where they come from, and a token that they cannot know. */
function checkIntent(visit: Visit, sessionToken: string): void {
  checkOrigin(visit)
  const sent = Buffer.from(String(visit.request.headers['x-zendo-csrf'] ?? ''))
  const right = Buffer.from(csrfToken(visit.control.secret, sessionToken))
  if (sent.length === right.length && timingSafeEqual(sent, right)) return
  throw new AppError(
    'permission_denied',
    'The header x-zendo-csrf is missing or wrong. GET /api/session says what to send.',
  )
}

function checkOrigin(visit: Visit): void {
  if (!isWrite(visit)) return
  const { origin, 'sec-fetch-site': site } = visit.request.headers
  const isForeign = origin !== undefined && origin !== new URL(visit.control.publicUrl()).origin
  if (!isForeign && (site === undefined || site === 'same-origin' || site === 'none')) return
  throw new AppError(
    'permission_denied',
    'This came from a page of another origin. ZENDO_PUBLIC_URL says which is ours.',
  )
}

/** @throws AppError permission_denied; not_found for a workspace that the caller has no part in */
async function admit(visit: Visit, { access }: OperationShape, principal: Principal): Promise<Place | null> {
  if (access === 'operator' && !principal.isOperator) {
    throw new AppError('permission_denied', 'Only an operator of this gateway may do this.')
  }
  const { workspace } = visit.params
  if (workspace === undefined) return null
  const place = await findPlace(visit.control.database, principal, workspace)
  if (!place) throw new AppError('not_found', 'There is no such workspace.')
  if (access === 'admin' && place.role !== 'admin') {
    throw new AppError('permission_denied', 'Only an admin of the workspace may do this.')
  }
  return place
}

function actingOf({ control, id, params }: Visit, { access }: OperationShape, principal: HttpPrincipal | null): Acting {
  const { clock, trailKey, randomBytes } = control
  const acting = { actor: actorOf(principal), nowMs: clock(), requestId: id, trailKey, randomBytes }
  if (!principal) return acting
  const { workspace: workspaceId } = params
  return { ...acting, confirm: (sql) => confirmCaller(sql, principal, { access, workspaceId }) }
}

function actorOf(principal: HttpPrincipal | null): Acting['actor'] {
  if (principal === null) return { kind: 'system', id: null }
  return principal.kind === 'key'
    ? { kind: 'key', id: principal.owner.keyId }
    : { kind: 'person', id: principal.personId }
}

interface Refused {
  readonly principal: Principal
  readonly asker: Asker
  readonly acting: Acting
}

/** Whoever knocks at doors of admins and operators leaves a trace: with the workspace where they have a part in it. */
async function recordDenied(
  { control, params, rates }: Visit,
  { id, access }: OperationShape,
  { principal, asker, acting }: Refused,
  error: unknown,
): Promise<void> {
  const isDenial = error instanceof AppError && (error.code === 'permission_denied' || error.code === 'not_found')
  if (!isDenial || (access !== 'admin' && access !== 'operator') || !rates.mayRecord(asker)) return
  try {
    const { workspace } = params
    const place = workspace === undefined ? undefined : await findPlace(control.database, principal, workspace)
    const asked = { operation: id, code: error.code, ...(workspace !== undefined && { workspace }) }
    await recordRefusal(control.database, acting, { workspaceId: place?.workspace.id ?? null, asked })
  } catch (cause) {
    logLost(control, id, cause)
  }
}

/** It is refused all the same. */
function logLost({ log }: ControlPlane, operation: string, error: unknown): void {
  log.error({ operation, cause: reasonOf(error) }, 'a refusal could not be put on record')
}

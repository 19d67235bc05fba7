/**
 * Who asks for an operation, and whether they may: by the definition of the operation alone, before its input is looked
 * at; and once more when that has arrived. What is refused to somebody known goes on record.
 */
import { timingSafeEqual } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import type { OperationShape } from '../contract/operation.ts'
import { type Acting, recordRefusal } from '../control/acting.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { admit, confirmCaller, findPlace, type Place, type Principal } from '../control/principal.ts'
import { csrfToken, findSession, RECENT_MS } from '../control/sign-in/session.ts'
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { unknownKey } from '../gateway/call.ts'
import { checkKey, checkScope } from '../gateway/permission.ts'
import { LATE, SYSTEM_TIMERS, within } from '../ledger/timers.ts'
import { reasonOf } from '../store/database.ts'
import { loadKeyOwner } from '../store/key.ts'
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

/** How long the database may take to say who asks and what that makes of them. */
const LOOK_UP_MS = 5000

/** @throws AppError sign_in_required, key_disabled, permission_denied, not_found, rate_limited, storage_unavailable */
export async function findCaller(visit: Visit, shape: OperationShape): Promise<Caller> {
  const address = addressOf(visit.request, visit.options.trustedProxies)
  const inTime = timeLimit()
  // Whatever cookie or key comes along: a public operation goes by what is in the body.
  const principal = shape.access === 'public' ? null : await inTime(identify(visit, address))
  const asker = { id: principal && principalId(principal), address }
  visit.rates.check(shape.rate, asker)
  const acting = actingOf(visit, principal)
  try {
    if (!principal) checkOrigin(visit)
    else if (principal.kind === 'key') checkKeyMay(shape, principal)
    else checkPersonMay(visit, shape, principal)
    if (!principal) return { principal, acting, place: null }
    const admission = { access: shape.access, workspaceId: visit.params.workspace }
    const place = await inTime(admit(visit.control.database, principal, admission))
    const { clock } = visit.control
    const confirm: Acting['confirm'] = (sql) => confirmCaller(sql, principal, { ...admission, place, nowMs: clock() })
    return { principal, place, acting: { ...acting, confirm } }
  } catch (error) {
    if (principal) await recordDenied(visit, shape, { principal, asker, acting }, error)
    throw error
  }
}

/**
 * The same caller after its input has arrived, which may have taken a minute: what it was let in as must still be so.
 * @throws AppError as `Acting.confirm` does, storage_unavailable
 */
export async function lookAgain({ control }: Visit, caller: Caller): Promise<Caller> {
  const { acting } = caller
  await timeLimit()(Promise.resolve(acting.confirm?.(control.database)))
  return { ...caller, acting: { ...acting, nowMs: control.clock() } }
}

/** For whatever is awaited of it, in all: nobody is kept waiting by a database that does not answer. */
function timeLimit(): <T>(work: Promise<T>) => Promise<T> {
  const endMs = SYSTEM_TIMERS.now() + LOOK_UP_MS
  return async (work) => {
    const result = await within(SYSTEM_TIMERS, work, Math.max(0, endMs - SYSTEM_TIMERS.now()))
    if (result !== LATE) return result
    throw new AppError('storage_unavailable', 'The database does not answer; nothing was changed. Try again.', {
      cause: 'who asks could not be looked up in time',
      retryAfterSeconds: 1,
    })
  }
}

/** Whoever asks over HTTP: nobody comes from the shell. */
type HttpPrincipal = Exclude<Principal, { kind: 'shell' }>

/** One text for each caller: rates go by it. */
export function principalId(principal: HttpPrincipal): string {
  return principal.kind === 'key' ? `key:${principal.owner.keyId}` : `person:${principal.personId}`
}

/**
 * Whose kept answers a caller may get. What is about the session that asks is not done in another by having been done.
 */
export function repeaterId(principal: HttpPrincipal, { scope }: OperationShape): string {
  return principal.kind === 'person' && scope === null ? `session:${principal.sessionId}` : principalId(principal)
}

/** @throws AppError sign_in_required, invalid_key, key_disabled, workspace_blocked; rate_limited for whoever tries many */
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

/** Not from memory, where what was changed elsewhere stands for a moment longer. */
async function identifyKey({ control, gateway }: Visit, key: string): Promise<HttpPrincipal> {
  if (!isWellFormedKey(key)) throw signInRequired()
  const keyHash = hashKey(key)
  const owner = await loadKeyOwner(control.database, keyHash)
  if (!owner) throw unknownKey()
  const nowMs = control.clock()
  checkKey(owner, nowMs)
  gateway.keys.noteUse(owner.keyId, nowMs)
  return { kind: 'key', personId: owner.personId, isOperator: owner.isOperator, owner, keyHash }
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

function actingOf({ control, id }: Visit, principal: HttpPrincipal | null): Acting {
  const { clock, trailKey, trailKeys, randomBytes } = control
  return { actor: actorOf(principal), nowMs: clock(), requestId: id, trailKey, trailKeys, randomBytes }
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
    const inTime = timeLimit()
    const place = workspace === undefined ? undefined : await inTime(findPlace(control.database, principal, workspace))
    const asked = { operation: id, code: error.code, ...(workspace !== undefined && { workspace }) }
    await inTime(recordRefusal(control.database, acting, { workspaceId: place?.workspace.id ?? null, asked }))
  } catch (cause) {
    logLost(control, id, cause)
  }
}

/** It is refused all the same. */
function logLost({ log }: ControlPlane, operation: string, error: unknown): void {
  log.error({ operation, cause: reasonOf(error) }, 'a refusal could not be put on record')
}

/**
 * Serves an operation: who asks, whether they may, how often, and what they send, all by its definition. A handler is
 * reached by nobody else.
 */
import { timingSafeEqual } from 'node:crypto'
import type { z } from 'zod'
import { AppError } from '../base/errors.ts'
import type { HandlerInput, OperationShape, Reply } from '../contract/operation.ts'
import type { Acting } from '../control/acting.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { findPlace, type Place, type Principal } from '../control/principal.ts'
import { csrfToken, findSession, RECENT_MS } from '../control/sign-in/session.ts'
import { isWellFormedKey } from '../domain/api-key.ts'
import { findOwner } from '../gateway/call.ts'
import { checkScope } from '../gateway/permission.ts'
import { addressOf } from './address.ts'
import { readBody } from './body.ts'
import { findKey } from './credentials.ts'
import { CONTROL_HEADERS } from './problem.ts'
import type { RouteDefinition, Visit } from './routes.ts'
import { readSessionCookie } from './session-cookie.ts'

/** What a handler works with beside its input. */
export interface OperationContext {
  readonly control: ControlPlane
  readonly visit: Visit
  /** In whose name changes go on record. */
  readonly acting: Acting
  /** Null for public operations. */
  readonly principal: Principal | null
  /** The workspace of the path, as the caller stands to it; null where there is none in the path. */
  readonly place: Place | null
  /** The client's address, for throttles. */
  readonly address: string
  /** A header of the answer, such as a cookie. */
  setHeader(name: string, value: string): void
}

export type Handler<Shape extends OperationShape> = (
  context: OperationContext,
  input: HandlerInput<Shape>,
) => Promise<Reply<Shape>>

/** Bodies of the control plane are forms, not conversations. */
const MAX_BODY_BYTES = 256 * 1024

/** The route of an operation. */
export function serve<Shape extends OperationShape>(shape: Shape, handler: Handler<Shape>): RouteDefinition {
  return {
    ...{ method: shape.method, pattern: shape.path, auth: 'operation', access: shape.access, use: null },
    ...{ rate: shape.rate, operation: shape, protocol: null },
    handle: (visit) => run(visit, shape, handler as unknown as Handler<OperationShape>),
  }
}

async function run(visit: Visit, shape: OperationShape, handler: Handler<OperationShape>): Promise<void> {
  const principal = await identify(visit, shape)
  const place = principal ? await admit(visit, shape, principal) : null
  const input = { params: visit.params, query: readQuery(visit, shape), body: await readInput(visit, shape) }
  const headers: string[] = []
  const context: OperationContext = {
    ...{ control: visit.control, visit, principal, place, acting: actingOf(visit, principal) },
    address: addressOf(visit.request, visit.options.trustedProxies),
    setHeader: (name, value) => headers.push(name, value),
  }
  const reply = await handler(context, input as HandlerInput<OperationShape>)
  send(visit, shape, reply, headers)
}

/** Who asks; null for public operations. @throws AppError sign_in_required, invalid_key, permission_denied … */
async function identify(visit: Visit, shape: OperationShape): Promise<Principal | null> {
  const { request, control, query } = visit
  const key = findKey(request.headers, query)
  if (shape.access === 'public') {
    checkOrigin(visit)
    return null
  }
  if (key !== null && isWellFormedKey(key)) return identifyKey(visit, shape, key)
  const token = readSessionCookie(request.headers, control.publicUrl())
  const session = token === null ? undefined : await findSession(control.database, token, control.clock())
  if (!session || token === null) {
    throw new AppError('sign_in_required', 'Sign in, or send an API key as "Authorization: Bearer …".')
  }
  if (isWrite(visit)) checkIntent(visit, token)
  if (shape.isSensitive && session.authenticatedAtMs + RECENT_MS <= control.clock()) {
    throw new AppError(
      'permission_denied',
      'Sign in again first: this needs a proof of identity of the last 15 minutes.',
      {
        metadata: { reason: 'sign_in_again' },
      },
    )
  }
  const { personId, isOperator, id: sessionId, authenticatedAtMs } = session
  return { kind: 'person', personId, isOperator, sessionId, authenticatedAtMs }
}

async function identifyKey(visit: Visit, { scope }: OperationShape, key: string): Promise<Principal> {
  const owner = await findOwner(visit.gateway, key)
  if (!owner) throw new AppError('sign_in_required', 'Sign in, or send an API key as "Authorization: Bearer …".')
  if (scope === null) {
    throw new AppError('permission_denied', 'Only a person who is signed in may do this, not an API key.')
  }
  checkScope(owner, scope)
  return { kind: 'key', personId: owner.personId, isOperator: owner.isOperator, owner }
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
  if (!place) throw noSuch('workspace')
  if (access === 'admin' && place.role !== 'admin') {
    throw new AppError('permission_denied', 'Only an admin of the workspace may do this.')
  }
  return place
}

/** What is not there, or not the caller's to see: told alike. */
export function noSuch(what: string): AppError {
  return new AppError('not_found', `There is no such ${what}.`)
}

function readQuery({ query }: Visit, shape: OperationShape): unknown {
  const values: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === 'key' && isWellFormedKey(value)) continue
    if (Object.hasOwn(values, name))
      throw new AppError('invalid_request', 'A parameter stands twice.', { param: name.slice(0, 80) })
    values[name] = value
  }
  if (shape.query) return check(shape.query, values)
  const [unknown] = Object.keys(values)
  if (unknown !== undefined)
    throw new AppError('invalid_request', 'This takes no parameters.', { param: unknown.slice(0, 80) })
  return undefined
}

async function readInput(visit: Visit, shape: OperationShape): Promise<unknown> {
  if (!shape.body) return undefined
  const bytes = await readBody(visit.request, MAX_BODY_BYTES)
  return check(shape.body, bytes.length === 0 ? {} : parse(bytes))
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new AppError('invalid_request', 'The body is not well-formed JSON.')
  }
}

function check(schema: z.ZodObject, value: unknown): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const extra = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = [...(issue?.path ?? []), ...(extra === undefined ? [] : [extra])].join('.').slice(0, 80)
  const reason = extra === undefined ? (issue?.message ?? 'it is not as it must be') : 'it is not known here'
  throw new AppError('invalid_request', `${path === '' ? 'The input' : JSON.stringify(path)}: ${reason}.`, {
    param: path,
  })
}

function actingOf({ control, id }: Visit, principal: Principal | null): Acting {
  const { clock, trailKey, randomBytes } = control
  const actor =
    principal === null
      ? ({ kind: 'system', id: null } as const)
      : principal.kind === 'key'
        ? ({ kind: 'key', id: principal.owner.keyId } as const)
        : ({ kind: 'person', id: principal.personId } as const)
  return { actor, nowMs: clock(), requestId: id, trailKey, randomBytes }
}

function send({ response, id }: Visit, shape: OperationShape, reply: unknown, headers: readonly string[]): void {
  const common = ['x-request-id', id, ...CONTROL_HEADERS, ...headers]
  if (reply === undefined) {
    response.writeHead(204, common)
    response.end()
    return
  }
  // Only what the definition names leaves: a field that a handler adds by mistake does not.
  const text = JSON.stringify(shape.reply.parse(reply))
  response.writeHead(shape.method === 'POST' ? 201 : 200, [
    ...common,
    ...['content-type', 'application/json', 'content-length', String(Buffer.byteLength(text))],
  ])
  response.end(text)
}

/** Turns what a client sent into a call: whose it is, for which model, over which routes. Refuses by the error table. */
import { AppError } from '../base/errors.ts'
import type { Product } from '../base/words.ts'
import { ANONYMOUS_KEY } from '../domain/api-key.ts'
import { bareModelId, type Catalog, type Model, type Route, routesSpeaking } from '../domain/catalog.ts'
import { basePath, endpointPath } from '../domain/model-listing.ts'
import type { RelayProtocol } from '../protocol/relay-protocol.ts'
import { type ReadRequestOptions, type RequestFields, readRequest } from '../protocol/request.ts'
import type { KeyOwner } from '../store/key.ts'
import type { Gateway } from './gateway.ts'

/** An inference request as it came, before anything is believed of it. */
export interface InferenceRequest {
  readonly id: string
  readonly product: Product
  readonly protocol: RelayProtocol
  readonly body: Buffer
  /** Whose key it carries; null when it carries none. */
  readonly owner: KeyOwner | null
  /** The client's address, already seen through trusted proxies. */
  readonly address: string
  /** The client's session, for the row; null when it names none. */
  readonly session: string | null
  /** Headers that cross to the upstream, names and values in turn. */
  readonly forwardHeaders: readonly string[]
}

/** A request that may be paid for and sent: its owner is known unless the model is free. */
export interface Call {
  readonly request: InferenceRequest
  readonly fields: RequestFields
  readonly catalog: Catalog
  readonly model: Model
  /** Never empty; in the order in which they are tried. */
  readonly routes: readonly Route[]
}

/** @throws AppError missing_key, invalid_request, model_not_found, unsupported_feature */
export function readCall(gateway: Gateway, request: InferenceRequest, options: ReadRequestOptions = {}): Call {
  const fields = readRequest(request.protocol, request.body, options)
  const catalog = gateway.catalog()
  const model = findModel(catalog, request.product, fields.model)
  if (!request.owner && !model.anonymous) throw missingKey()
  return { request, fields, catalog, model, routes: findRoutes(model, request) }
}

/** The owner of a key; null for none and for the public one. @throws AppError invalid_key, key_disabled */
export function findOwner(gateway: Gateway, key: string | null): KeyOwner | null {
  if (key === null || key === ANONYMOUS_KEY) return null
  const owner = gateway.keys.find(key)
  if (!owner) throw new AppError('invalid_key', 'This API key is not known here. Check that it was copied whole.')
  if (owner.revoked) throw new AppError('key_disabled', 'This API key was revoked. Use another one.')
  return owner
}

export function missingKey(): AppError {
  return new AppError(
    'missing_key',
    'No API key was sent. Send one as "Authorization: Bearer …", x-api-key, x-goog-api-key or ?key=.',
  )
}

/** The model a client means, by bare or prefixed id or alias. @throws AppError model_not_found */
export function findModel(catalog: Catalog, product: Product, requested: string): Model {
  const id = bareModelId(catalog, requested)
  const model = offeredModel(catalog, product, id)
  if (model) return model
  const other: Product = product === 'zen' ? 'go' : 'zen'
  throw new AppError(
    'model_not_found',
    offeredModel(catalog, other, id)
      ? `The model ${quoted(requested)} is not offered on ${product}, but it is on ${other}.`
      : `The model ${quoted(requested)} is not offered here. GET ${basePath(product)}/models lists what is.`,
    { param: 'model' },
  )
}

/** A model of the catalogue is on offer once a configured provider speaks its own protocol. */
function offeredModel(catalog: Catalog, product: Product, id: string): Model | undefined {
  const model = catalog.models[product].get(id)
  return model && routesSpeaking(model, model.protocol).length > 0 ? model : undefined
}

/** A model name as it may stand in a message: short, and without control characters. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}

function findRoutes(model: Model, request: InferenceRequest): Route[] {
  const routes = routesSpeaking(model, request.protocol)
  if (routes.length === 0) {
    throw new AppError(
      'unsupported_feature',
      `The model ${quoted(model.id)} answers at ${endpointPath(model)}, not in the ${request.protocol} protocol.`,
      { param: 'model' },
    )
  }
  return orderRoutes(routes, request.session ?? request.id)
}

/**
 * Lowest priority first; within one, a draw by weight that is the same for a whole session, so that its prompt cache
 * stays warm (rendezvous hashing: removing a route moves only the sessions that were on it).
 */
export function orderRoutes(routes: readonly Route[], affinity: string): Route[] {
  if (routes.length === 1) return [...routes]
  const scored = routes.map((route) => ({ route, score: drawScore(route, affinity) }))
  scored.sort((a, b) => a.route.priority - b.route.priority || b.score - a.score)
  return scored.map(({ route }) => route)
}

function drawScore(route: Route, affinity: string): number {
  const text = `${affinity}\n${route.provider.id}\n${route.upstreamModel}`
  // FNV-1a with a final mix: spread matters here, secrecy does not.
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  const uniform = (((hash ^ (hash >>> 16)) >>> 0) + 1) / 4294967297
  return -route.weight / Math.log(uniform)
}

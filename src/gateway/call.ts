/** Turns what a client sent into a call: whose it is, for which model, over which routes. Refuses by the error table. */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Product } from '../base/words.ts'
import { ANONYMOUS_KEY } from '../domain/api-key.ts'
import { bareModelId, type Catalog, type Model } from '../domain/catalog.ts'
import { basePath } from '../domain/model-listing.ts'
import { type ReadRequestOptions, type RequestFields, readRequest } from '../protocol/request.ts'
import type { KeyOwner } from '../store/key.ts'
import { chooseDestinations, type Destination } from './destination.ts'
import type { Gateway } from './gateway.ts'
import type { InferenceRequest } from './inference-request.ts'
import { hasOwnKeyFor } from './own-keys.ts'
import { checkKey, checkModel } from './permission.ts'

/** A request that may be paid for and sent: its owner is known unless the model is free. */
export interface Call {
  readonly request: InferenceRequest
  readonly fields: RequestFields
  readonly catalog: Catalog
  readonly model: Model
  /** Never empty; in the order in which they are tried. */
  readonly destinations: readonly Destination[]
  /** Whose accounts these are: then a workspace pays its provider itself, and nothing here. */
  readonly account: 'operator' | 'workspace'
  /** The same call over the operator's accounts, for when the workspace's own fail; null: it ends with them. */
  readonly instead: ((failure: string) => Call) | null
  /** Why the workspace's own key did not serve: `acme: refused (401)`; null when none was asked. */
  readonly ownKeyFailure: string | null
}

/** @throws AppError missing_key, invalid_request, model_not_found, model_disabled, policy_denied, unsupported_feature */
export function readCall(gateway: Gateway, request: InferenceRequest, options: ReadRequestOptions = {}): Call {
  const fields = readRequest(request.protocol, request.body, { ...options, path: request.path })
  const catalog = gateway.catalog()
  const model = findModel(catalog, request.product, fields.model, request.owner)
  if (request.owner) checkModel(request.owner, model)
  else if (!model.anonymous) throw missingKey()
  if (!request.owner && fields.namesKeptContent) {
    throw new AppError('unsupported_feature', 'Without a key, what a vendor has kept cannot be referred to.')
  }
  return (
    overOwnAccounts(gateway, { request, fields, catalog, model }) ??
    overOperator(gateway, { request, fields, catalog, model })
  )
}

type Asked = Pick<Call, 'request' | 'fields' | 'catalog' | 'model'>

function overOperator(gateway: Gateway, asked: Asked, ownKeyFailure: string | null = null): Call {
  const destinations = chooseDestinations(gateway, asked.model, asked.request, asked.fields)
  return { ...asked, destinations, account: 'operator', instead: null, ownKeyFailure }
}

/** Null where no own key has a part in it; the operator's accounts where the own ones cannot be asked but may be gone on from. */
function overOwnAccounts(gateway: Gateway, asked: Asked): Call | null {
  const { request, catalog, model, fields } = asked
  const reach = gateway.ownKeys.reach(catalog, model, request.owner)
  if (!reach) return null
  const instead = (failure: string): Call =>
    overOperator(gateway, { ...asked, request: { ...request, id: newId('req', gateway.clock()) } }, failure)
  if (reach.routes.length === 0) return overOperator(gateway, asked, 'not allowed on this gateway')
  try {
    const destinations = chooseDestinations(gateway, { ...model, routes: reach.routes }, request, fields)
    return { ...asked, destinations, account: 'workspace', instead: reach.goesOn ? instead : null, ownKeyFailure: null }
  } catch (error) {
    if (!reach.goesOn || !(error instanceof AppError)) throw error
    return overOperator(gateway, asked, 'cannot serve this request')
  }
}

/** The owner of a key; null for none and for the public one. @throws AppError invalid_key, key_disabled, storage_unavailable */
export async function findOwner(gateway: Gateway, key: string | null): Promise<KeyOwner | null> {
  if (key === null || key === ANONYMOUS_KEY) return null
  const owner = await gateway.keys.find(key)
  if (!owner) throw unknownKey()
  const nowMs = gateway.clock()
  checkKey(owner, nowMs)
  gateway.keys.noteUse(owner.keyId, nowMs)
  return owner
}

export function unknownKey(): AppError {
  return new AppError('invalid_key', 'This API key is not known here. Check that it was copied whole.')
}

export function missingKey(): AppError {
  return new AppError(
    'missing_key',
    'No API key was sent. Send one as "Authorization: Bearer …", x-api-key, x-goog-api-key or ?key=.',
  )
}

/** The model a client means, by bare or prefixed id or alias. @throws AppError model_not_found */
export function findModel(catalog: Catalog, product: Product, requested: string, owner: KeyOwner | null = null): Model {
  const id = bareModelId(catalog, requested)
  const model = offeredModel(catalog, product, id, owner)
  if (model) return model
  const other: Product = product === 'zen' ? 'go' : 'zen'
  throw new AppError(
    'model_not_found',
    offeredModel(catalog, other, id, owner)
      ? `The model ${quoted(requested)} is not offered on ${product}, but it is on ${other}.`
      : `The model ${quoted(requested)} is not offered here. GET ${basePath(product)}/models lists what is.`,
    { param: 'model' },
  )
}

/** A model of the catalogue is on offer once a configured provider has it, or one that the workspace has a key for. */
function offeredModel(catalog: Catalog, product: Product, id: string, owner: KeyOwner | null): Model | undefined {
  const model = catalog.models[product].get(id)
  return model && (model.routes.length > 0 || hasOwnKeyFor(catalog, model, owner)) ? model : undefined
}

/** A model name as it may stand in a message: short, and without control characters. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
}

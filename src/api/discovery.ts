/** What is on offer and what is left: model lists in three shapes, the catalogue as one document, and usage. */
import { AppError } from '../base/errors.ts'
import { reportUsage } from '../control/usage.ts'
import type { Model } from '../domain/catalog.ts'
import {
  anthropicModel,
  anthropicModelList,
  type GooglePageRequest,
  googleModel,
  googleModelList,
  type ListingOptions,
  listedModels,
  openAiModel,
  openAiModelList,
  type PageRequest,
} from '../domain/model-listing.ts'
import { modelsDevCatalog } from '../domain/models-dev.ts'
import { seatFor } from '../domain/seat.ts'
import { allowedRoutes } from '../domain/workspace-policy.ts'
import { findModel } from '../gateway/call.ts'
import { hasOwnKeyFor, modelWithOwnKeys } from '../gateway/own-keys.ts'
import { mayCall } from '../gateway/permission.ts'
import { touchRevision } from '../store/revision.ts'
import { sendJson, sendText } from './reply.ts'
import { type RouteDefinition, readRoute, type Visit } from './routes.ts'

export const discoveryRoutes: readonly RouteDefinition[] = [
  readRoute('P/models', 'optional_key', sendModels),
  readRoute('P/models/*', 'optional_key', sendModel),
  readRoute('P/usage', 'key', sendUsage),
  readRoute('P/api.json', 'none', sendCatalogue),
  readRoute('/healthz', 'none', sendHealth),
  readRoute('/readyz', 'none', sendReadiness),
  readRoute('/', 'none', sendWelcome),
]

/**
 * The models this caller may call, each with the routes that it may take: without a key the anonymous ones; on Go
 * without a seat the free ones; never what the key or the workspace's policy leaves out.
 */
function callableModels(visit: Visit): readonly Model[] {
  const { owner, product, gateway } = visit
  const catalog = gateway.catalog()
  const models = listedModels(catalog, product, (model) => modelWithOwnKeys(catalog, model, owner))
  if (!owner) return models.filter((model) => model.anonymous)
  const isPaid = product === 'zen' || seatFor(owner.seats, catalog.plans, 'go') !== null
  return models.flatMap((model) => {
    const isOpen = isPaid || model.free || hasOwnKeyFor(catalog, model, owner)
    if (!isOpen || !mayCall(owner, model)) return []
    const routes = allowedRoutes(owner.policy, model.routes)
    return [routes === model.routes ? model : { ...model, routes }]
  })
}

/** Each family's clients read lists in its own shape. */
type Shape = 'openai' | 'anthropic' | 'google'

function shapeOf(visit: Visit): Shape {
  if (visit.isBeta) return 'google'
  return visit.request.headers['anthropic-version'] === undefined ? 'openai' : 'anthropic'
}

function listingOptions(visit: Visit): ListingOptions {
  return { plans: visit.gateway.catalog().plans, observedShape: visit.options.observedShape }
}

function sendModels(visit: Visit): void {
  sendJson(visit.response, visit.id, modelList(visit, callableModels(visit)))
}

function modelList(visit: Visit, models: readonly Model[]): unknown {
  switch (shapeOf(visit)) {
    case 'openai':
      return openAiModelList(models, listingOptions(visit))
    case 'anthropic':
      return anthropicModelList(models, readPage(visit.query), visit.gateway.catalog().aliases)
    case 'google':
      return googleModelList(models, readGooglePage(visit.query))
  }
}

function readGooglePage(query: string): GooglePageRequest {
  const values = new URLSearchParams(query)
  const size = values.get('pageSize')
  const token = values.get('pageToken')
  return { ...(size !== null && { pageSize: Number(size) }), ...(token && { pageToken: token }) }
}

function readPage(query: string): PageRequest {
  const values = new URLSearchParams(query)
  const limit = values.get('limit')
  const afterId = values.get('after_id')
  const beforeId = values.get('before_id')
  return { ...(limit !== null && { limit: Number(limit) }), ...(afterId && { afterId }), ...(beforeId && { beforeId }) }
}

function sendModel(visit: Visit): void {
  const requested = decodePath(visit.tail.slice('models/'.length))
  const catalog = visit.gateway.catalog()
  const { id } = findModel(catalog, visit.product, requested, visit.owner)
  const model = callableModels(visit).find((callable) => callable.id === id)
  if (!model) {
    throw new AppError(
      'model_not_found',
      'This model is not offered to the caller. GET /zen/v1/models lists what is.',
      {
        param: 'model',
      },
    )
  }
  sendJson(visit.response, visit.id, shownModel(visit, model))
}

function shownModel(visit: Visit, model: Model): unknown {
  switch (shapeOf(visit)) {
    case 'openai':
      return openAiModel(model, listingOptions(visit))
    case 'anthropic':
      return anthropicModel(model)
    case 'google':
      return googleModel(model)
  }
}

function decodePath(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new AppError('invalid_request', 'The path is not well encoded.')
  }
}

async function sendUsage(visit: Visit): Promise<void> {
  const { owner, gateway } = visit
  if (!owner) throw new Error('usage was asked for without an owner')
  const scope = { workspaceId: owner.workspaceId, memberId: owner.memberId, keyId: owner.keyId }
  const report = await reportUsage(gateway.database, gateway.catalog().plans, scope, gateway.clock())
  sendJson(visit.response, visit.id, report)
}

function sendCatalogue(visit: Visit): void {
  if (visit.product !== 'zen')
    throw new AppError('route_not_found', 'The catalogue of both products is at /zen/api.json.')
  sendJson(visit.response, visit.id, modelsDevCatalog(visit.gateway.catalog(), visit.options.publicUrl))
}

function sendHealth(visit: Visit): void {
  sendJson(visit.response, visit.id, { status: 'ok' })
}

/** A hold that takes longer is refused. */
const READY_MS = 1000

/** Ready means that a hold could be written now. */
async function sendReadiness(visit: Visit): Promise<void> {
  await visit.gateway.database.write(touchRevision, { maxWaitMs: READY_MS })
  sendJson(visit.response, visit.id, { status: 'ready' })
}

function sendWelcome(visit: Visit): void {
  sendText(
    visit.response,
    visit.id,
    'Zendo is running. Inference: /zen/v1 and /zen/go/v1. Models: /zen/v1/models. Catalogue: /zen/api.json.\n',
  )
}

/** What is on offer and what is left: model lists in three shapes, the catalogue as one document, and usage. */
import { AppError } from '../base/errors.ts'
import { reportUsage } from '../control/usage.ts'
import type { Model } from '../domain/catalog.ts'
import {
  anthropicModel,
  anthropicModelList,
  type ListingOptions,
  listedModels,
  openAiModel,
  openAiModelList,
  type PageRequest,
} from '../domain/model-listing.ts'
import { modelsDevCatalog } from '../domain/models-dev.ts'
import { findModel } from '../gateway/call.ts'
import { SERVED_PROTOCOLS } from '../protocol/relay-protocol.ts'
import { sendJson, sendText } from './reply.ts'
import type { RouteDefinition, Visit } from './routes.ts'

export const discoveryRoutes: readonly RouteDefinition[] = [
  { method: 'GET', pattern: 'P/models', auth: 'optional_key', protocol: null, handle: sendModels },
  { method: 'GET', pattern: 'P/models/*', auth: 'optional_key', protocol: null, handle: sendModel },
  { method: 'GET', pattern: 'P/usage', auth: 'key', protocol: null, handle: sendUsage },
  { method: 'GET', pattern: 'P/api.json', auth: 'none', protocol: null, handle: sendCatalogue },
  { method: 'GET', pattern: '/healthz', auth: 'none', protocol: null, handle: sendHealth },
  { method: 'GET', pattern: '/readyz', auth: 'none', protocol: null, handle: sendReadiness },
  { method: 'GET', pattern: '/', auth: 'none', protocol: null, handle: sendWelcome },
]

/** The models this caller may call: without a key the anonymous ones; on Go without a seat the free ones. */
function callableModels(visit: Visit): readonly Model[] {
  const { owner, product, gateway } = visit
  const catalog = gateway.catalog()
  const models = listedModels(catalog, product, SERVED_PROTOCOLS)
  if (!owner) return models.filter((model) => model.anonymous)
  const isPaid =
    product === 'zen' || owner.seats.some((seat) => catalog.plans.get(seat.planId)?.products.includes('go'))
  return isPaid ? models : models.filter((model) => model.free)
}

function wantsAnthropicShape(visit: Visit): boolean {
  return visit.request.headers['anthropic-version'] !== undefined
}

function listingOptions(visit: Visit): ListingOptions {
  return { plans: visit.gateway.catalog().plans, observedShape: visit.options.observedShape }
}

function sendModels(visit: Visit): void {
  const models = callableModels(visit)
  const body = wantsAnthropicShape(visit)
    ? anthropicModelList(models, readPage(visit.query))
    : openAiModelList(models, listingOptions(visit))
  sendJson(visit.response, visit.id, body)
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
  const model = findModel(catalog, visit.product, requested)
  if (!callableModels(visit).includes(model)) {
    throw new AppError(
      'model_not_found',
      'This model is not offered to the caller. GET /zen/v1/models lists what is.',
      {
        param: 'model',
      },
    )
  }
  const body = wantsAnthropicShape(visit) ? anthropicModel(model) : openAiModel(model, listingOptions(visit))
  sendJson(visit.response, visit.id, body)
}

function decodePath(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new AppError('invalid_request', 'The path is not well encoded.')
  }
}

function sendUsage(visit: Visit): void {
  const { owner, gateway } = visit
  if (!owner) throw new Error('usage was asked for without an owner')
  const scope = { workspaceId: owner.workspaceId, memberId: owner.memberId }
  sendJson(visit.response, visit.id, reportUsage(gateway.database, gateway.catalog().plans, scope, gateway.clock()))
}

function sendCatalogue(visit: Visit): void {
  if (visit.product !== 'zen')
    throw new AppError('route_not_found', 'The catalogue of both products is at /zen/api.json.')
  sendJson(
    visit.response,
    visit.id,
    modelsDevCatalog(visit.gateway.catalog(), visit.options.publicUrl, SERVED_PROTOCOLS),
  )
}

function sendHealth(visit: Visit): void {
  sendJson(visit.response, visit.id, { status: 'ok' })
}

/** Ready means that a hold could be written now. */
async function sendReadiness(visit: Visit): Promise<void> {
  await visit.gateway.commits.run(() => undefined)
  sendJson(visit.response, visit.id, { status: 'ready' })
}

function sendWelcome(visit: Visit): void {
  sendText(
    visit.response,
    visit.id,
    'Zendo is running. Inference: /zen/v1 and /zen/go/v1. Models: /zen/v1/models. Catalogue: /zen/api.json.\n',
  )
}

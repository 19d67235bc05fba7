/** What is on offer and what is left: model lists in three shapes, the catalogue as one document, and usage. */
import { AppError } from '../base/errors.ts'
import { reportUsage } from '../control/usage.ts'
import type { Model } from '../domain/catalog.ts'
import {
  formatAnthropicModel,
  formatAnthropicModels,
  formatModel,
  formatModels,
  formatModelsDev,
  listedModels,
} from '../domain/model-listing.ts'
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
  { method: 'GET', pattern: '/readyz', auth: 'none', protocol: null, handle: sendHealth },
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

function sendModels(visit: Visit): void {
  const models = callableModels(visit)
  const catalog = visit.gateway.catalog()
  if (wantsAnthropicShape(visit)) {
    sendJson(visit.response, visit.id, formatAnthropicModels(models, readPage(visit.query)))
    return
  }
  sendJson(visit.response, visit.id, formatModels(models, catalog))
}

function readPage(query: string): { limit?: number; afterId?: string; beforeId?: string } {
  const values = new URLSearchParams(query)
  const limit = Number(values.get('limit') ?? Number.NaN)
  const afterId = values.get('after_id')
  const beforeId = values.get('before_id')
  if (values.has('limit') && !(Number.isInteger(limit) && limit >= 1 && limit <= 1000)) {
    throw new AppError('invalid_request', 'limit must be a whole number from 1 to 1000.', { param: 'limit' })
  }
  return { ...(values.has('limit') && { limit }), ...(afterId && { afterId }), ...(beforeId && { beforeId }) }
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
  const body = wantsAnthropicShape(visit) ? formatAnthropicModel(model) : formatModel(model, catalog)
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
    formatModelsDev(visit.gateway.catalog(), SERVED_PROTOCOLS, visit.options.publicUrl),
  )
}

function sendHealth(visit: Visit): void {
  sendJson(visit.response, visit.id, { status: 'ok' })
}

function sendWelcome(visit: Visit): void {
  sendText(
    visit.response,
    visit.id,
    'Zendo is running. Inference: /zen/v1 and /zen/go/v1. Models: /zen/v1/models. Catalogue: /zen/api.json.\n',
  )
}

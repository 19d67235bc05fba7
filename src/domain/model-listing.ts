/**
 * The models a caller may use, as `GET …/models` shows them: OpenAI's list with Zendo's metadata, Anthropic's, Google's.
 *
 * Shapes: OpenAI `GET /v1/models`, Anthropic `GET /v1/models`, Google `GET /v1beta/models` (all as recorded in 2026);
 * metadata by `docs/reference/routes.md`. `/zen/api.json` is in `models-dev.ts`.
 */
import { AppError } from '../base/errors.ts'
import { formatUsd } from '../base/money.ts'
import type { Product, Protocol } from '../base/words.ts'
import type { Catalog, Model, Plan, Price, PriceRates, RequestShape } from './catalog.ts'
import { estimateRequests } from './estimate-requests.ts'
import { privacyOf } from './model-privacy.ts'

/** The AI-SDK package that speaks a protocol. */
export const NPM_OF: Readonly<Record<Protocol, string>> = {
  'openai-chat': '@ai-sdk/openai-compatible',
  'openai-responses': '@ai-sdk/openai',
  'anthropic-messages': '@ai-sdk/anthropic',
  'google-generate': '@ai-sdk/google',
}

/**
 * The models of a product that can be had now: by some route, whatever protocol it speaks, since every model answers on
 * every protocol; and by their own id, which an alias of the same name would take. Newest first, then by id; simulated
 * ones last.
 */
export function listedModels(
  catalog: Catalog,
  product: Product,
  /** The model as its caller has it, where that is not as everybody has it. */
  seen: (model: Model) => Model = (model) => model,
): Model[] {
  return [...catalog.models[product].values()]
    .map(seen)
    .filter((model) => model.routes.length > 0 && !catalog.aliases.has(model.id))
    .sort((a, b) => rank(a) - rank(b) || compare(b.releaseDate ?? '', a.releaseDate ?? '') || compare(a.id, b.id))
}

function rank(model: Model): number {
  return model.routes.every((route) => route.provider.simulated) ? 1 : 0
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export interface ListingOptions {
  readonly plans: ReadonlyMap<string, Plan>
  /** The average shape of recent requests of a model, once there is traffic. */
  readonly observedShape?: (model: Model) => RequestShape | undefined
}

/** OpenAI's `{object: "list", data}`. */
export function openAiModelList(models: readonly Model[], options: ListingOptions) {
  return { object: 'list' as const, data: models.map((model) => openAiModel(model, options)) }
}

/** One element of the list, and the answer of `GET …/models/{id}`. */
export function openAiModel(model: Model, options: ListingOptions) {
  return {
    id: model.id,
    object: 'model' as const,
    /** Seconds; 0 when the release date is not known. */
    created: Math.floor(releasedAtMs(model) / 1000),
    owned_by: 'zendo',
    name: model.name,
    endpoint: endpointPath(model),
    protocol: model.protocol,
    npm: NPM_OF[model.protocol],
    context_window: model.context,
    max_output_tokens: model.maxOutput,
    modalities: model.modalities,
    capabilities: model.capabilities,
    pricing: pricing(model.price),
    weight: Number(model.weightPpm) / 1_000_000,
    free: model.free,
    status: model.status,
    deprecation_date: model.deprecationDate,
    release_date: model.releaseDate,
    ...privacyOf(model.routes),
    estimated_requests: estimated(model, options),
  }
}

/** The path that speaks the model's own protocol: `/zen/go/v1/messages`. */
export function endpointPath(model: Model): string {
  const base = basePath(model.product)
  switch (model.protocol) {
    case 'openai-chat':
      return `${base}/chat/completions`
    case 'openai-responses':
      return `${base}/responses`
    case 'anthropic-messages':
      return `${base}/messages`
    case 'google-generate':
      return `${base}/models/${model.id}:generateContent`
  }
}

export function basePath(product: Product): string {
  return product === 'go' ? '/zen/go/v1' : '/zen/v1'
}

function pricing(price: Price | null) {
  return {
    currency: 'USD',
    unit: '1M tokens',
    ...rateTexts(price?.base ?? null),
    tiers: (price?.tiers ?? []).map((tier) => ({ above_prompt_tokens: tier.above, ...rateTexts(tier) })),
  }
}

/** Null is the price of a free model. */
function rateTexts(rates: PriceRates | null) {
  return {
    input: formatUsd(rates?.input ?? 0n),
    output: formatUsd(rates?.output ?? 0n),
    cached_read: formatUsd(rates?.cachedRead ?? 0n),
    cache_write_5m: formatUsd(rates?.cacheWrite5m ?? 0n),
    cache_write_1h: formatUsd(rates?.cacheWrite1h ?? 0n),
  }
}

function estimated(model: Model, { plans, observedShape }: ListingOptions) {
  const estimate = estimateRequests(model, plans.values(), observedShape?.(model))
  if (estimate === null) return null
  const { input, cachedRead, output } = estimate.shape
  return {
    request_shape: { input, cached_read: cachedRead, output, source: estimate.shapeSource },
    windows: estimate.windows,
  }
}

/** Midnight UTC of the release date; the epoch when it is not known, as Anthropic does. */
function releasedAtMs(model: Model): number {
  return model.releaseDate === null ? 0 : Date.parse(`${model.releaseDate}T00:00:00Z`)
}

export interface PageRequest {
  /** 1 to 1000. Absent: everything, since clients that do not page expect no less. */
  readonly limit?: number
  readonly afterId?: string
  readonly beforeId?: string
}

const MAX_PAGE = 1000

/**
 * Anthropic's `{data, has_more, first_id, last_id}`. `aliases` (alias → id) adds an entry for each alias of a listed
 * model that Claude Code would show: it offers no ids but those of this beginning.
 *
 * @throws AppError `invalid_request` for a limit or id that is none.
 */
export function anthropicModelList(
  models: readonly Model[],
  page: PageRequest = {},
  aliases: ReadonlyMap<string, string> = new Map(),
) {
  const limit = page.limit ?? MAX_PAGE
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    throw new AppError('invalid_request', `limit must be a whole number from 1 to ${MAX_PAGE}`, { param: 'limit' })
  }
  if (page.afterId !== undefined && page.beforeId !== undefined) {
    throw new AppError('invalid_request', 'use either after_id or before_id', { param: 'before_id' })
  }
  const entries = [...models.map((model) => anthropicModel(model)), ...aliasEntries(models, aliases)]
  const after = page.afterId === undefined ? 0 : position(entries, page.afterId, 'after_id') + 1
  const before = page.beforeId === undefined ? entries.length : position(entries, page.beforeId, 'before_id')
  const range = entries.slice(after, before)
  // Going backwards, a page is what stands directly before the id.
  const shown = page.beforeId === undefined ? range.slice(0, limit) : range.slice(-limit)
  return {
    data: shown,
    has_more: shown.length < range.length,
    first_id: shown[0]?.id ?? null,
    last_id: shown.at(-1)?.id ?? null,
  }
}

const SHOWN_BY_CLAUDE_CODE = /^(?:claude|anthropic)/

function aliasEntries(models: readonly Model[], aliases: ReadonlyMap<string, string>) {
  const byId = new Map(models.map((model) => [model.id, model]))
  return [...aliases].flatMap(([alias, id]) => {
    const model = byId.get(id)
    return model !== undefined && SHOWN_BY_CLAUDE_CODE.test(alias) ? [anthropicModel(model, alias)] : []
  })
}

function position(entries: readonly { readonly id: string }[], id: string, param: string): number {
  const index = entries.findIndex((entry) => entry.id === id)
  if (index < 0) throw new AppError('invalid_request', `${param} names no model of this list`, { param })
  return index
}

/** One element of Anthropic's list, and the answer of `GET …/models/{id}` with `anthropic-version`. */
export function anthropicModel(model: Model, id = model.id) {
  return {
    type: 'model' as const,
    id,
    display_name: model.name,
    created_at: new Date(releasedAtMs(model)).toISOString().replace('.000Z', 'Z'),
    max_input_tokens: model.context,
    max_tokens: model.maxOutput,
    // Anthropic's own tree of features; null is its word for not stated.
    capabilities: null,
    lifecycle: model.status === 'deprecated' ? ('deprecated' as const) : ('active' as const),
    line: null,
    deprecated_at: null,
    retires_at: model.deprecationDate === null ? null : `${model.deprecationDate}T00:00:00Z`,
  }
}

export interface GooglePageRequest {
  /** Absent or 0: everything, since clients that do not page expect no less. Above 1000: 1000, as Google has it. */
  readonly pageSize?: number
  readonly pageToken?: string
}

/** Google's `{models, nextPageToken}`. @throws AppError `invalid_request` for a size or token that is none. */
export function googleModelList(models: readonly Model[], page: GooglePageRequest = {}) {
  const size = page.pageSize ?? 0
  if (!Number.isInteger(size) || size < 0) {
    throw new AppError('invalid_request', 'pageSize must be a whole number, not negative', { param: 'pageSize' })
  }
  const start = page.pageToken ? position(models, fromPageToken(page.pageToken), 'pageToken') + 1 : 0
  const end = Math.min(start + (size === 0 ? models.length : Math.min(size, MAX_PAGE)), models.length)
  const last = models[end - 1]
  return {
    models: models.slice(start, end).map(googleModel),
    ...(end < models.length && last !== undefined && { nextPageToken: toPageToken(last.id) }),
  }
}

/** The id of the last model shown: a page goes on behind it, also when others have come or gone in between. */
function toPageToken(id: string): string {
  return Buffer.from(id).toString('base64url')
}

function fromPageToken(token: string): string {
  return Buffer.from(token, 'base64url').toString()
}

/** One element of Google's list, and the answer of `GET v1beta/models/{id}`. */
export function googleModel(model: Model) {
  return {
    name: `models/${model.id}`,
    baseModelId: model.id,
    /** Google numbers its models' versions; a date is as near as we come. */
    version: model.releaseDate ?? '001',
    displayName: model.name,
    description: `${model.name}${model.status === 'active' ? '' : ` (${model.status})`}`,
    inputTokenLimit: model.context,
    outputTokenLimit: model.maxOutput,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
    ...(model.capabilities.reasoning && { thinking: true }),
  }
}

/**
 * The catalogue in the format of models.dev, which opencode reads instead of `/models` (`GET /zen/api.json`).
 *
 * Format: models.dev `api.json` as of 2026-09. Prices, limits and protocols come from the catalogue; what only a client
 * needs (reasoning options, where reasoning is sent back, …) from the same recorded source, `client-facts.json`.
 */
import { z } from 'zod'
import { toUsdNumber } from '../base/money.ts'
import { PRODUCTS, type Product } from '../base/words.ts'
import type { Catalog, Model, Price, PriceRates } from './catalog.ts'
import clientFactsData from './catalog-data/client-facts.json' with { type: 'json' }
import { basePath, listedModels, NPM_OF } from './model-listing.ts'

const clientFacts = z.strictObject({
  family: z.string().optional(),
  attachment: z.boolean().optional(),
  reasoning_options: z.array(z.looseObject({ type: z.string() })).optional(),
  structured_output: z.boolean().optional(),
  temperature: z.boolean().optional(),
  knowledge: z.string().optional(),
  last_updated: z.string().optional(),
  open_weights: z.boolean().optional(),
  interleaved: z.union([z.literal(true), z.strictObject({ field: z.string() })]).optional(),
  input_limit: z.number().optional(),
})
const clientFactsFile = z.strictObject({
  note: z.string(),
  models: z.record(z.string(), z.partialRecord(z.enum(PRODUCTS), clientFacts)),
})
type ClientFacts = z.infer<typeof clientFacts>

const CLIENT_FACTS = new Map(Object.entries(clientFactsFile.parse(clientFactsData).models))

const DEFAULT_NPM = NPM_OF['openai-chat']
const PROVIDERS: Readonly<Record<Product, { id: string; name: string }>> = {
  zen: { id: 'opencode', name: 'Zendo Zen' },
  go: { id: 'opencode-go', name: 'Zendo Go' },
}
/** opencode looks the key up here, and takes it only when there is exactly one name. */
const KEY_VARIABLE = 'OPENCODE_API_KEY'

/** `publicUrl`: where clients reach this server, without a trailing slash: `https://zendo.example`. */
export function modelsDevCatalog(catalog: Catalog, publicUrl: string) {
  return Object.fromEntries(
    PRODUCTS.map((product) => {
      const { id, name } = PROVIDERS[product]
      const models = listedModels(catalog, product)
      const provider = {
        id,
        name,
        env: [KEY_VARIABLE],
        npm: DEFAULT_NPM,
        api: `${publicUrl.replace(/\/+$/, '')}${basePath(product)}`,
        doc: `${publicUrl.replace(/\/+$/, '')}/`,
        models: Object.fromEntries(models.map((model) => [model.id, modelsDevModel(model)])),
      }
      return [id, provider]
    }),
  )
}

export function modelsDevModel(model: Model) {
  const { family, input_limit, ...facts }: ClientFacts = CLIENT_FACTS.get(model.id)?.[model.product] ?? {}
  const npm = NPM_OF[model.protocol]
  const released = model.releaseDate ?? '1970-01-01'
  return {
    id: model.id,
    name: model.name,
    ...(family === undefined ? {} : { family }),
    attachment: model.capabilities.images,
    reasoning: model.capabilities.reasoning,
    tool_call: model.capabilities.tools,
    temperature: true,
    open_weights: false,
    release_date: released,
    last_updated: released,
    ...facts,
    modalities: model.modalities,
    limit: {
      context: model.context,
      ...(input_limit === undefined ? {} : { input: input_limit }),
      output: model.maxOutput,
    },
    cost: cost(model.price),
    ...(model.status === 'active' ? {} : { status: model.status }),
    ...(npm === DEFAULT_NPM ? {} : { provider: { npm } }),
  }
}

/** Dollars per 1M tokens as numbers; a client shows them, nothing is charged by them. */
function cost(price: Price | null) {
  if (price === null) return { input: 0, output: 0, cache_read: 0, cache_write: 0 }
  const [first] = price.tiers
  if (first === undefined) return rateNumbers(price.base)
  return {
    ...rateNumbers(price.base),
    tiers: price.tiers.map((tier) => ({ ...rateNumbers(tier), tier: { type: 'context', size: tier.above } })),
    // The older form of the first tier, whatever its bound; clients before tiers read it.
    context_over_200k: rateNumbers(first),
  }
}

function rateNumbers(rates: PriceRates) {
  return {
    input: toUsdNumber(rates.input),
    output: toUsdNumber(rates.output),
    cache_read: toUsdNumber(rates.cachedRead),
    cache_write: toUsdNumber(rates.cacheWrite5m),
  }
}

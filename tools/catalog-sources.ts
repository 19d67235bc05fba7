/** Reads recorded catalogue data (models.dev, MIT) of several dates and keeps what the newest knows of each model. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Product } from '../src/base/words.ts'

const rates = {
  input: z.number(),
  output: z.number(),
  cache_read: z.number().optional(),
  cache_write: z.number().optional(),
}
const modelFacts = z.looseObject({
  id: z.string(),
  name: z.string(),
  limit: z.looseObject({ context: z.number(), output: z.number(), input: z.number().optional() }),
  modalities: z.object({ input: z.array(z.string()), output: z.array(z.string()) }),
  reasoning: z.boolean(),
  tool_call: z.boolean(),
  release_date: z.string(),
  status: z.enum(['deprecated', 'beta', 'alpha']).optional(),
})
const snapshotModel = modelFacts.extend({
  cost: z.looseObject({
    ...rates,
    tiers: z
      .array(z.looseObject({ ...rates, tier: z.object({ type: z.literal('context'), size: z.number() }) }))
      .optional(),
  }),
  provider: z.looseObject({ npm: z.string().optional() }).optional(),
})
const recordedModel = modelFacts.extend({
  npm: z.string(),
  cost_per_1m_usd: z.looseObject(rates),
  cost_tiers: z.array(z.looseObject({ ...rates, above_context_tokens: z.number() })).optional(),
})
const recordedFile = z.looseObject({
  provenance: z.looseObject({ repo: z.string(), commit: z.string(), commit_date: z.string() }),
  providers: z.record(z.string(), z.looseObject({ models: z.record(z.string(), recordedModel) })),
  newer_than_snapshot: z.looseObject({
    models: z.array(
      recordedModel.extend({ provider: z.string(), source: z.looseObject({ price_accessed: z.string().optional() }) }),
    ),
  }),
})
const snapshotFile = z.record(
  z.string(),
  z.looseObject({ npm: z.string(), models: z.record(z.string(), snapshotModel) }),
)
export interface Price {
  input: number
  output: number
  cachedRead?: number
  cacheWrite5m?: number
  cacheWrite1h?: number
  tiers?: (Price & { above: number })[]
}

/** One model of one product as its newest source has it. */
export interface Known {
  readonly facts: z.infer<typeof modelFacts>
  readonly npm: string
  readonly price: Price
  readonly source: string
  readonly date: string
}

const PRODUCT_OF: Record<string, Product> = { opencode: 'zen', 'opencode-go': 'go' }
export type Sources = Record<Product, Map<string, Known>>

/** The snapshot file does not say what it was carried by, nor when. */
export interface ClientSnapshot {
  readonly name: string
  readonly date: string
}

export function readSources(directory: string, clientSnapshot: ClientSnapshot): Sources {
  const sources: Sources = { zen: new Map(), go: new Map() }
  const add = (provider: string, known: Known) => {
    const product = PRODUCT_OF[provider]
    if (product === undefined) return
    const present = sources[product].get(known.facts.id)
    if (present === undefined || present.date < known.date) sources[product].set(known.facts.id, known)
  }
  const recorded = recordedFile.parse(readJson(join(directory, 'models.json')))
  const { commit, commit_date } = recorded.provenance
  for (const [provider, { models }] of Object.entries(recorded.providers)) {
    for (const model of Object.values(models)) {
      add(provider, fromRecorded(model, `models.dev ${commit.slice(0, 12)}`, commit_date.slice(0, 10)))
    }
  }
  for (const model of recorded.newer_than_snapshot.models) {
    // Without a date of its own, such an entry is only known to be later than the commit.
    const date = model.source.price_accessed ?? commit_date.slice(0, 10)
    const { provider, source: _source, ...rest } = model
    add(provider, fromRecorded(rest, 'models.dev', date))
  }
  const { name, date } = clientSnapshot
  for (const [provider, { npm, models }] of Object.entries(
    snapshotFile.parse(readJson(join(directory, 'opencode-client-snapshot.json'))),
  )) {
    for (const model of Object.values(models)) {
      const tiers = model.cost.tiers?.map((tier) => ({ above: tier.tier.size, ...priceOf(tier) }))
      add(provider, {
        facts: model,
        npm: model.provider?.npm ?? npm,
        price: { ...priceOf(model.cost), ...(tiers ? { tiers } : {}) },
        source: `${name}, ${date}`,
        date,
      })
    }
  }
  return sources
}

function fromRecorded(model: z.infer<typeof recordedModel>, name: string, date: string): Known {
  const tiers = model.cost_tiers?.map((tier) => ({ above: tier.above_context_tokens, ...priceOf(tier) }))
  const price = { ...priceOf(model.cost_per_1m_usd), ...(tiers ? { tiers } : {}) }
  return { facts: model, npm: model.npm, price, source: `${name}, ${date}`, date }
}

function priceOf(cost: {
  input: number
  output: number
  cache_read?: number | undefined
  cache_write?: number | undefined
}): Price {
  return {
    input: cost.input,
    output: cost.output,
    ...(cost.cache_read === undefined ? {} : { cachedRead: cost.cache_read }),
    ...(cost.cache_write === undefined ? {} : { cacheWrite5m: cost.cache_write }),
  }
}

export function readJson(path: string | URL): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

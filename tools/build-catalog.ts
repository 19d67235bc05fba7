/**
 * Regenerates the built-in models from recorded catalogue data: `node tools/build-catalog.ts [directory]`.
 *
 * Reads `models.json`, `opencode-client-snapshot.json` and `vendors.json` (models.dev data, MIT) and the hand-kept
 * `catalog-facts.json` and `catalog-quirks.json`; writes `src/domain/catalog-data/models.json` and `client-facts.json`. Where several sources
 * know a model, the newest wins as a whole.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Product, Protocol } from '../src/base/words.ts'
import { modelQuirks, publicServiceQuirks, readStatements, routeQuirks, type Statement } from './catalog-quirks.ts'
import { type Known, type Price, readJson, readSources, type Sources } from './catalog-sources.ts'

const vendorsFile = z.looseObject({
  providers: z.record(z.string(), z.looseObject({ models: z.record(z.string(), z.unknown()) })),
})
const shape = z.object({ input: z.number(), cachedRead: z.number(), output: z.number(), value: z.number() })
const factsFile = z.object({
  clientSnapshot: z.object({ name: z.string(), date: z.string() }),
  vendors: z.record(z.string(), z.string()),
  vendorNames: z.record(z.string(), z.string()),
  responsesOnly: z.object({ note: z.string(), parts: z.array(z.string()) }),
  hourCacheFactors: z.object({ note: z.string() }).catchall(z.number()),
  planValueUsd: z.number(),
  publishedShapes: z.object({ note: z.string() }).catchall(shape),
  familyShapes: z.record(z.string(), z.string()),
})

type Facts = z.infer<typeof factsFile>

const PROVIDER_OF: Record<Product, string> = { zen: 'opencode', go: 'opencode-go' }
const PROTOCOL_OF: Record<string, Protocol> = {
  '@ai-sdk/openai-compatible': 'openai-chat',
  '@ai-sdk/openai': 'openai-responses',
  '@ai-sdk/anthropic': 'anthropic-messages',
  '@ai-sdk/google': 'google-generate',
}
/** What opencode knows of a model beyond the config's words; passed through to `/zen/api.json`. */
const CLIENT_FACTS = [
  'family',
  'attachment',
  'reasoning_options',
  'structured_output',
  'temperature',
  'knowledge',
  'last_updated',
  'open_weights',
  'interleaved',
] as const

type Entry = Record<string, unknown>

/** What is kept by hand, and the vendors' own names of models. */
interface Kept {
  readonly facts: Facts
  readonly vendorModels: VendorModels
  readonly statements: readonly Statement[]
}

function modelEntryOf(id: string, sources: Sources, kept: Kept): Entry {
  const { facts } = kept
  const zen = sources.zen.get(id)
  const go = sources.go.get(id)
  const first = zen ?? go
  if (first === undefined) throw new Error(`no source knows ${id}`)
  const base = fieldsOf(first, zen === undefined ? 'go' : 'zen', kept)
  const { capabilities, modalities } = describe(first)
  const entry: Entry = { name: base.name, products: [...(zen ? ['zen'] : []), ...(go ? ['go'] : [])], ...base }
  Object.assign(entry, { capabilities, modalities })
  const published = facts.publishedShapes[id]
  if (go !== undefined && typeof published === 'object' && published.value !== facts.planValueUsd) {
    entry.weight = { go: facts.planValueUsd / published.value }
  }
  if (zen !== undefined && go !== undefined) {
    const own = fieldsOf(go, 'go', kept)
    const different = Object.entries(own).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(base[key]))
    if (different.length > 0) entry.perProduct = { go: Object.fromEntries(different) }
  }
  return entry
}

/** The fields that may differ by product. */
function fieldsOf(known: Known, product: Product, kept: Kept): Entry {
  const { facts: model, price } = known
  const { facts, statements } = kept
  const protocol = PROTOCOL_OF[known.npm]
  if (protocol === undefined) throw new Error(`${model.id}: unknown adapter ${known.npm}`)
  const free = price.input === 0 && price.output === 0
  const quirks = modelQuirks(known, statements)
  return {
    // Promotions of the public service are not part of a name.
    name: model.name.replace(/ \((?:New|Unlimited|\d+% Off|\d+x usage)\)$/, ''),
    protocol,
    context: model.limit.context,
    maxOutput: model.limit.output,
    ...(free ? { free } : { price: withHourCache(model.id, price, facts) }),
    status: model.status === 'alpha' ? 'beta' : (model.status ?? 'active'),
    releaseDate: model.release_date,
    ...(free ? {} : shapeOf(model.id, facts)),
    ...(quirks === undefined ? {} : { quirks }),
    routes: routesOf(known, protocol, product, free, kept),
    source: known.source,
  }
}

/** The sources have one cache-write price, the five-minute one; where the vendor publishes a factor, one for an hour. */
function withHourCache(id: string, price: Price, facts: Facts): Price {
  const factor = Object.entries(facts.hourCacheFactors).find(
    ([prefix]) => prefix !== 'note' && id.startsWith(prefix),
  )?.[1]
  if (typeof factor !== 'number' || price.cacheWrite5m === undefined) return price
  const { tiers, ...rates } = price
  const withTiers =
    tiers === undefined ? {} : { tiers: tiers.map((tier) => ({ ...tier, cacheWrite1h: tier.input * factor })) }
  return { ...rates, cacheWrite1h: rates.input * factor, ...withTiers }
}

function describe({ facts: model }: Known): Entry {
  const images = model.modalities.input.includes('image')
  return {
    capabilities: { tools: model.tool_call, reasoning: model.reasoning, images },
    modalities: model.modalities,
  }
}

function shapeOf(id: string, facts: Facts): Entry {
  const family = Object.keys(facts.familyShapes).find((prefix) => prefix !== 'note' && id.startsWith(prefix))
  const shape = facts.publishedShapes[id] ?? facts.publishedShapes[facts.familyShapes[family ?? ''] ?? '']
  if (typeof shape !== 'object') return {}
  return { requestShape: { input: shape.input, cachedRead: shape.cachedRead, output: shape.output } }
}

/** To the vendor itself, then to the public service, which serves a model in its native protocol only. */
function routesOf(known: Known, protocol: Protocol, product: Product, free: boolean, kept: Kept): Entry[] {
  const { facts, vendorModels, statements } = kept
  const { id } = known.facts
  const route = withQuirks(
    { provider: PROVIDER_OF[product], priority: 10, protocols: [protocol] },
    publicServiceQuirks(known, protocol),
  )
  const prefix = Object.keys(facts.vendors).find((start) => id.startsWith(start))
  const vendor = prefix === undefined ? undefined : facts.vendors[prefix]
  if (free || vendor === undefined) return [route]
  const name = facts.vendorNames[id] ?? vendorNameOf(id, vendorModels.get(vendor) ?? new Set())
  const limited = vendor === 'openai' && facts.responsesOnly.parts.some((part) => id.includes(part))
  const protocols = limited ? { protocols: ['openai-responses'] } : {}
  const own = { provider: vendor, ...(name === id ? {} : { model: name }), ...protocols }
  return [withQuirks(own, routeQuirks(id, vendor, statements)), route]
}

function withQuirks(route: Entry, quirks: Entry | undefined): Entry {
  return quirks === undefined ? route : { ...route, quirks }
}

type VendorModels = ReadonlyMap<string, ReadonlySet<string>>

/** The vendor's spelling of an id: as it is, in another case, or with the suffix of a preview or an alias. */
function vendorNameOf(id: string, names: ReadonlySet<string>): string {
  const lower = new Map([...names].map((name) => [name.toLowerCase(), name]))
  for (const candidate of [id, `${id}-preview`, `${id}-0`]) {
    const name = lower.get(candidate)
    if (name !== undefined) return name
  }
  return id
}

function clientFactsOf(known: Known): Entry {
  const facts = Object.fromEntries(CLIENT_FACTS.flatMap((key) => (key in known.facts ? [[key, known.facts[key]]] : [])))
  const { input } = known.facts.limit
  return input === undefined ? facts : { ...facts, input_limit: input }
}

/** JSON with one line per field of a model: short, and a changed price is one changed line. */
function writeEntries(file: string, note: string, key: string, entries: Record<string, Entry>): void {
  const blocks = Object.entries(entries).map(([id, entry]) => {
    return `    ${JSON.stringify(id)}: ${spread(entry, '    ')}`
  })
  const head = `{\n  "note": ${JSON.stringify(note)},\n  ${JSON.stringify(key)}: {\n`
  writeFileSync(file, `${head}${blocks.join(',\n')}\n  }\n}\n`)
}

function spread(entry: Entry, indent: string): string {
  const lines = Object.entries(entry).map(([field, value]) => {
    const perProduct = field === 'perProduct' || (field === 'go' && indent.length > 4)
    return `${indent}  ${JSON.stringify(field)}: ${perProduct ? spread(value as Entry, `${indent}  `) : spaced(value)}`
  })
  return `{\n${lines.join(',\n')}\n${indent}}`
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${spaced(member)}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

function main(directory: string): void {
  const facts = factsFile.parse(readJson(new URL('catalog-facts.json', import.meta.url)))
  const sources = readSources(directory, facts.clientSnapshot)
  const vendors = vendorsFile.parse(readJson(join(directory, 'vendors.json'))).providers
  const vendorModels = new Map(Object.entries(vendors).map(([id, vendor]) => [id, new Set(Object.keys(vendor.models))]))
  const ids = [...new Set([...sources.zen.keys(), ...sources.go.keys()])].sort()
  const target = join(import.meta.dirname, '../src/domain/catalog-data')
  const made =
    'Generated by tools/build-catalog.ts from models.dev data (MIT); change that or its input, not this file.'
  const kept = { facts, vendorModels, statements: readStatements(sources) }
  const models = ids.map((id) => [id, modelEntryOf(id, sources, kept)] as const)
  writeEntries(join(target, 'models.json'), made, 'models', Object.fromEntries(models))
  const clientFacts = ids.map((id) => {
    const products = (['zen', 'go'] as const).flatMap((product) => {
      const known = sources[product].get(id)
      return known === undefined ? [] : [[product, clientFactsOf(known)]]
    })
    return [id, Object.fromEntries(products)] as const
  })
  writeEntries(join(target, 'client-facts.json'), made, 'models', Object.fromEntries(clientFacts))
  console.log(`${ids.length} models: ${sources.zen.size} on zen, ${sources.go.size} on go`)
}

if (import.meta.main) main(process.argv[2] ?? join(import.meta.dirname, '../../shared/catalog'))

/** What a well-formed `zendo.jsonc` may still get wrong: entries that contradict each other or lead nowhere. */
import { PRODUCTS, type Protocol } from '../base/words.ts'
import { addressesOf, type BuiltInCatalog, isAccount, type MergedCatalog, mergeCatalog } from './catalog-merge.ts'
import type { ModelEntry, PerProductEntry, RouteEntry } from './config-model-schema.ts'
import type { Config } from './config-schema.ts'

/** A place in the file, as keys and positions from the top, and what is wrong there. */
export interface ConfigFault {
  readonly path: readonly (string | number)[]
  readonly reason: string
  /** Whether the key itself is at fault, not its value. */
  readonly atKey?: boolean
}

export function checkConfig(config: Config, builtIn: BuiltInCatalog): ConfigFault[] {
  const merged = mergeCatalog(builtIn, config)
  // A provider whose own entry is at fault is reported there, not at each route to it.
  const declared = new Set(
    Object.entries(config.providers ?? {}).flatMap(([id, entry]) => (entry === null ? [] : [id])),
  )
  return [
    ...checkProviders(config, builtIn),
    ...Object.entries(config.models ?? {}).flatMap(([id, entry]) =>
      entry === null ? checkRemoval(['models', id], builtIn.models) : checkModel(id, entry, merged, builtIn, declared),
    ),
    ...checkPlans(config, merged),
    ...checkAliases(config, merged),
  ]
}

function checkRemoval(path: [string, string], builtIn: ReadonlyMap<string, unknown>): ConfigFault[] {
  if (builtIn.has(path[1])) return []
  return [{ path, reason: `null removes what is built in, and nothing of the name ${quote(path[1])} is` }]
}

function checkProviders(config: Config, builtIn: BuiltInCatalog): ConfigFault[] {
  return Object.entries(config.providers ?? {}).flatMap(([id, entry]) => {
    const path: [string, string] = ['providers', id]
    if (entry === null) return checkRemoval(path, builtIn.providers)
    const shipped = builtIn.providers.get(id)
    const addresses = addressesOf(shipped, entry)
    if (typeof addresses === 'string') return [{ path, reason: addresses }]
    const moved = entry.baseUrl !== undefined || entry.baseUrls !== undefined
    if (shipped !== undefined && isAccount(entry) && !addresses.simulated && !moved && entry.apiKey === undefined) {
      return [{ path, reason: '"apiKey" is required' }]
    }
    return []
  })
}

function checkModel(
  id: string,
  entry: ModelEntry,
  merged: MergedCatalog,
  builtIn: BuiltInCatalog,
  declared: ReadonlySet<string>,
): ConfigFault[] {
  const path = ['models', id]
  const faults: ConfigFault[] = []
  if (entry.routes === undefined && !builtIn.models.has(id)) {
    faults.push({ path, reason: 'a model that is not built in needs "routes"' })
  }
  const parts: [(string | number)[], ModelEntry | PerProductEntry][] = [[path, entry]]
  for (const product of PRODUCTS) {
    const own = entry.perProduct?.[product]
    if (own === undefined) continue
    parts.push([[...path, 'perProduct', product], own])
    if (entry.products?.includes(product) === false) {
      faults.push({ path: [...path, 'perProduct', product], reason: `"products" does not name ${product}` })
    }
  }
  for (const [partPath, part] of parts) {
    if (part.free === true && part.price !== undefined) {
      faults.push({ path: [...partPath, 'free'], reason: 'a model is either free or has a price, not both' })
    }
    faults.push(...checkRoutes([...partPath, 'routes'], id, part.routes ?? [], merged, declared))
  }
  return [...faults, ...checkPayment(id, entry, merged)]
}

function checkPayment(id: string, entry: ModelEntry, merged: MergedCatalog): ConfigFault[] {
  const products = [...(merged.models.get(id) ?? [])]
  const unpriced = products.filter(([, model]) => model.free !== true && model.price === undefined)
  const faults: ConfigFault[] = unpriced.map(([product]) => ({
    path: ['models', id],
    reason: `a metered model needs a price (product ${product}); one that costs nothing says "free": true`,
  }))
  if (entry.anonymous === true && products.length > 0 && !products.some(([, model]) => model.free === true)) {
    faults.push({ path: ['models', id, 'anonymous'], reason: 'only a free model can be used without a key' })
  }
  return faults
}

function checkRoutes(
  path: (string | number)[],
  modelId: string,
  routes: readonly RouteEntry[],
  merged: MergedCatalog,
  declared: ReadonlySet<string>,
): ConfigFault[] {
  const seen = new Set<string>()
  return routes.flatMap((route, index) => {
    const faults: ConfigFault[] = []
    const target = JSON.stringify([route.provider, route.model ?? modelId])
    if (seen.has(target)) {
      faults.push({ path: [...path, index], reason: 'a route above leads to the same model of the same provider' })
    }
    seen.add(target)
    const provider = merged.providers.get(route.provider)
    if (provider === undefined) {
      if (declared.has(route.provider)) return faults
      faults.push({ path: [...path, index, 'provider'], reason: `there is no provider ${quote(route.provider)}` })
    } else if (!provider.addresses.simulated) {
      faults.push(...checkProtocols([...path, index, 'protocols'], route, provider.addresses.baseUrls))
    }
    return faults
  })
}

function checkProtocols(
  path: (string | number)[],
  route: RouteEntry,
  baseUrls: Partial<Record<Protocol, string>>,
): ConfigFault[] {
  const missing = (route.protocols ?? []).filter((protocol) => baseUrls[protocol] === undefined)
  return missing.map((protocol) => ({
    path,
    reason: `provider ${quote(route.provider)} has no address for ${protocol}`,
  }))
}

function checkPlans(config: Config, merged: MergedCatalog): ConfigFault[] {
  return Object.keys(config.plans ?? {}).flatMap((id) => {
    const plan = merged.plans.get(id)
    const missing = (['price', 'windows'] as const).filter((key) => plan?.[key] === undefined)
    return missing.map((key) => ({ path: ['plans', id], reason: `"${key}" is required` }))
  })
}

function checkAliases(config: Config, merged: MergedCatalog): ConfigFault[] {
  const aliases = new Map(Object.entries(config.aliases ?? {}))
  return [...aliases.keys()].flatMap((alias) => {
    const target = resolveAlias(aliases, alias)
    if (target === null) return [{ path: ['aliases', alias], reason: 'this chain of aliases never ends' }]
    if (merged.models.has(target)) return []
    return [{ path: ['aliases', alias], reason: `there is no model ${quote(target)}` }]
  })
}

/** The id at the end of a chain of aliases; null when the chain is a loop. */
export function resolveAlias(aliases: ReadonlyMap<string, string>, alias: string): string | null {
  const seen = new Set<string>()
  let id = alias
  for (let next = aliases.get(id); next !== undefined; next = aliases.get(id)) {
    if (seen.has(id)) return null
    seen.add(id)
    id = next
  }
  return id
}

/** Names come from the file: shortened, and quoted so that nothing in them reads as a message. */
function quote(name: string): string {
  return JSON.stringify(name.slice(0, 80))
}

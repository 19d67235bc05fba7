/** Lays the operator's file over the built-in catalogue, entry by entry and field by field; converts nothing yet. */
import type { Product, Protocol } from '../base/words.ts'
import { DEFAULTS } from './config-defaults.ts'
import type { ModelEntry, PerProductEntry } from './config-model-schema.ts'
import type { PlanEntry } from './config-plan-schema.ts'
import type { ProviderQuirks } from './config-quirks-schema.ts'
import type { Config, ProviderEntry } from './config-schema.ts'

/** A provider that ships with Zendo: without credentials, and unused until the operator's file names it. */
export interface BuiltInProvider extends ProviderEntry {
  /** True for the simulated provider, which needs no entry to be in use. */
  readonly configured?: boolean | undefined
}

/** A model that ships with Zendo. `source`: where its price and limits are from, with the date. */
export interface BuiltInModel extends ModelEntry {
  readonly source: string
  readonly perProduct?: Partial<Record<Product, PerProductEntry & { source?: string | undefined }>> | undefined
}

/** What ships with Zendo, in the words of the config file. */
export interface BuiltInCatalog {
  readonly providers: ReadonlyMap<string, BuiltInProvider>
  readonly models: ReadonlyMap<string, BuiltInModel>
  readonly plans: ReadonlyMap<string, PlanEntry>
}

/** `baseUrls` is empty exactly for a simulated provider, whose address is known at run time only. */
export interface Addresses {
  readonly simulated: boolean
  readonly baseUrls: Partial<Record<Protocol, string>>
}

export interface MergedProvider {
  readonly entry: ProviderEntry
  readonly addresses: Addresses
  /** Whether routes to it are in use. */
  readonly configured: boolean
}

/** A model as one product sells it; the layers are merged, defaults are not filled in. */
export interface MergedModel extends Omit<ModelEntry, 'products' | 'perProduct' | 'weight'> {
  readonly weight?: string | number | undefined
  readonly source: string | null
}

export interface MergedCatalog {
  readonly providers: ReadonlyMap<string, MergedProvider>
  /** By bare id, then by product. */
  readonly models: ReadonlyMap<string, ReadonlyMap<Product, MergedModel>>
  readonly plans: ReadonlyMap<string, PlanEntry>
}

/** Never fails: entries that `checkConfig` refuses are left out. */
export function mergeCatalog(builtIn: BuiltInCatalog, config: Config | null): MergedCatalog {
  return {
    providers: mergeProviders(builtIn, config),
    models: mergeModels(builtIn, config),
    plans: mergePlans(builtIn, config),
  }
}

function mergeProviders(builtIn: BuiltInCatalog, config: Config | null): Map<string, MergedProvider> {
  const own = new Map(Object.entries(config?.providers ?? {}))
  const merged = new Map<string, MergedProvider>()
  for (const id of new Set([...builtIn.providers.keys(), ...own.keys()])) {
    const shipped = builtIn.providers.get(id)
    const entry = own.get(id)
    if (entry === null) continue
    const addresses = addressesOf(shipped, entry)
    if (typeof addresses === 'string') continue
    const timeouts = { ...shipped?.timeouts, ...entry?.timeouts }
    const quirks = layProviderQuirks(shipped?.quirks, entry?.quirks)
    merged.set(id, {
      entry: { ...shipped, ...entry, timeouts, quirks },
      addresses,
      configured: isAccount(entry) || shipped?.configured === true,
    })
  }
  return merged
}

/** An entry that only says what workspaces may do gives the operator no account there. */
export function isAccount(entry: ProviderEntry | undefined): boolean {
  if (entry === undefined) return false
  const names = Object.keys(entry)
  return !(names.length === 1 && names[0] === 'ownKeys')
}

/** Where a provider is, or the reason why the entry does not say so. */
export function addressesOf(
  shipped: BuiltInProvider | undefined,
  entry: ProviderEntry | undefined,
): Addresses | string {
  const { protocol, baseUrl, baseUrls } = entry ?? {}
  if (baseUrls !== undefined) {
    if (protocol !== undefined || baseUrl !== undefined) return 'use either "protocol" with "baseUrl", or "baseUrls"'
    if (Object.keys(baseUrls).length === 0) return '"baseUrls" must not be empty'
    return { simulated: false, baseUrls }
  }
  if (protocol === 'simulated') {
    return baseUrl === undefined ? { simulated: true, baseUrls: {} } : 'a simulated provider has no "baseUrl"'
  }
  if (protocol !== undefined) {
    const url = baseUrl ?? shipped?.baseUrls?.[protocol]
    return url === undefined ? `"baseUrl" is required` : { simulated: false, baseUrls: { [protocol]: url } }
  }
  if (baseUrl !== undefined) return movedAddresses(shipped, baseUrl)
  if (shipped?.protocol === 'simulated') return { simulated: true, baseUrls: {} }
  return shipped?.baseUrls === undefined
    ? 'a provider that is not built in needs "protocol" and "baseUrl", or "baseUrls"'
    : { simulated: false, baseUrls: shipped.baseUrls }
}

/** A lone `baseUrl` moves a built-in provider as a whole, which is clear only if it has one address now. */
function movedAddresses(shipped: BuiltInProvider | undefined, baseUrl: string): Addresses | string {
  const present = Object.entries(shipped?.baseUrls ?? {})
  if (present.length === 0) return '"protocol" is required with "baseUrl"'
  if (new Set(present.map(([, url]) => url)).size > 1) {
    return 'this provider has an address per protocol: give "baseUrls", or "protocol" with "baseUrl"'
  }
  return { simulated: false, baseUrls: Object.fromEntries(present.map(([protocol]) => [protocol, baseUrl])) }
}

/** Protocol by protocol and field by field, so that one correction keeps what else is known of an upstream. */
function layProviderQuirks(below: ProviderQuirks = {}, layer: ProviderQuirks = {}): ProviderQuirks {
  const protocols = [...Object.keys(below), ...Object.keys(layer)] as Protocol[]
  return Object.fromEntries(protocols.map((protocol) => [protocol, { ...below[protocol], ...layer[protocol] }]))
}

function mergeModels(builtIn: BuiltInCatalog, config: Config | null): Map<string, Map<Product, MergedModel>> {
  const own = new Map(Object.entries(config?.models ?? {}))
  const removed = new Set(
    Object.entries(config?.providers ?? {}).flatMap(([id, entry]) => (entry === null ? [id] : [])),
  )
  const merged = new Map<string, Map<Product, MergedModel>>()
  for (const id of new Set([...builtIn.models.keys(), ...own.keys()])) {
    const entry = own.get(id)
    if (entry === null) continue
    const shipped = builtIn.models.get(id)
    const isGone = shipped !== undefined && lostItsProviders(shipped, removed)
    if (isGone && entry?.routes === undefined) continue
    const layers = [isGone ? undefined : shipped, entry].filter((layer) => layer !== undefined)
    const products = layers.map((layer) => layer.products).findLast((list) => list !== undefined) ?? DEFAULTS.products
    merged.set(id, new Map(products.map((product) => [product, mergeLayers(layers, product)])))
  }
  return merged
}

/** Whether a built-in model had routes and all of them led to providers that the operator has removed. */
function lostItsProviders(model: BuiltInModel, removed: ReadonlySet<string>): boolean {
  const entries = [model, ...Object.values(model.perProduct ?? {})]
  const routes = entries.flatMap((entry) => entry.routes ?? [])
  return routes.length > 0 && routes.every((route) => removed.has(route.provider))
}

/**
 * Later layers win: built-in, built-in for this product, the operator's, the operator's for this product. So what the
 * operator writes for a model holds for all its products, also where the built-in entry differs by product.
 */
function mergeLayers(layers: readonly ModelEntry[], product: Product): MergedModel {
  let merged: MergedModel = { source: null }
  for (const { products: _products, perProduct, weight, ...rest } of layers) {
    merged = layOver(merged, { ...rest, ...optionalWeight(weight?.[product]) })
    const own = perProduct?.[product]
    // A built-in entry has one source for all its products, unless one says otherwise.
    const source = 'source' in rest && typeof rest.source === 'string' ? { source: rest.source } : {}
    if (own !== undefined) merged = layOver(merged, { ...source, ...own })
  }
  return merged
}

function optionalWeight(weight: string | number | undefined): { weight?: string | number } {
  return weight === undefined ? {} : { weight }
}

/** The fields that a stated source speaks for; who changes one has no source any more. */
const SOURCED_FIELDS = ['price', 'free', 'context', 'maxOutput'] as const

function layOver(below: MergedModel, layer: Omit<Partial<MergedModel>, 'products'>): MergedModel {
  const merged = {
    ...below,
    ...layer,
    capabilities: { ...below.capabilities, ...layer.capabilities },
    modalities: { ...below.modalities, ...layer.modalities },
    quirks: { ...below.quirks, ...layer.quirks },
  }
  // Who states a price has ended free use, as built in or as said for all products.
  if (layer.price !== undefined && layer.free === undefined) merged.free = false
  const restated = SOURCED_FIELDS.some((field) => layer[field] !== undefined)
  return { ...merged, source: layer.source ?? (restated ? null : below.source) }
}

function mergePlans(builtIn: BuiltInCatalog, config: Config | null): Map<string, PlanEntry> {
  const merged = new Map(builtIn.plans)
  for (const [id, entry] of Object.entries(config?.plans ?? {})) merged.set(id, { ...merged.get(id), ...entry })
  return merged
}

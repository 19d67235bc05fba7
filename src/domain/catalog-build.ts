/** Builds the catalogue snapshot the gateway reads from the built-in entries and the operator's file. Pure. */
import { createHash } from 'node:crypto'
import { type NanoUsd, parseUsd, parseWeight } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import type { Product, Protocol } from '../base/words.ts'
import type {
  Catalog,
  Model,
  OwnKeyProvider,
  Plan,
  Price,
  PriceRates,
  PriceTier,
  Provider,
  Route,
  Timeouts,
  Webhook,
  WindowSpec,
} from './catalog.ts'
import {
  type BuiltInCatalog,
  type MergedCatalog,
  type MergedModel,
  type MergedProvider,
  mergeCatalog,
} from './catalog-merge.ts'
import { resolveQuirks } from './catalog-quirks.ts'
import { resolveAlias } from './config-check.ts'
import { DEFAULTS } from './config-defaults.ts'
import { apiRates, trafficLimits } from './config-limits-schema.ts'
import type { PriceEntry, PriceTierEntry, RouteEntry } from './config-model-schema.ts'
import { ownBaseUrls } from './config-own-keys-schema.ts'
import type { PlanEntry, WindowEntry } from './config-plan-schema.ts'
import type { Config } from './config-schema.ts'
import type { WebhookEntries } from './config-webhooks-schema.ts'
import { EVENT_TYPES } from './event.ts'

export interface BuildOptions {
  /** Where the simulated upstream listens, known at run time only: `http://127.0.0.1:40001/v1`. */
  readonly simulatedBaseUrl: string
  /** The signing secret of each receiver of events, by its name; none on the command line. */
  readonly webhookSecrets?: ReadonlyMap<string, string>
}

/** Both protocols of the simulated upstream hang under one address. */
const SIMULATED_PROTOCOLS: readonly Protocol[] = ['openai-chat', 'anthropic-messages']

/**
 * `config` has passed `parseConfig` with the same `builtIn`; `resolvedSecrets` holds the credential of each provider
 * that has one, by provider id. The same input gives the same snapshot.
 */
export function buildCatalog(
  builtIn: BuiltInCatalog,
  config: Config | null,
  resolvedSecrets: ReadonlyMap<string, string>,
  options: BuildOptions,
): Catalog {
  const merged = mergeCatalog(builtIn, config)
  const providers = new Map<string, Provider>()
  /** Those that the operator has no account at. */
  const others = new Map<string, Provider>()
  for (const [id, provider] of merged.providers) {
    const built = buildProvider(id, provider, resolvedSecrets.get(id), options)
    if (provider.configured) providers.set(id, built)
    else others.set(id, built)
  }
  const ownKeys = buildOwnKeys(builtIn, merged, new Map([...others, ...providers]))
  const withoutAccount = new Map([...others].filter(([id]) => ownKeys.has(id)))
  const buildRoutes = { shared: routeBuilder(providers, merged), own: routeBuilder(withoutAccount, merged) }
  const models: Record<Product, Map<string, Model>> = { zen: new Map(), go: new Map() }
  for (const [id, byProduct] of merged.models) {
    for (const [product, entry] of byProduct) models[product].set(id, buildModel(id, product, entry, buildRoutes))
  }
  return {
    providers,
    ownKeys,
    models,
    plans: new Map([...merged.plans].map(([id, entry]) => [id, buildPlan(id, entry)])),
    aliases: buildAliases(config?.aliases ?? {}),
    anonymous: { requestsPerDay: config?.anonymous?.requestsPerDay ?? DEFAULTS.anonymousRequestsPerDay },
    limits: trafficLimits(config?.limits),
    apiRates: apiRates(config?.limits),
    keepAliveMs: Math.round((config?.server?.keepAliveSeconds ?? DEFAULTS.keepAliveSeconds) * 1000),
    webhooks: buildWebhooks(config?.webhooks ?? {}, options.webhookSecrets ?? new Map()),
  }
}

function buildProvider(
  id: string,
  { entry, addresses }: MergedProvider,
  apiKey: string | undefined,
  { simulatedBaseUrl }: BuildOptions,
): Provider {
  const urls = addresses.simulated
    ? SIMULATED_PROTOCOLS.map((protocol) => [protocol, simulatedBaseUrl] as const)
    : (Object.entries(addresses.baseUrls) as [Protocol, string][])
  const endpoints = new Map(urls.map(([protocol, url]) => [protocol, url.replace(/\/+$/, '')]))
  const provider = {
    id,
    // The simulated upstream has another port at each start.
    tag: tagOf(id, addresses.simulated ? new Map() : endpoints),
    endpoints,
    simulated: addresses.simulated,
    region: entry.region,
    retention: entry.retention,
    training: entry.training,
    timeouts: buildTimeouts(entry.timeouts ?? {}),
    maxConnections: entry.maxConnections ?? DEFAULTS.maxConnections,
    onClientAbort: entry.onClientAbort ?? DEFAULTS.onClientAbort,
  }
  return withSecret(provider, apiKey)
}

/**
 * Simulated providers take no keys. Where the operator wrote the address, only the operator knows whether the server asks
 * for a key at all: one that does not would serve a workspace with any text for a key, and for nothing.
 */
function buildOwnKeys(
  builtIn: BuiltInCatalog,
  merged: MergedCatalog,
  providers: ReadonlyMap<string, Provider>,
): Map<string, OwnKeyProvider> {
  const found = new Map<string, OwnKeyProvider>()
  for (const [id, provider] of providers) {
    const said = merged.providers.get(id)?.entry.ownKeys
    const entry = said ?? (isWhereItShips(builtIn, provider) ? {} : false)
    if (entry === false || provider.simulated) continue
    found.set(id, { provider, baseUrls: ownBaseUrls(entry, provider.endpoints.keys()) })
  }
  return found
}

/** Whether each of its addresses is the built-in one. */
function isWhereItShips(builtIn: BuiltInCatalog, { id, endpoints }: Provider): boolean {
  const shipped = builtIn.providers.get(id)?.baseUrls ?? {}
  return [...endpoints].every(([protocol, url]) => shipped[protocol]?.replace(/\/+$/, '') === url)
}

function tagOf(id: string, endpoints: ReadonlyMap<Protocol, string>): string {
  const lines = [...endpoints].map((endpoint) => endpoint.join(' ')).sort()
  return hashOf([id, ...lines].join('\n'), 8)
}

function hashOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits)
}

function buildTimeouts(entry: NonNullable<MergedProvider['entry']['timeouts']>): Timeouts {
  return {
    connectMs: entry.connectMs ?? DEFAULTS.timeouts.connectMs,
    headersMs: entry.headersMs ?? DEFAULTS.timeouts.headersMs,
    idleMs: entry.idleMs ?? DEFAULTS.timeouts.idleMs,
    totalMs: entry.totalMs ?? DEFAULTS.timeouts.totalMs,
  }
}

function buildWebhooks(entries: WebhookEntries, secrets: ReadonlyMap<string, string>): Webhook[] {
  return Object.entries(entries).map(([name, { url, events }]) => {
    const webhook: Omit<Webhook, 'secret'> = { name, url, events: events ?? EVENT_TYPES }
    return Object.defineProperty(webhook, 'secret', { value: secrets.get(name), enumerable: false }) as Webhook
  })
}

/** Not enumerable, so that a provider in a log line, a JSON answer or an assertion message does not show it. */
export function withSecret(provider: Omit<Provider, 'apiKey'>, apiKey: string | undefined): Provider {
  return Object.defineProperty(provider, 'apiKey', { value: apiKey, enumerable: false }) as Provider
}

type FindProvider = (route: RouteEntry) => Provider | undefined

/**
 * The provider of a route, without the endpoints that the route leaves out; undefined when not configured. Routes with
 * the same restriction share one object, so that identity within a snapshot means the same account and endpoints.
 */
function narrowedProviders(providers: ReadonlyMap<string, Provider>): FindProvider {
  const narrowed = new Map<string, Provider>()
  return ({ provider: id, protocols }) => {
    const provider = providers.get(id)
    if (provider === undefined || protocols === undefined) return provider
    const endpoints = new Map([...provider.endpoints].filter(([protocol]) => protocols.includes(protocol)))
    if (endpoints.size === provider.endpoints.size) return provider
    const key = `${id} ${[...endpoints.keys()].join(' ')}`
    const known = narrowed.get(key) ?? withSecret({ ...provider, endpoints }, provider.apiKey)
    narrowed.set(key, known)
    return known
  }
}

interface RouteBuilders {
  readonly shared: BuildRoutes
  readonly own: BuildRoutes
}

function buildModel(id: string, product: Product, entry: MergedModel, buildRoutes: RouteBuilders): Model {
  const free = entry.free === true
  const capabilities = definedOver(DEFAULTS.capabilities, entry.capabilities)
  const routes = buildRoutes.shared(id, entry)
  const ownRoutes = buildRoutes.own(id, entry)
  return {
    id,
    product,
    name: entry.name ?? id,
    protocol: entry.protocol ?? onlyProtocol(routes) ?? onlyProtocol(ownRoutes) ?? DEFAULTS.protocol,
    context: entry.context ?? DEFAULTS.context,
    maxOutput: entry.maxOutput ?? DEFAULTS.maxOutput,
    capabilities,
    modalities: {
      input: entry.modalities?.input ?? (capabilities.images ? ['text', 'image'] : ['text']),
      output: entry.modalities?.output ?? ['text'],
    },
    free,
    anonymous: free && entry.anonymous === true,
    price: free || entry.price === undefined ? null : buildPrice(entry.price),
    weightPpm: parseWeight(entry.weight ?? DEFAULTS.planWeight),
    status: entry.status ?? DEFAULTS.status,
    deprecationDate: entry.deprecationDate ?? null,
    releaseDate: entry.releaseDate ?? null,
    requestShape: entry.requestShape ?? DEFAULTS.requestShape,
    originateCacheMarks: entry.originateCacheMarks ?? false,
    source: entry.source,
    routes,
    ownRoutes,
  }
}

/** What a model's providers speak, when it is one protocol alone: then it is the model's own. */
function onlyProtocol(routes: readonly Route[]): Protocol | undefined {
  const spoken = new Set(routes.flatMap(({ provider }) => [...provider.endpoints.keys()]))
  const [protocol] = spoken
  return spoken.size === 1 ? protocol : undefined
}

function definedOver(defaults: Model['capabilities'], entry: MergedModel['capabilities']): Model['capabilities'] {
  return {
    tools: entry?.tools ?? defaults.tools,
    reasoning: entry?.reasoning ?? defaults.reasoning,
    images: entry?.images ?? defaults.images,
  }
}

type BuildRoutes = (modelId: string, model: MergedModel) => Route[]

/** Leaves out routes to a provider that is not configured, and those that a moved provider has no address for. */
function routeBuilder(providers: ReadonlyMap<string, Provider>, merged: MergedCatalog): BuildRoutes {
  const findProvider = narrowedProviders(providers)
  return (modelId, model) =>
    (model.routes ?? []).flatMap((entry) => {
      const provider = findProvider(entry)
      if (provider === undefined || provider.endpoints.size === 0) return []
      const declared = merged.providers.get(entry.provider)?.entry.quirks
      const route: Route = {
        provider,
        upstreamModel: entry.model ?? modelId,
        weight: entry.weight ?? DEFAULTS.routeWeight,
        priority: entry.priority ?? DEFAULTS.routePriority,
        quirks: resolveQuirks(provider.endpoints.keys(), declared, model.quirks, entry.quirks),
      }
      return [route]
    })
}

function buildPrice(entry: PriceEntry): Price {
  const base = buildRates(entry, entry)
  const tiers = (entry.tiers ?? [])
    .map((tier): PriceTier => ({ above: tier.above, ...buildRates(tier, inherited(tier, entry)) }))
    .sort((a, b) => a.above - b.above)
  return { version: priceVersion(base, tiers), base, tiers }
}

/** A cache rate that a tier does not mention is the one written for the base price; null is its own word. */
function inherited(tier: PriceTierEntry, base: PriceEntry): CacheRates {
  return {
    cachedRead: tier.cachedRead === undefined ? base.cachedRead : tier.cachedRead,
    cacheWrite5m: tier.cacheWrite5m === undefined ? base.cacheWrite5m : tier.cacheWrite5m,
    cacheWrite1h: tier.cacheWrite1h === undefined ? base.cacheWrite1h : tier.cacheWrite1h,
  }
}

type CacheRates = Pick<PriceEntry, 'cachedRead' | 'cacheWrite5m' | 'cacheWrite1h'>

/** A cache rate that nothing states is the dearer one it stands in for, never nothing. */
function buildRates(entry: { input: string | number; output: string | number }, cache: CacheRates): PriceRates {
  const input = parseUsd(entry.input)
  const rateOr = (rate: string | number | null | undefined, instead: NanoUsd) =>
    rate === null || rate === undefined ? instead : parseUsd(rate)
  const cacheWrite5m = rateOr(cache.cacheWrite5m, input)
  return {
    input,
    output: parseUsd(entry.output),
    cachedRead: rateOr(cache.cachedRead, input),
    cacheWrite5m,
    cacheWrite1h: rateOr(cache.cacheWrite1h, cacheWrite5m),
  }
}

/** `p_` and 48 bits of a hash of the rates themselves: however a file writes them, the same rates have one version. */
function priceVersion(base: PriceRates, tiers: readonly PriceTier[]): string {
  const line = ({ input, output, cachedRead, cacheWrite5m, cacheWrite1h }: PriceRates, above: number) =>
    [above, input, output, cachedRead, cacheWrite5m, cacheWrite1h].join(' ')
  const canonical = [line(base, 0), ...tiers.map((tier) => line(tier, tier.above))].join('\n')
  return `p_${hashOf(canonical, 12)}`
}

function buildPlan(id: string, entry: PlanEntry): Plan {
  return {
    id,
    price: parseUsd(entry.price ?? 0),
    interval: 'month',
    products: entry.products ?? DEFAULTS.planProducts,
    windows: (entry.windows ?? []).map(buildWindow),
  }
}

function buildWindow(entry: WindowEntry): WindowSpec {
  const limit = parseUsd(entry.limit)
  if ('unit' in entry) return { name: entry.name, kind: entry.kind, lengthMs: 0, unit: entry.unit, limit }
  return { name: entry.name, kind: entry.kind, lengthMs: Math.round(entry.hours * HOUR_MS), unit: null, limit }
}

/** Chains of aliases are followed here, so that a request looks up once. */
function buildAliases(entries: Readonly<Record<string, string>>): Map<string, string> {
  const written = new Map(Object.entries(entries))
  const resolved = new Map<string, string>()
  for (const alias of written.keys()) {
    const id = resolveAlias(written, alias)
    if (id !== null) resolved.set(alias, id)
  }
  return resolved
}

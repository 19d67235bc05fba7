/**
 * The catalogue as the gateway reads it: one immutable snapshot of providers, models per product, plans and aliases.
 *
 * A snapshot is built whole (`domain/catalog-build.ts`) and swapped whole; a request keeps the one it started with.
 */
import type { NanoUsd } from '../base/money.ts'
import type { Quirks } from '../base/quirks.ts'
import type { Product, Protocol } from '../base/words.ts'
import type { EventType } from './event.ts'

/** Prices in nano-dollars per one million tokens. */
export interface PriceRates {
  readonly input: NanoUsd
  readonly output: NanoUsd
  readonly cachedRead: NanoUsd
  readonly cacheWrite5m: NanoUsd
  readonly cacheWrite1h: NanoUsd
}

export interface PriceTier extends PriceRates {
  /** The tier's rates apply to the whole request once its prompt is larger than this many tokens. */
  readonly above: number
}

export interface Price {
  /** Names the rates for ever: the same rates have the same version. Stands on each request row. */
  readonly version: string
  readonly base: PriceRates
  /** Ascending by `above`. */
  readonly tiers: readonly PriceTier[]
}

export interface Timeouts {
  readonly connectMs: number
  /** Until the upstream's response headers. */
  readonly headersMs: number
  /** Between two pieces of the response body. */
  readonly idleMs: number
  readonly totalMs: number
}

export interface Provider {
  readonly id: string
  /**
   * Eight hexadecimal digits that tell this account from others, the same after a restart: they stand in seals on what
   * the upstream signed. A provider that moves to other addresses is another one; a new key for it is not.
   */
  readonly tag: string
  /** Base URL per protocol that this upstream speaks, without a trailing slash: `https://api.acme.example/v1`. */
  readonly endpoints: ReadonlyMap<Protocol, string>
  /** The credential itself, already resolved from `env:` or `file:`; absent for upstreams that take none. */
  readonly apiKey: string | undefined
  readonly simulated: boolean
  readonly region: string | undefined
  readonly retention: string | undefined
  readonly training: boolean | undefined
  readonly timeouts: Timeouts
  /** Sockets at most, per endpoint. */
  readonly maxConnections: number
  /** What becomes of an answer whose client has left: read on for a short while, to learn what it cost, or broken off. */
  readonly onClientAbort: 'drain' | 'cancel'
  /** Set where it is a workspace's own account there; absent for the operator's. */
  readonly own?: OwnAccount
}

/** Which of a workspace's own keys an account is reached with. */
export interface OwnAccount {
  readonly credentialId: string
  /** Set where its address is not the operator's own choice for every request, and so may lead nowhere private. */
  readonly egress: { readonly allowPrivate: boolean } | null
}

/** An address that the operator lets workspaces choose for their own keys. */
export interface OwnBaseUrl {
  readonly url: string
  readonly protocols: readonly Protocol[]
  readonly region: string | undefined
  readonly allowPrivate: boolean
}

/** A provider for which workspaces may bring keys of their own, whether or not the operator has one. */
export interface OwnKeyProvider {
  readonly provider: Provider
  readonly baseUrls: readonly OwnBaseUrl[]
}

export interface Route {
  readonly provider: Provider
  /** The upstream's name of the model. */
  readonly upstreamModel: string
  /** Share among the routes of the same priority. */
  readonly weight: number
  /** Lower is tried first. */
  readonly priority: number
  /** By protocol that the provider speaks; `quirksOf` reads it. */
  readonly quirks: ReadonlyMap<Protocol, Quirks>
}

/** The token counts of a typical agent request, from which `estimated_requests` is computed. */
export interface RequestShape {
  readonly input: number
  readonly cachedRead: number
  readonly output: number
}

export interface Model {
  readonly id: string
  readonly product: Product
  readonly name: string
  /** The protocol under which the model is published (its native one). */
  readonly protocol: Protocol
  /** Tokens that prompt and answer may have together. */
  readonly context: number
  readonly maxOutput: number
  readonly capabilities: { readonly tools: boolean; readonly reasoning: boolean; readonly images: boolean }
  readonly modalities: { readonly input: readonly string[]; readonly output: readonly string[] }
  readonly free: boolean
  /** Callable without a key; only ever true when `free`. */
  readonly anonymous: boolean
  /** Null exactly when `free`. */
  readonly price: Price | null
  /** Dollars of plan window that a dollar of list price consumes, in parts per million. */
  readonly weightPpm: bigint
  readonly status: 'active' | 'deprecated' | 'beta'
  readonly deprecationDate: string | null
  readonly releaseDate: string | null
  readonly requestShape: RequestShape
  /** Put cache marks where an agent's own would be, for clients whose protocol has none, on Messages upstreams. */
  readonly originateCacheMarks: boolean
  /** Where price and limits were taken from, with the date; null for a model the operator defined. */
  readonly source: string | null
  /** Only routes to configured providers, each with an address at least; none: the model is listed nowhere. */
  readonly routes: readonly Route[]
  /** Routes to providers that only workspaces with a key of their own there can be sent over. */
  readonly ownRoutes: readonly Route[]
}

export interface WindowSpec {
  /** `5 hour`, `weekly`, `monthly`. */
  readonly name: string
  readonly kind: 'session' | 'calendar' | 'anchored' | 'sliding'
  /** Length of a `session` or `sliding` window in milliseconds; 0 for the other kinds. */
  readonly lengthMs: number
  readonly unit: 'day' | 'week' | 'month' | null
  readonly limit: NanoUsd
}

export interface Plan {
  readonly id: string
  readonly price: NanoUsd
  readonly interval: 'month'
  readonly products: readonly Product[]
  /** In the order in which they are checked. */
  readonly windows: readonly WindowSpec[]
}

/** The published limit of requests without a key. */
export interface AnonymousLimit {
  readonly requestsPerDay: number
}

/** A rate at which requests are taken. */
export interface RateLimit {
  readonly requestsPerMinute: number
  /** How many may come at once; at least one. */
  readonly burst: number
}

/** What each caller may send, whatever it is charged. Null: no limit. */
export interface TrafficLimits {
  /** Per key. */
  readonly key: RateLimit | null
  /** Requests of one key under way at once. */
  readonly inFlight: number | null
  /** Per client address, for requests without a valid key. */
  readonly address: RateLimit | null
  /** How often the very same body may be sent within so many seconds. */
  readonly loop: { readonly repeats: number; readonly seconds: number } | null
}

/** How often the API may be asked, by class of operation; null: as often as one likes. */
export interface ApiRates {
  /** Per person or key, or per address where neither is known. */
  readonly read: RateLimit | null
  readonly write: RateLimit | null
  /** Per client address. */
  readonly sign_in: RateLimit | null
  /** What reaches out to a provider. */
  readonly probe: RateLimit | null
}

export interface Catalog {
  readonly providers: ReadonlyMap<string, Provider>
  /** Where workspaces may bring keys of their own, by provider id. */
  readonly ownKeys: ReadonlyMap<string, OwnKeyProvider>
  /** Every model by product and bare id, also those without a route. */
  readonly models: Readonly<Record<Product, ReadonlyMap<string, Model>>>
  readonly plans: ReadonlyMap<string, Plan>
  /** Alternative ids → bare id, for the side calls of agents. */
  readonly aliases: ReadonlyMap<string, string>
  readonly anonymous: AnonymousLimit
  readonly limits: TrafficLimits
  readonly apiRates: ApiRates
  /** How long a stream may be silent before it gets a sign of life; 0: none is sent. */
  readonly keepAliveMs: number
  /** Who is told of events. */
  readonly webhooks: readonly Webhook[]
}

/** A receiver of events. */
export interface Webhook {
  /** Its key in the file: deliveries name it by that. */
  readonly name: string
  readonly url: string
  /** Signs what is posted, already resolved; absent where no credential is looked up, and nothing can be sent. */
  readonly secret: string | undefined
  readonly events: readonly EventType[]
}

const ID_PREFIX = /^(?:opencode|opencode-go|zendo)\//

/** The bare id that a client's `model` means: `opencode-go/glm-5.2` is `glm-5.2`; an alias is what it stands for. */
export function bareModelId(catalog: Catalog, requested: string): string {
  const bare = requested.replace(ID_PREFIX, '')
  return catalog.aliases.get(bare) ?? bare
}

/** The routes of a model that speak a protocol; the ones a request of that protocol may be relayed over. */
export function routesSpeaking(model: Model, protocol: Protocol): readonly Route[] {
  return model.routes.filter((route) => route.provider.endpoints.has(protocol))
}

const NO_QUIRKS: Quirks = Object.freeze({})

/** What a route does differently from the protocol's own vendor: provider, model and route laid over each other. */
export function quirksOf(route: Route, protocol: Protocol): Quirks {
  return route.quirks.get(protocol) ?? NO_QUIRKS
}

/** Names the upstream account in seals, for any view of the provider that a route may have. */
export function accountTag(provider: Provider): string {
  return provider.tag
}

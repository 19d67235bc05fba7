/** The route table: what exists, who may ask, and who answers. A route cannot be added without saying who may ask. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import type { Product, Protocol } from '../base/words.ts'
import type { Access, OperationShape, RateClass } from '../contract/operation.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import type { Model, RequestShape } from '../domain/catalog.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { KeyOwner } from '../store/key.ts'
import type { Rates } from './rates.ts'
import { checkRoutes } from './route-check.ts'

/**
 * - `none`: public.
 * - `optional_key`: a key is checked when there is one; what is shown without it is public.
 * - `key`: an API key, checked before the handler runs.
 * - `key_or_free_model`: a key is checked when there is one; without it the gateway serves free models only.
 * - `operation`: what its definition in `contract/` says: `operation-route.ts` looks at who asks, by session or key.
 */
export type AuthClass = 'none' | 'optional_key' | 'key' | 'key_or_free_model' | 'operation'

/** The scope that a key must have; null where any key will do, or none is taken. */
export type KeyUse = 'inference' | null

/** How often it may be asked: `inference` by the limits of the configuration, the others by those of `rates.ts`. */
export type RouteRate = 'inference' | 'none' | RateClass

export interface ServerOptions {
  readonly maxBodyBytes: number
  readonly trustedProxies: BlockList
  /** How the instance is reached from outside; for links in what it serves. */
  readonly publicUrl: string
  /** What this process takes of a rate, as one of several: above 0 to 1. */
  readonly processShare: number
  /** The average request of a model, once there is traffic. */
  readonly observedShape: (model: Model) => RequestShape | undefined
}

/** One request on its way through the server. */
export interface Visit {
  readonly id: string
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: string
  readonly product: Product
  /** Whether the path names Google's `v1beta`. */
  readonly isBeta: boolean
  /** The route below the product's version, or the whole path outside of products. */
  readonly tail: string
  /** Whose key the request carries, already checked; null when it carries none. */
  readonly owner: KeyOwner | null
  /** What stands in the path where the route's pattern has a name in braces. */
  readonly params: Readonly<Record<string, string>>
  readonly gateway: Gateway
  readonly control: ControlPlane
  readonly options: ServerOptions
  readonly rates: Rates
}

export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `P/…` stands below both products; a final `*` takes the rest of the path, `{name}` one segment. */
  readonly pattern: string
  readonly auth: AuthClass
  /** Who may ask, as far as the route itself says: inference and its reports belong to keys. */
  readonly access: Access | 'key'
  readonly use: KeyUse
  readonly rate: RouteRate
  /** Where the control plane's definition of it is; null for everything else. */
  readonly operation: OperationShape | null
  /** The shape in which it refuses; by default guessed from the path. */
  readonly protocol: Protocol | null
  readonly handle: (visit: Visit) => Promise<void> | void
  /** Operations only: runs it without HTTP, for whoever may run commands on the machine. */
  readonly perform?: (control: ControlPlane, input: RawInput) => Promise<unknown>
}

/** What an operation is sent, before it is checked. */
export interface RawInput {
  readonly params: Readonly<Record<string, string>>
  readonly query: unknown
  readonly body: unknown
}

/** A route that only reads and is no operation: anybody may ask, or whoever has a key. */
export function readRoute(
  pattern: string,
  auth: 'none' | 'optional_key' | 'key',
  handle: RouteDefinition['handle'],
): RouteDefinition {
  const access = auth === 'key' ? 'key' : 'public'
  return { method: 'GET', pattern, auth, access, use: null, rate: 'none', operation: null, protocol: null, handle }
}

export interface FoundRoute {
  readonly route: RouteDefinition
  readonly params: Readonly<Record<string, string>>
}

export interface RouteTable {
  readonly all: readonly RouteDefinition[]
  /** The route of a path by its method; `null` when the path exists for other methods only. */
  find(method: string, place: { tail: string; isProduct: boolean }): FoundRoute | null | undefined
}

interface Template {
  readonly matcher: RegExp
  readonly routes: RouteDefinition[]
}

/** Ids, names of providers and models: nothing that could be read as a path once more. */
const SEGMENT = '([A-Za-z0-9_.:@~-]{1,128})'

/** @throws Error for a route that does not say who may ask and how often, or says it so that it would not hold */
export function createRouteTable(definitions: readonly RouteDefinition[]): RouteTable {
  checkRoutes(definitions)
  const exact = new Map<string, RouteDefinition[]>()
  const templates = new Map<string, Template>()
  const prefixed: { prefix: string; route: RouteDefinition }[] = []
  for (const route of definitions) {
    const { pattern } = route
    if (pattern.endsWith('*')) prefixed.push({ prefix: pattern.slice(0, -1), route })
    else if (pattern.includes('{')) addTemplate(templates, route)
    else exact.set(pattern, [...(exact.get(pattern) ?? []), route])
  }

  function matching(path: string): { routes: readonly RouteDefinition[]; params: Record<string, string> } {
    const known = exact.get(path)
    if (known) return { routes: known, params: {} }
    for (const { matcher, routes } of templates.values()) {
      const match = matcher.exec(path)
      if (match) return { routes, params: { ...match.groups } }
    }
    const below = prefixed.filter(({ prefix }) => path.startsWith(prefix) && path.length > prefix.length)
    return { routes: below.map(({ route }) => route), params: {} }
  }

  return {
    all: definitions,
    find(method, place) {
      const { routes, params } = matching(place.isProduct ? `P/${place.tail}` : place.tail)
      if (routes.length === 0) return undefined
      const route = routes.find((candidate) => candidate.method === method)
      return route ? { route, params } : null
    },
  }
}

function addTemplate(templates: Map<string, Template>, route: RouteDefinition): void {
  const known = templates.get(route.pattern)
  if (known) {
    known.routes.push(route)
    return
  }
  const source = route.pattern.replace(/\{(\w+)\}/g, (_, name: string) => `(?<${name}>${SEGMENT.slice(1)}`)
  templates.set(route.pattern, { matcher: new RegExp(`^${source}$`), routes: [route] })
}

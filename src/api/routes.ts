/** The route table: what exists, who may ask, and who answers. A route cannot be added without saying who may ask. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import type { Product, Protocol } from '../base/words.ts'
import type { Model, RequestShape } from '../domain/catalog.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { KeyOwner } from '../store/key.ts'

/**
 * - `none`: public.
 * - `optional_key`: a key is checked when there is one; what is shown without it is public.
 * - `key`: an API key, checked before the handler runs.
 * - `key_or_free_model`: a key is checked when there is one; without it the gateway serves free models only.
 */
export type AuthClass = 'none' | 'optional_key' | 'key' | 'key_or_free_model'

export interface ServerOptions {
  readonly maxBodyBytes: number
  readonly trustedProxies: BlockList
  /** How the instance is reached from outside; for links in what it serves. */
  readonly publicUrl: string
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
  readonly gateway: Gateway
  readonly options: ServerOptions
}

export interface RouteDefinition {
  readonly method: 'GET' | 'POST'
  /** `P/…` stands below both products; a final `*` takes the rest of the path. */
  readonly pattern: string
  readonly auth: AuthClass
  /** The shape in which it refuses; by default guessed from the path. */
  readonly protocol: Protocol | null
  readonly handle: (visit: Visit) => Promise<void> | void
}

export interface RouteTable {
  readonly all: readonly RouteDefinition[]
  /** The route of a path by its method; `null` when the path exists for other methods only. */
  find(method: string, place: { tail: string; isProduct: boolean }): RouteDefinition | null | undefined
}

export function createRouteTable(definitions: readonly RouteDefinition[]): RouteTable {
  const exact = new Map<string, RouteDefinition[]>()
  const prefixed: { prefix: string; route: RouteDefinition }[] = []
  for (const route of definitions) {
    if (route.pattern.endsWith('*')) prefixed.push({ prefix: route.pattern.slice(0, -1), route })
    else exact.set(route.pattern, [...(exact.get(route.pattern) ?? []), route])
  }
  return {
    all: definitions,
    find(method, place) {
      const pattern = place.isProduct ? `P/${place.tail}` : place.tail
      const routes =
        exact.get(pattern) ??
        prefixed
          .filter(({ prefix }) => pattern.startsWith(prefix) && pattern.length > prefix.length)
          .map(({ route }) => route)
      if (routes.length === 0) return undefined
      return routes.find((route) => route.method === method) ?? null
    },
  }
}

/** Where a call can go: the routes of its model, what is spoken on each, and the order in which they are tried. */
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import type { Model, Route } from '../domain/catalog.ts'
import type { RequestFields } from '../protocol/request.ts'
import { lastTokens } from '../protocol/signatures.ts'
import { openSeal, openSealBase64 } from '../protocol/translation/seal.ts'
import type { Gateway } from './gateway.ts'
import type { InferenceRequest } from './inference-request.ts'
import { permittedRoutes } from './permission.ts'
import { scopeOf } from './scope.ts'

/** A route and the protocol spoken on it: the client's own (then the answer is relayed), or one it is translated to. */
export interface Destination {
  readonly route: Route
  readonly protocol: Protocol
}

/** Which protocol a request is translated to when its model's own is not spoken either: the one that says most first. */
const PREFERENCE: readonly Protocol[] = ['anthropic-messages', 'openai-responses', 'openai-chat', 'google-generate']

/**
 * The account that signed what this very request gives back comes first, since no other can read it; then by priority,
 * what speaks the client's protocol before what must be translated, and a draw by weight.
 * @throws AppError policy_denied; unsupported_feature for an answer to go on from that nobody here has
 */
export function chooseDestinations(
  gateway: Gateway,
  model: Model,
  request: InferenceRequest,
  fields: RequestFields,
): Destination[] {
  const routes = permittedRoutes(request.owner, model.routes)
  const ordered = orderRoutes(routes, request.session ?? request.id).map((route) => ({
    route,
    protocol: protocolFor(route, model, request.protocol),
  }))
  if (fields.previousResponseId !== null) return goingOn(gateway, ordered, request, fields.previousResponseId)
  if (ordered.length === 1) return ordered
  const pinned = accountInUse(gateway, request)
  const rank = ({ route }: Destination): number => (route.provider.tag === pinned ? 0 : 1)
  const isTranslated = ({ protocol }: Destination): number => (protocol === request.protocol ? 0 : 1)
  return ordered.sort(
    (a, b) => rank(a) - rank(b) || a.route.priority - b.route.priority || isTranslated(a) - isTranslated(b),
  )
}

/** The account that made what this body gives back last: a signature, or a call that it thought before. */
function accountInUse(gateway: Gateway, request: InferenceRequest): string | null {
  const scope = scopeOf(request)
  for (const token of lastTokens(request.protocol, request.body)) {
    const sealed = openSeal(token) ?? openSealBase64(token)
    const account = sealed ? sealed.mint.account : gateway.thoughts.signer(scope, token, gateway.clock())
    if (account !== null) return account
  }
  return null
}

function protocolFor({ provider }: Route, model: Model, client: Protocol): Protocol {
  const { endpoints } = provider
  if (endpoints.has(client)) return client
  if (endpoints.has(model.protocol)) return model.protocol
  const spoken = PREFERENCE.find((protocol) => endpoints.has(protocol))
  if (!spoken) throw new Error(`provider ${provider.id} speaks no protocol`)
  return spoken
}

/** A stored answer is at the account that gave it, and only for the key that asked for it. */
function goingOn(gateway: Gateway, all: Destination[], request: InferenceRequest, responseId: string): Destination[] {
  const account = gateway.thoughts.signer(scopeOf({ ...request, session: null }), responseId, gateway.clock())
  const found = all.filter(
    ({ route, protocol }) => protocol === 'openai-responses' && account !== null && route.provider.tag === account,
  )
  if (found.length > 0) return found
  const isNative = all.some(({ protocol }) => protocol === 'openai-responses')
  throw new AppError(
    'unsupported_feature',
    isNative
      ? 'The answer named by previous_response_id is not known here for this key. Send the whole input instead.'
      : 'This model keeps no answers to go on from. Send the whole input instead of previous_response_id.',
    { param: 'previous_response_id' },
  )
}

/**
 * Lowest priority first; within one, a draw by weight that is the same for a whole session, so that its prompt cache
 * stays warm (rendezvous hashing: removing a route moves only the sessions that were on it).
 */
export function orderRoutes(routes: readonly Route[], affinity: string): Route[] {
  if (routes.length === 1) return [...routes]
  const scored = routes.map((route) => ({ route, score: drawScore(route, affinity) }))
  scored.sort((a, b) => a.route.priority - b.route.priority || b.score - a.score)
  return scored.map(({ route }) => route)
}

function drawScore(route: Route, affinity: string): number {
  const text = `${affinity}\n${route.provider.id}\n${route.upstreamModel}`
  // FNV-1a with a final mix: spread matters here, secrecy does not.
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  const uniform = (((hash ^ (hash >>> 16)) >>> 0) + 1) / 4294967297
  return -route.weight / Math.log(uniform)
}

/** The inference routes: turn a visit into what the gateway understands, and nothing more. */
import { AppError } from '../base/errors.ts'
import { clientAddress } from '../domain/client-address.ts'
import type { InferenceRequest } from '../gateway/call.ts'
import { countTokens } from '../gateway/count-tokens.ts'
import { handleInference } from '../gateway/inference.ts'
import type { RelayProtocol } from '../protocol/relay-protocol.ts'
import { forwardedHeaders } from '../upstream/headers.ts'
import { readBody } from './body.ts'
import { baseHeaders, sendJson } from './reply.ts'
import type { RouteDefinition, Visit } from './routes.ts'

/** Whichever of these a client sends names its session; opencode's own first. */
const SESSION_HEADERS = ['x-zendo-session', 'x-opencode-session', 'x-session-affinity', 'x-claude-code-session-id']
/** Without a key anyone could fill the memory with bodies; a long agent session is well below this. */
const ANONYMOUS_BODY_BYTES = 2 * 1024 * 1024
const SESSION_FORM = /^[\w.:-]{1,128}$/

export const inferenceRoutes: readonly RouteDefinition[] = [
  relayRoute('chat/completions', 'openai-chat'),
  relayRoute('messages', 'anthropic-messages'),
  {
    method: 'POST',
    pattern: 'P/messages/count_tokens',
    auth: 'key_or_free_model',
    protocol: 'anthropic-messages',
    handle: async (visit) => {
      const answer = await countTokens(visit.gateway, await readInference(visit, 'anthropic-messages'), visit.response)
      sendJson(visit.response, visit.id, answer.body, answer.status)
    },
  },
]

function relayRoute(tail: string, protocol: RelayProtocol): RouteDefinition {
  return {
    method: 'POST',
    pattern: `P/${tail}`,
    auth: 'key_or_free_model',
    protocol,
    handle: async (visit) => {
      const request = await readInference(visit, protocol)
      await handleInference(visit.gateway, request, { response: visit.response, headers: baseHeaders(visit.id) })
    },
  }
}

async function readInference(visit: Visit, protocol: RelayProtocol): Promise<InferenceRequest> {
  const { request, owner } = visit
  const { maxBodyBytes } = visit.options
  const body = await readBody(request, owner ? maxBodyBytes : Math.min(maxBodyBytes, ANONYMOUS_BODY_BYTES))
  if (body.length === 0) throw new AppError('invalid_request', 'The request has no body. Send a JSON object.')
  return {
    id: visit.id,
    product: visit.product,
    protocol,
    body,
    owner,
    address: addressOf(visit),
    session: sessionOf(visit),
    forwardHeaders: forwardedHeaders(request.headers),
  }
}

function addressOf(visit: Visit): string {
  const forwardedFor = visit.request.headers['x-forwarded-for']
  const claims = Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor
  return clientAddress(visit.request.socket.remoteAddress ?? '', claims, visit.options.trustedProxies)
}

function sessionOf(visit: Visit): string | null {
  for (const name of SESSION_HEADERS) {
    const value = visit.request.headers[name]
    if (typeof value === 'string' && SESSION_FORM.test(value)) return value
  }
  return null
}

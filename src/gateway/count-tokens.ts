/** Counts the tokens of a Messages request before it is sent: asks the upstream, else estimates. Free of charge. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { AppError } from '../base/errors.ts'
import type { Route } from '../domain/catalog.ts'
import { promptEstimate } from '../domain/hold-size.ts'
import { rewriteRequest } from '../protocol/request.ts'
import type { UpstreamExchange, UpstreamReceiver } from '../upstream/client.ts'
import { isEncoded, upstreamHeaders } from '../upstream/headers.ts'
import { type Call, type InferenceRequest, readCall } from './call.ts'
import type { Gateway } from './gateway.ts'

export interface TokenCount {
  readonly status: number
  /** `{"input_tokens": n}`, or what the upstream said of a request it cannot count. */
  readonly body: unknown
}

const MAX_ANSWER_BYTES = 64 * 1024

/** @throws AppError as for the request itself; never for an upstream that cannot count. */
export async function countTokens(
  gateway: Gateway,
  request: InferenceRequest,
  client: ServerResponse,
): Promise<TokenCount> {
  const call = readCall(gateway, request, { needsMaxTokens: false })
  const [route] = call.routes
  // Without a key nothing limits how often the operator's credential would be used.
  const counted = route && request.owner ? await askUpstream(gateway, call, route, client) : null
  if (counted) return counted
  return { status: 200, body: { input_tokens: Math.max(1, promptEstimate(request.body.length, call.model)) } }
}

/** Null when the upstream has no such route or does not answer: an estimate serves the client better than an error. */
async function askUpstream(
  gateway: Gateway,
  call: Call,
  route: Route,
  client: ServerResponse,
): Promise<TokenCount | null> {
  const { request, fields } = call
  const answer = await exchange(gateway, call, route, {
    client,
    path: '/messages/count_tokens',
    body: rewriteRequest(request.body, fields, { model: route.upstreamModel, askUsage: false }),
  })
  if (!answer) return null
  const body = parseObject(answer.body)
  if (answer.status === 200 && typeof body?.input_tokens === 'number') return { status: 200, body }
  if (answer.status === 400 && body) {
    throw new AppError('upstream_rejected', 'The provider cannot count this request: it refuses its content.', {
      status: 400,
    })
  }
  return null
}

function exchange(
  gateway: Gateway,
  call: Call,
  route: Route,
  ask: { path: string; body: readonly Uint8Array[]; client: ServerResponse },
): Promise<{ status: number; body: string } | null> {
  const { protocol, forwardHeaders } = call.request
  const { provider } = route
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let status = 0
    let size = 0
    let upstream: UpstreamExchange | null = null
    const leave = (): void => upstream?.abort()
    ask.client.once('close', leave)
    const finish = (answer: { status: number; body: string } | null): void => {
      ask.client.off('close', leave)
      resolve(answer)
    }
    const receiver: UpstreamReceiver = {
      onHead(code: number, headers: IncomingHttpHeaders) {
        status = isEncoded(headers) ? 0 : code
      },
      onData(chunk) {
        size += chunk.length
        if (size <= MAX_ANSWER_BYTES) chunks.push(chunk)
        else leave()
      },
      onEnd: () => finish({ status, body: Buffer.concat(chunks).toString() }),
      onFailure: () => finish(null),
    }
    upstream = gateway.upstream.send(
      {
        endpoint: provider.endpoints.get(protocol) ?? '',
        path: ask.path,
        body: ask.body,
        headers: upstreamHeaders(protocol, provider, forwardHeaders),
        timeouts: provider.timeouts,
        maxConnections: provider.maxConnections,
      },
      receiver,
    )
  })
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

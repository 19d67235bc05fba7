/** Counts the tokens of a request before it is sent: asks the upstream where it can tell, else estimates. Free of charge. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import { quirksOf } from '../domain/catalog.ts'
import { codecOf } from '../protocol/codecs.ts'
import type { IrRequest } from '../protocol/ir/request.ts'
import { translateRequest } from '../protocol/translate-request.ts'
import { estimateInputTokens } from '../protocol/translation/token-estimate.ts'
import { asCount, asObject, parseJson, type WireObject } from '../protocol/wire-value.ts'
import type { UpstreamExchange, UpstreamReceiver } from '../upstream/client.ts'
import { isEncoded, upstreamHeaders, withAllowedBetas } from '../upstream/headers.ts'
import { type Call, readCall } from './call.ts'
import type { Destination } from './destination.ts'
import { decodeCall, googleModelPath, targetOf } from './dispatch.ts'
import type { Gateway } from './gateway.ts'
import type { InferenceRequest } from './inference-request.ts'

const MAX_ANSWER_BYTES = 64 * 1024

/** How an upstream of each protocol counts; chat has no such route. */
interface Counter {
  readonly path: (model: string) => string
  readonly body: (request: WireObject, model: string) => WireObject
  readonly read: (answer: WireObject) => number | null
}

const COUNTERS: Readonly<Partial<Record<Protocol, Counter>>> = {
  'anthropic-messages': {
    path: () => '/messages/count_tokens',
    body: (request) =>
      without(request, [
        'max_tokens',
        'stream',
        'temperature',
        'top_p',
        'top_k',
        'stop_sequences',
        'metadata',
        'service_tier',
      ]),
    read: (answer) => asCount(answer.input_tokens),
  },
  'openai-responses': {
    path: () => '/responses/input_tokens',
    body: (request) =>
      without(request, [
        'stream',
        'store',
        'include',
        'max_output_tokens',
        'temperature',
        'top_p',
        'metadata',
        'service_tier',
        'prompt_cache_key',
        'safety_identifier',
      ]),
    read: (answer) => asCount(answer.input_tokens),
  },
  'google-generate': {
    path: (model) => `${googleModelPath(model)}:countTokens`,
    body: (request, model) => ({ generateContentRequest: { model: `models/${model}`, ...request } }),
    read: (answer) => asCount(answer.totalTokens),
  },
}

function without(body: WireObject, names: readonly string[]): WireObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}

/** Input tokens, at least one. @throws AppError as for the request itself; never for an upstream that cannot count. */
export async function countTokens(
  gateway: Gateway,
  request: InferenceRequest,
  client: ServerResponse,
): Promise<number> {
  gateway.traffic.check({ keyId: request.owner?.keyId ?? null, address: request.address })
  const call = readCall(gateway, request, { needsMaxTokens: false })
  const decoded = decodeCall(call)
  const [destination] = call.destinations
  // Without a key nothing limits how often the operator's credential would be used.
  const counted = destination && request.owner ? await askUpstream(gateway, call, destination, decoded, client) : null
  return Math.max(1, counted ?? estimateInputTokens(decoded, destination?.protocol))
}

/** Null when the upstream has no such route or does not answer: an estimate serves the client better than an error. */
async function askUpstream(
  gateway: Gateway,
  call: Call,
  destination: Destination,
  decoded: IrRequest,
  client: ServerResponse,
): Promise<number | null> {
  const { route, protocol } = destination
  const quirks = quirksOf(route, protocol)
  const counter = COUNTERS[protocol]
  if (!counter || quirks.countTokens === false) return null
  const body = bodyToCount(call, destination, decoded)
  if (!body) return null
  const asked = Buffer.from(JSON.stringify(counter.body(body, route.upstreamModel)))
  const answer = await exchange(gateway, call, destination, {
    client,
    path: counter.path(route.upstreamModel),
    body: asked,
  })
  const read = answer && asObject(parseJson(answer.body))
  if (answer?.status === 200 && read) return counter.read(read)
  if (answer?.status === 400 && read && protocol === call.request.protocol) {
    throw new AppError('upstream_rejected', 'The provider cannot count this request: it refuses its content.', {
      status: 400,
    })
  }
  return null
}

/** Null for what this upstream cannot be asked: it is counted as it would be estimated. */
function bodyToCount(call: Call, destination: Destination, decoded: IrRequest): WireObject | null {
  const { route, protocol } = destination
  const target = targetOf(call, destination, quirksOf(route, protocol))
  try {
    const isOwn = protocol === call.request.protocol
    const encoded = isOwn
      ? codecOf(protocol).encodeRequest(decoded, target)
      : translateRequest(decoded, protocol, target)
    return encoded.body
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

function exchange(
  gateway: Gateway,
  call: Call,
  { route, protocol }: Destination,
  ask: { path: string; body: Buffer; client: ServerResponse },
): Promise<{ status: number; body: Buffer } | null> {
  const { provider } = route
  const forwarded = protocol === call.request.protocol ? call.request.forwardHeaders : []
  const { headers } = withAllowedBetas(forwarded, quirksOf(route, protocol).betas)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let status = 0
    let size = 0
    let upstream: UpstreamExchange | null = null
    const leave = (): void => upstream?.abort()
    ask.client.once('close', leave)
    const finish = (answer: { status: number; body: Buffer } | null): void => {
      ask.client.off('close', leave)
      resolve(answer)
    }
    const receiver: UpstreamReceiver = {
      onHead(code: number, head: IncomingHttpHeaders) {
        status = isEncoded(head) ? 0 : code
      },
      onData(chunk) {
        size += chunk.length
        if (size <= MAX_ANSWER_BYTES) chunks.push(chunk)
        else leave()
      },
      onEnd: () => finish({ status, body: Buffer.concat(chunks) }),
      onFailure: () => finish(null),
    }
    upstream = gateway.upstream.send(
      {
        endpoint: provider.endpoints.get(protocol) ?? '',
        path: ask.path,
        body: [ask.body],
        headers: upstreamHeaders(protocol, provider, headers),
        timeouts: provider.timeouts,
        maxConnections: provider.maxConnections,
        credentialId: provider.own?.credentialId ?? null,
        egress: provider.own?.egress ?? null,
      },
      receiver,
    )
  })
}

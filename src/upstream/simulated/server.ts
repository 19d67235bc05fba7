/** The simulated provider: an HTTP server on loopback that speaks OpenAI Chat and Anthropic Messages like a vendor. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, MINUTE_MS, SECOND_MS } from '../../base/time.ts'
import { composeAnswer } from './answer.ts'
import { decodeChatRequest } from './chat-request.ts'
import { chatWire } from './chat-wire.ts'
import { sendWhole, streamReply } from './delivery.ts'
import { requestedDelayMs } from './directive.ts'
import { internalFailure, RETRY_AFTER_SECONDS, rateLimited, SimulatedFailure } from './failure.ts'
import { decodeCountRequest, decodeMessagesRequest } from './messages-request.ts'
import { messagesWire } from './messages-wire.ts'
import { listModels } from './model-list.ts'
import { type JsonObject, parseBody, type SimulatedRequest } from './request.ts'
import { type Scenario, scenarioOf } from './scenarios.ts'
import { type PromptCache, simulateUsage, touchPrompt } from './usage.ts'
import { serialText, type Wire } from './wire.ts'

export interface SimulatedProviderOptions {
  /** Gives `created` and ages the prompt cache; delays run on real timers. */
  readonly now: Clock
  /** A loopback address. */
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** Silence of `slow-first-token` without a directive. */
  readonly firstTokenDelayMs?: number
  /** Silence of `stall` at most. */
  readonly stallMs?: number
  readonly maxBodyBytes?: number
  /** Prompts whose hash is remembered for the simulated prompt cache. */
  readonly maxCachedPrompts?: number
}

export interface SimulatedProvider {
  /** `http://127.0.0.1:PORT/v1` */
  readonly baseUrl: string
  /** Ends every open connection at once. */
  close(): Promise<void>
}

const DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  firstTokenDelayMs: 2 * SECOND_MS,
  stallMs: 10 * MINUTE_MS,
  maxBodyBytes: 64 * 1024 * 1024,
  maxCachedPrompts: 1000,
}
/** Longer than clients keep an idle connection, so that they close it first and never write into a closing one. */
const KEEP_ALIVE_MS = 65 * SECOND_MS
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

interface Simulation {
  readonly options: Required<SimulatedProviderOptions>
  readonly promptCache: PromptCache
  requests: number
}

interface Exchange {
  readonly simulation: Simulation
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly wire: Wire
  readonly serial: number
}

interface Route {
  readonly method: 'GET' | 'POST'
  handle(exchange: Exchange): Promise<void>
}

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/v1/chat/completions', { method: 'POST', handle: (exchange) => answer(exchange, decodeChatRequest) }],
  ['/v1/messages', { method: 'POST', handle: (exchange) => answer(exchange, decodeMessagesRequest) }],
  ['/v1/messages/count_tokens', { method: 'POST', handle: countTokens }],
  ['/v1/models', { method: 'GET', handle: sendModels }],
])

/** @throws RangeError when the host is not a loopback address; rejects with the system's error when it cannot listen. */
export async function startSimulatedProvider(options: SimulatedProviderOptions): Promise<SimulatedProvider> {
  const simulation: Simulation = { options: { ...DEFAULTS, ...options }, promptCache: new Map(), requests: 0 }
  const { host, port } = simulation.options
  if (!LOOPBACK.test(host)) throw new RangeError('the simulated provider listens on loopback only')
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    void handle(simulation, request, response)
  })
  await listen(server, host, port)
  const bound = server.address() as AddressInfo
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  return { baseUrl: `http://${name}:${bound.port}/v1`, close: () => close(server) }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // A process of its own has one of its own, also where processes share a port.
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** Never rejects: whatever goes wrong is answered, or the connection is ended when an answer has begun. */
async function handle(simulation: Simulation, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?', 1)[0] ?? ''
  const wire = wireOf(path, request)
  const exchange: Exchange = { simulation, request, response, wire, serial: ++simulation.requests }
  response.setHeader(wire.requestIdHeader, requestId(exchange))
  try {
    await routeOf(request.method, path).handle(exchange)
  } catch (error) {
    fail(exchange, error instanceof SimulatedFailure ? error : internalFailure())
  }
}

/** The routes of both vendors, such as the model list, are told apart by a header that only one's clients send. */
function wireOf(path: string, request: IncomingMessage): Wire {
  if (path.startsWith('/v1/chat/')) return chatWire
  const isAnthropic = path.startsWith('/v1/messages') || request.headers['anthropic-version'] !== undefined
  return isAnthropic ? messagesWire : chatWire
}

function routeOf(method: string | undefined, path: string): Route {
  const route = routes.get(path)
  if (route === undefined) throw new SimulatedFailure('unknown_route', 'The simulated provider has no such route.')
  if (route.method === method) return route
  throw new SimulatedFailure('method_not_allowed', `This route takes ${route.method} only.`)
}

function requestId(exchange: Exchange): string {
  return `req_${serialText(exchange.serial)}`
}

async function answer(exchange: Exchange, decode: (body: JsonObject) => SimulatedRequest): Promise<void> {
  const { simulation, response, wire, serial } = exchange
  const request = decode(parseBody(await readBody(exchange)))
  const scenario = requireScenario(request.model)
  if (scenario.delivery === 'reject_rate_limited') throw rateLimited()
  if (scenario.delivery === 'reject_internal') throw internalFailure()
  const { now, firstTokenDelayMs, stallMs } = simulation.options
  const composed = composeAnswer(scenario.content, request)
  const reply = {
    serial,
    createdSeconds: Math.floor(now() / SECOND_MS),
    model: request.model,
    answer: composed,
    usage: scenario.reportsUsage ? countUsage(exchange, request, composed.deltas.length) : null,
    usageAsked: request.usageAsked,
  }
  const delayMs = requestedDelayMs(request.lastUserText) ?? firstTokenDelayMs
  const deliver = request.stream ? streamReply : sendWhole
  await deliver(response, wire, reply, { delivery: scenario.delivery, firstTokenDelayMs: delayMs, stallMs })
}

function countUsage({ simulation, wire }: Exchange, request: SimulatedRequest, outputTokens: number) {
  const { now, maxCachedPrompts } = simulation.options
  const known = touchPrompt(simulation.promptCache, wire.requestIdHeader, request, now(), maxCachedPrompts)
  return simulateUsage(request, outputTokens, known)
}

function requireScenario(model: string): Scenario {
  const scenario = scenarioOf(model)
  if (scenario !== undefined) return scenario
  throw new SimulatedFailure('unknown_model', `The simulated model '${model.slice(0, 100)}' does not exist.`, 'model')
}

async function countTokens(exchange: Exchange): Promise<void> {
  const request = decodeCountRequest(parseBody(await readBody(exchange)))
  requireScenario(request.model)
  sendJson(exchange.response, 200, { input_tokens: request.promptTokens })
}

async function sendModels({ simulation, response, wire }: Exchange): Promise<void> {
  sendJson(
    response,
    200,
    listModels(wire === messagesWire ? 'anthropic-messages' : 'openai-chat', simulation.options.now()),
  )
}

/** @throws SimulatedFailure `body_too_large`; the rest of such a body is read and dropped. */
async function readBody({ simulation, request }: Exchange): Promise<Buffer> {
  const { maxBodyBytes } = simulation.options
  const tooLarge = () => new SimulatedFailure('body_too_large', `The request body is over ${maxBodyBytes} bytes.`)
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBodyBytes) throw tooLarge()
  }
  return Buffer.concat(chunks)
}

function fail(exchange: Exchange, failure: SimulatedFailure): void {
  const { request, response, wire } = exchange
  request.resume()
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (failure.kind === 'rate_limited') response.setHeader('retry-after', RETRY_AFTER_SECONDS)
  const { status, body } = wire.error(failure, requestId(exchange))
  sendJson(response, status, body)
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

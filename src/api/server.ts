/** The HTTP server: limits, request ids, routing, and one place where every failure becomes an answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AppError, type ErrorCode } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import type { Protocol } from '../base/words.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { findOwner, missingKey } from '../gateway/call.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { checkScope } from '../gateway/permission.ts'
import { encodeError } from '../protocol/errors.ts'
import type { KeyOwner } from '../store/key.ts'
import { addressOf } from './address.ts'
import { findKey } from './credentials.ts'
import { guessProtocol, parseProductPath } from './path.ts'
import { sendProblem } from './problem.ts'
import { createRates, type Rates } from './rates.ts'
import { asAppError, sendError, sendPreflight } from './reply.ts'
import type { FoundRoute, RouteDefinition, RouteTable, ServerOptions, Visit } from './routes.ts'

export interface HttpServer {
  readonly server: Server
  /** Refuses new requests, and resolves when those under way are done; after `timeoutMs` they are interrupted. */
  drain(timeoutMs: number): Promise<void>
}

const MAX_HEADER_BYTES = 16 * 1024
const HEADERS_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 60_000
/** Longer than common proxies keep theirs, so that the proxy and not this side closes an idle connection. */
const KEEP_ALIVE_MS = 75_000
/** How long a shutdown waits for what it has interrupted to be settled and told. */
const INTERRUPT_MS = 2000
/** A client that leaves what was written for it untaken for this long, and at most twice as long, counts as gone. */
const CLIENT_STALL_MS = 30_000
const MAX_URL_BYTES = 8 * 1024

export function createHttpServer(
  gateway: Gateway,
  control: ControlPlane,
  routes: RouteTable,
  options: () => ServerOptions,
  stallMs = CLIENT_STALL_MS,
): HttpServer {
  const rates = createRates({
    rates: () => gateway.catalog().apiRates,
    share: () => options().processShare,
    secret: gateway.addressSalt,
    clock: () => gateway.clock(),
  })
  const underWay = new Set<ServerResponse>()
  const whenIdle: (() => void)[] = []
  let draining = false
  function serve(request: IncomingMessage, response: ServerResponse): void {
    underWay.add(response)
    response.once('close', () => {
      underWay.delete(response)
      if (underWay.size === 0) for (const resolve of whenIdle.splice(0)) resolve()
    })
    const work = async (): Promise<void> =>
      answer({ gateway, control, routes, rates, options: options(), draining }, request, response)
    work().catch((error: unknown) => giveUp(gateway, response, error))
  }
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5000,
      noDelay: true,
      // Checked with the rest of the head, so that the refusal has a body.
      requireHostHeader: false,
    },
    serve,
  )
  // Node would answer other expectations than 100-continue by itself, without a body.
  server.on('checkExpectation', serve)
  const takenBytes = new WeakMap<ServerResponse, number>()
  const sweep = setInterval(dropStalledReaders, stallMs, underWay, takenBytes)
  sweep.unref()
  server.on('clientError', (error, socket) => {
    // Behind an answer that has begun, another head would be part of its body.
    const isAnswering = [...underWay].some((response) => response.headersSent && response.req.socket === socket)
    if (isAnswering) socket.destroy()
    else refuseUnparsed(error, socket as Socket)
  })
  return {
    server,
    async drain(timeoutMs) {
      draining = true
      server.close()
      server.closeIdleConnections()
      const end = performance.now() + timeoutMs
      if (underWay.size > 0) await idleOrTimeout(whenIdle, timeoutMs)
      if (!(await gateway.underWay.whenEmpty(Math.max(0, end - performance.now())))) {
        gateway.underWay.interruptAll()
        await gateway.underWay.whenEmpty(INTERRUPT_MS)
        if (underWay.size > 0) await idleOrTimeout(whenIdle, INTERRUPT_MS)
      }
      clearInterval(sweep)
      server.closeAllConnections()
    },
  }
}

/**
 * Drops clients that took nothing since the last look though there is something for them: each would keep a hold, an
 * upstream connection and its buffers for as long as the whole request may last.
 */
function dropStalledReaders(underWay: ReadonlySet<ServerResponse>, takenBytes: WeakMap<ServerResponse, number>): void {
  for (const response of underWay) {
    const { socket } = response
    if (!socket || socket.writableLength === 0) continue
    const taken = socket.bytesWritten - socket.writableLength
    if (takenBytes.get(response) === taken) socket.destroy()
    else takenBytes.set(response, taken)
  }
}

function idleOrTimeout(whenIdle: (() => void)[], timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs)
    whenIdle.push(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** For what could not even be refused: the request ends, and the process goes on. */
function giveUp({ log }: Gateway, response: ServerResponse, error: unknown): void {
  log.error({ err: error }, 'a request could not be answered')
  if (response.headersSent) response.destroy()
  else response.writeHead(500, { 'content-length': '0', connection: 'close' }).end()
}

interface Surroundings {
  readonly gateway: Gateway
  readonly control: ControlPlane
  readonly routes: RouteTable
  readonly rates: Rates
  readonly options: ServerOptions
  readonly draining: boolean
}

async function answer(around: Surroundings, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { gateway } = around
  const id = newId('req', gateway.clock())
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  let protocol: Protocol | null = null
  try {
    if (around.draining) throw shuttingDown()
    checkHead(request, url)
    const place = parseProductPath(path)
    // What a cookie may open is not for scripts of other origins: they are told nothing.
    if (request.method === 'OPTIONS' && place) {
      sendPreflight(response, id, request.headers['access-control-request-headers'])
      return
    }
    const { route, params } = findRoute(
      around.routes,
      request,
      place ? { tail: place.tail, isProduct: true } : { tail: path, isProduct: false },
    )
    protocol = route.protocol
    const visit: Visit = {
      id,
      request,
      response,
      query,
      product: place?.product ?? 'zen',
      isBeta: place?.isBeta === true,
      tail: place?.tail ?? path,
      // Before the body is read: what comes with a wrong key is not worth the memory.
      owner: await checkAuth(around, route, request, query),
      params,
      gateway,
      control: around.control,
      options: around.options,
      rates: around.rates,
    }
    checkRate(visit, route)
    await route.handle(visit)
  } catch (error) {
    const known = asAppError(error)
    if (known.code === 'storage_unavailable') {
      gateway.log.error({ requestId: id, cause: known.cause }, 'a request was refused: the database cannot be written')
    }
    if (known.code === 'internal') gateway.log.error({ requestId: id, err: error }, 'a request failed unexpectedly')
    if (path.startsWith('/api/')) {
      sendProblem({ response, requestId: id, close: around.draining }, known)
      return
    }
    const shape = protocol ?? guessProtocol(path, request.headers['anthropic-version'] !== undefined)
    sendError({ response, protocol: shape, requestId: id, clock: gateway.clock, close: around.draining }, known)
  }
}

function shuttingDown(): AppError {
  return new AppError('shutting_down', 'Zendo is restarting. Try again in a moment.', { retryAfterSeconds: 2 })
}

function checkHead(request: IncomingMessage, url: string): void {
  if (url.length > MAX_URL_BYTES) throw new AppError('invalid_request', 'The URL is too long.')
  // Node accepts a second Host header; proxies disagree on which one counts.
  let hosts = 0
  const { rawHeaders } = request
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  if (hosts > 1) throw new AppError('invalid_request', 'The request has more than one Host header.')
  if (hosts === 0 && request.httpVersion === '1.1')
    throw new AppError('invalid_request', 'The request has no Host header.')
  if (request.headers.expect !== undefined && !/^100-continue$/i.test(request.headers.expect)) {
    throw new AppError('invalid_request', 'The request expects what is not offered here.', { status: 417 })
  }
}

function findRoute(
  routes: RouteTable,
  request: IncomingMessage,
  place: { tail: string; isProduct: boolean },
): FoundRoute {
  const method = request.method ?? 'GET'
  const found = routes.find(method === 'HEAD' ? 'GET' : method, place)
  if (found) return found
  if (found === null) throw new AppError('route_not_found', `${method} is not offered on this path.`)
  throw new AppError(
    'route_not_found',
    'There is nothing at this path. The inference routes are below /zen/v1 and /zen/go/v1.',
  )
}

async function checkAuth(
  { gateway, options }: Surroundings,
  route: RouteDefinition,
  request: IncomingMessage,
  query: string,
): Promise<KeyOwner | null> {
  if (route.auth === 'none' || route.auth === 'operation') return null
  try {
    const owner = await findOwner(gateway, findKey(request.headers, query))
    if (!owner && route.auth === 'key') throw missingKey()
    if (owner && route.use !== null) checkScope(owner, route.use)
    return owner
  } catch (error) {
    // Whoever tries keys does so slowly.
    if (error instanceof AppError && (error.status === 401 || error.code === 'key_disabled')) {
      gateway.traffic.checkAddress(addressOf(request, options.trustedProxies))
    }
    throw error
  }
}

/** What is no operation; those look at who asks first. @throws AppError rate_limited */
function checkRate({ rates, owner, request, options }: Visit, { rate, operation }: RouteDefinition): void {
  if (operation || rate === 'inference' || rate === 'none') return
  const id = owner && `key:${owner.keyId}`
  rates.check(rate, { id, address: addressOf(request, options.trustedProxies) })
}

/** Answers what Node's parser refused before there was a request. */
function refuseUnparsed(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || socket.destroyed) {
    socket.destroy()
    return
  }
  const [status, reason, message] = unparsedAnswer(error.code)
  const nowMs = Date.now()
  const requestId = newId('req', nowMs)
  const code: ErrorCode = 'invalid_request'
  const { headers, body } = encodeError('openai-chat', new AppError(code, message, { status }), { requestId, nowMs })
  const head = Object.entries({ ...headers, 'x-request-id': requestId, connection: 'close' })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

function unparsedAnswer(code: string | undefined): readonly [number, string, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [431, 'Request Header Fields Too Large', `The headers are larger than ${MAX_HEADER_BYTES / 1024} KB.`]
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'Request Timeout', 'The request did not arrive in time.']
    default:
      return [400, 'Bad Request', 'This is not a well-formed HTTP request.']
  }
}

/**
 * HTTP to providers: one bounded connection pool per upstream origin, raw bytes both ways. Each key of a workspace's own
 * has a pool to itself, so that who pays nothing here can take no connection from who does.
 *
 * Built on undici's dispatch and not on `fetch`, because fetch follows redirects with the credential, inflates bodies
 * and costs several promises a chunk (`docs/decisions/003-http-client.md`). A redirect is an answer like any other
 * here: the gateway treats it as a failure. Nothing is retried here.
 */

import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { Pool } from 'undici'
import type { Timeouts } from '../domain/catalog.ts'
import { type EgressRule, guardedConnector } from './egress.ts'

export interface UpstreamCall {
  /** The provider's base URL for the protocol, without a trailing slash. */
  readonly endpoint: string
  /** Appended to the endpoint's path: `/chat/completions`. */
  readonly path: string
  /** Names and values in turn; already an allow-list. */
  readonly headers: readonly string[]
  /** The body's pieces, in order. */
  readonly body: readonly Uint8Array[]
  readonly timeouts: Timeouts
  readonly maxConnections: number
  /** The workspace's own key that it is sent with; null or absent: the operator's account. */
  readonly credentialId?: string | null
  /** Where it may lead, for an address that is not the operator's choice alone; null or absent: anywhere. */
  readonly egress?: EgressRule | null
}

/** Receives one answer. After `onFailure` or `onEnd` nothing more comes. */
export interface UpstreamReceiver {
  onHead(status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void
  onData(chunk: Buffer): void
  onEnd(): void
  onFailure(failure: UpstreamFailure): void
}

/** Why an exchange broke. `busy`: the pool's bound is reached and nothing was sent. */
export type UpstreamFailure =
  | 'busy'
  | 'connect'
  | 'reset'
  | 'headers_timeout'
  | 'idle_timeout'
  | 'total_timeout'
  | 'aborted'
  | 'protocol'

export interface UpstreamExchange {
  /** Ends the exchange and its connection; `onFailure('aborted')` follows unless it had ended. */
  abort(): void
  pause(): void
  resume(): void
}

export interface UpstreamClient {
  send(call: UpstreamCall, receiver: UpstreamReceiver): UpstreamExchange
  /** Breaks off what is under way. */
  close(): Promise<void>
}

/** Idle sockets are dropped before common servers drop them (60 s and more), so that a request rarely meets a dead one. */
const KEEP_ALIVE_MS = 30_000
const MAX_HEADER_BYTES = 64 * 1024
/** For each own key, where its provider does not have fewer. */
const OWN_KEY_CONNECTIONS = 32
/** There may be as many own keys as workspaces: what has rested for so long is closed. */
const OWN_POOL_REST_MS = 60_000

interface OriginPool {
  readonly pool: Pool
  readonly maxConnections: number
  inFlight: number
  /** Closes it; set while a pool of an own key rests. */
  rest: NodeJS.Timeout | null
  /** Called when nothing is under way any more. */
  readonly onRest: () => void
}

/** `restMs`: how long the pool of an own key may rest. */
export function createUpstreamClient(restMs = OWN_POOL_REST_MS): UpstreamClient {
  const pools = new Map<string, OriginPool>()
  const forget = (id: string, { pool }: OriginPool): void => {
    pools.delete(id)
    // Nothing is under way: what is left are idle sockets.
    pool.destroy().catch(() => undefined)
  }
  const poolFor = (origin: string, call: UpstreamCall): OriginPool => {
    const { egress, credentialId } = call
    const guard = egress ? (egress.allowPrivate ? 'listed' : 'public') : 'any'
    const maxConnections = credentialId ? Math.min(call.maxConnections, OWN_KEY_CONNECTIONS) : call.maxConnections
    const id = `${origin} ${maxConnections} ${call.timeouts.connectMs} ${guard} ${credentialId ?? ''}`
    const known = pools.get(id)
    if (known) return known
    const entry: OriginPool = {
      ...{ pool: openPool(origin, { ...call, maxConnections }), maxConnections, inFlight: 0, rest: null },
      onRest() {
        if (credentialId) entry.rest = setTimeout(() => forget(id, entry), restMs).unref()
      },
    }
    pools.set(id, entry)
    return entry
  }
  return {
    send(call, receiver) {
      const { origin, pathPrefix } = splitEndpoint(call.endpoint)
      const entry = poolFor(origin, call)
      const exchange = new Exchange(receiver, entry)
      if (entry.inFlight >= entry.maxConnections) {
        exchange.fail('busy')
        return exchange
      }
      exchange.start(call.timeouts.totalMs)
      entry.pool.dispatch(
        {
          path: pathPrefix + call.path,
          method: 'POST',
          ...headersAndBody(call),
          headersTimeout: call.timeouts.headersMs,
          bodyTimeout: call.timeouts.idleMs,
        },
        exchange,
      )
      return exchange
    },
    async close() {
      const open = [...pools.values()]
      pools.clear()
      for (const { rest } of open) clearTimeout(rest ?? undefined)
      await Promise.all(open.map(({ pool }) => pool.destroy()))
    },
  }
}

/** Small bodies go out in one piece; a large one is not copied together, which its memory would cost more than the wire. */
const MAX_COPIED_BYTES = 32 * 1024

function headersAndBody(call: UpstreamCall): Pick<Dispatcher.DispatchOptions, 'headers' | 'body'> {
  const size = call.body.reduce((sum, piece) => sum + piece.length, 0)
  const [only] = call.body
  if (call.body.length === 1 && only) return { headers: call.headers as string[], body: only }
  if (size <= MAX_COPIED_BYTES) return { headers: call.headers as string[], body: Buffer.concat(call.body) }
  return { headers: [...call.headers, 'content-length', String(size)], body: Readable.from(call.body) }
}

function openPool(origin: string, call: UpstreamCall): Pool {
  return new Pool(origin, {
    connections: call.maxConnections,
    pipelining: 1,
    // HTTP/1.1 only: one stream's stall or reset never touches another's, and each answer has a socket to cut.
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    connect: call.egress
      ? guardedConnector(call.egress, { timeoutMs: call.timeouts.connectMs })
      : { timeout: call.timeouts.connectMs, noDelay: true },
  })
}

const endpoints = new Map<string, { origin: string; pathPrefix: string }>()

/** Endpoints come from the catalogue alone, so the cache is as bounded as that. */
function splitEndpoint(endpoint: string): { origin: string; pathPrefix: string } {
  let split = endpoints.get(endpoint)
  if (!split) {
    const url = new URL(endpoint)
    split = { origin: url.origin, pathPrefix: url.pathname === '/' ? '' : url.pathname.replace(/\/+$/, '') }
    endpoints.set(endpoint, split)
  }
  return split
}

/** One request and its answer; hands undici's callbacks on, and each end exactly once. */
class Exchange implements Dispatcher.DispatchHandler, UpstreamExchange {
  readonly #receiver: UpstreamReceiver
  readonly #entry: OriginPool
  #controller: Dispatcher.DispatchController | null = null
  #deadline: NodeJS.Timeout | null = null
  #failure: UpstreamFailure | null = null
  #headSeen = false
  #ended = false

  constructor(receiver: UpstreamReceiver, entry: OriginPool) {
    this.#receiver = receiver
    this.#entry = entry
  }

  start(totalMs: number): void {
    this.#entry.inFlight++
    if (this.#entry.rest) clearTimeout(this.#entry.rest)
    this.#entry.rest = null
    this.#deadline = setTimeout(() => this.#cancel('total_timeout'), totalMs)
    this.#deadline.unref()
  }

  fail(failure: UpstreamFailure): void {
    if (this.#ended) return
    this.#ended = true
    this.#receiver.onFailure(failure)
  }

  abort(): void {
    this.#cancel('aborted')
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  #cancel(failure: UpstreamFailure): void {
    if (this.#ended) return
    this.#failure ??= failure
    if (this.#controller) this.#controller.abort(new Error(failure))
    // Not dispatched yet: onRequestStart sees the failure and aborts before a byte is sent.
  }

  #finish(): boolean {
    if (this.#ended) return false
    this.#ended = true
    if (--this.#entry.inFlight === 0) this.#entry.onRest()
    if (this.#deadline) clearTimeout(this.#deadline)
    return true
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#failure) controller.abort(new Error(this.#failure))
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    if (status < 200 || this.#ended) return
    this.#headSeen = true
    this.#receiver.onHead(status, headers)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#ended) this.#receiver.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#finish()) this.#receiver.onEnd()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#finish()) this.#receiver.onFailure(this.#failure ?? classifyError(error, this.#headSeen))
  }
}

const CONNECT_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])
const RESET_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_SOCKET',
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
])

function classifyError(error: Error & { code?: string }, headSeen: boolean): UpstreamFailure {
  const code = error.code ?? ''
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return 'headers_timeout'
  if (code === 'UND_ERR_BODY_TIMEOUT') return 'idle_timeout'
  if (CONNECT_CODES.has(code)) return 'connect'
  if (RESET_CODES.has(code)) return 'reset'
  // A failed TLS handshake has many codes; whatever broke before the head without a reset was the way there.
  return headSeen || code.startsWith('HPE_') ? 'protocol' : 'connect'
}

/**
 * An upstream on loopback that is as strict as the vendor: it checks every request by the vendor's rules, refuses a
 * breach with 400 in the vendor's form, and else answers as the test says. It remembers requests and breaches.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Protocol } from '../../../src/base/words.ts'
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import { Breach, refuse } from './breach.ts'
import { createMint, type Mint } from './mint.ts'
import type { Fault, StrictTurn } from './turn.ts'

/** A request as the upstream got it. */
export interface StrictRequest {
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: WireObject
  readonly model: string
  readonly stream: boolean
}

/** What an answer is written with. */
export interface AnswerContext {
  readonly request: StrictRequest
  readonly mint: Mint
  /** Of this answer, counted from 1. */
  readonly serial: number
}

export interface Refusal {
  readonly status: number
  readonly message: string
  readonly path: string
  readonly code: string | null
}

/** The rules and forms of one vendor. A new one is made for each server, so that it can remember what it answered. */
export interface StrictDialect {
  readonly protocol: Protocol
  /** What stands before the routes in a base URL. */
  readonly basePath: string
  /** The model and whether the answer is streamed; null for a path that the vendor does not have. */
  route(
    path: string,
    query: URLSearchParams,
    body: WireObject,
  ): { readonly model: string; readonly stream: boolean } | null
  /** @throws Breach */
  check(request: StrictRequest, mint: Mint): void
  /** The frames of a streamed answer. Called once per answer. */
  frames(turn: StrictTurn, context: AnswerContext): string[]
  /** The answer in one piece. */
  body(turn: StrictTurn, context: AnswerContext): object
  errorBody(refusal: Refusal): object
  /** An error in the middle of a stream. */
  errorFrames(serial: number): string[]
}

export interface StrictServer {
  readonly protocol: Protocol
  readonly baseUrl: string
  readonly requests: readonly StrictRequest[]
  /** Rules that requests broke, as text; a test that is well ends with none. */
  readonly breaches: readonly string[]
  /** The frames of the last streamed answer, those that were held back included. */
  frames(): readonly string[]
  /** The next answers, in order, in place of any that were left. A fault of a whole answer stays until others are given. */
  play(...turns: StrictTurn[]): void
  /** Forgets requests and breaches, not what was signed. */
  forget(): void
  close(): Promise<void>
}

export interface StrictServerOptions {
  /** Servers with different secrets refuse each other's signatures. */
  readonly secret?: string
}

export async function startStrictServer(
  dialect: StrictDialect,
  options: StrictServerOptions = {},
): Promise<StrictServer> {
  const mint = createMint(options.secret ?? dialect.protocol)
  const requests: StrictRequest[] = []
  const breaches: string[] = []
  let turns: StrictTurn[] = []
  let frames: readonly string[] = []
  let serial = 0
  const nextTurn = (stream: boolean): StrictTurn => {
    const [turn] = turns
    if (turn === undefined) return refuse('', 'the test did not expect another request')
    // What fails before anything was said may be asked again.
    const staysFaulty = turn.fault?.type === 'refused' || (turn.fault !== undefined && !stream)
    if (!staysFaulty) turns = turns.slice(1)
    return turn
  }
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const request = await readRequest(dialect, incoming)
      requests.push(request)
      dialect.check(request, mint)
      serial++
      const turn = nextTurn(request.stream)
      const context = { request, mint, serial }
      if (turn.gate?.after === 0) await turn.gate.open
      if (request.stream && turn.fault?.type !== 'refused') frames = dialect.frames(turn, context)
      await answer(dialect, turn, { ...context, frames }, response)
    } catch (error) {
      breaches.push(`${incoming.url}: ${String(error)}`)
      sendJson(response, 400, dialect.errorBody(refusalOf(error)))
    }
  }
  const server = createServer((incoming, response) => void handle(incoming, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    protocol: dialect.protocol,
    baseUrl: `http://127.0.0.1:${port}${dialect.basePath}`,
    requests,
    breaches,
    frames: () => frames,
    play: (...next) => {
      turns = next
    },
    forget: () => {
      requests.length = 0
      breaches.length = 0
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readRequest(dialect: StrictDialect, incoming: IncomingMessage): Promise<StrictRequest> {
  const url = new URL(incoming.url ?? '/', 'http://upstream')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  if (incoming.method !== 'POST') refuse('', `${incoming.method} is not served`)
  if (!/^application\/json/.test(incoming.headers['content-type'] ?? ''))
    refuse('', 'content-type must be application/json')
  const body = parseBody(Buffer.concat(chunks).toString())
  const route = dialect.route(url.pathname, url.searchParams, body)
  if (route === null) return refuse('', `${url.pathname} is not served`)
  return { path: url.pathname, query: url.searchParams, headers: incoming.headers, body, ...route }
}

function parseBody(text: string): WireObject {
  try {
    return asObject(JSON.parse(text)) ?? refuse('', 'the body is no object')
  } catch (error) {
    if (error instanceof Breach) throw error
    return refuse('', 'the body is not JSON')
  }
}

function refusalOf(error: unknown): Refusal {
  const { path, code, message } = error instanceof Breach ? error : new Breach('', String(error))
  return { status: 400, message, path, code }
}

function sendJson(response: ServerResponse, status: number, body: object, retryAfterSeconds?: number): void {
  if (response.headersSent) return void response.destroy()
  const retry = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
  response.writeHead(status, { 'content-type': 'application/json', ...retry })
  response.end(JSON.stringify(body))
}

async function answer(
  dialect: StrictDialect,
  turn: StrictTurn,
  context: AnswerContext & { readonly frames: readonly string[] },
  response: ServerResponse,
): Promise<void> {
  const { fault, gate } = turn
  if (fault?.type === 'refused') {
    const refusal = { status: fault.status, message: 'refused as the test asked', path: '', code: null }
    return sendJson(response, fault.status, dialect.errorBody(refusal), fault.retryAfterSeconds)
  }
  if (!context.request.stream) return answerWhole(dialect, turn, context, response)
  const sent = fault === undefined ? context.frames : context.frames.slice(0, fault.after)
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  response.flushHeaders()
  for (const [i, frame] of sent.entries()) {
    if (gate?.after === i && i > 0) await gate.open
    // Each frame on its own, so that a cut is where it is meant to be.
    await new Promise<void>((resolve) => response.write(frame, () => resolve()))
  }
  endStream(dialect, fault, context.serial, response)
}

function answerWhole(dialect: StrictDialect, turn: StrictTurn, context: AnswerContext, response: ServerResponse): void {
  if (turn.fault === undefined) {
    sendJson(response, 200, dialect.body(turn, context))
    return
  }
  const text = JSON.stringify(dialect.body(turn, context))
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.write(text.slice(0, text.length / 2), () => response.socket?.resetAndDestroy())
}

function endStream(dialect: StrictDialect, fault: Fault | undefined, serial: number, response: ServerResponse): void {
  if (fault?.type === 'cut' && fault.how === 'reset') return void response.socket?.resetAndDestroy()
  if (fault?.type === 'error') response.write(dialect.errorFrames(serial).join(''))
  response.end()
}

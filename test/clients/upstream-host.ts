/**
 * Providers on loopback, one of each protocol and as strict as the vendors, behind one script that answers whatever
 * the gateway sends them. They remember what they were asked, and what broke their rules.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Usage } from '../../src/base/usage.ts'
import type { Protocol } from '../../src/base/words.ts'
import { asObject } from '../../src/protocol/wire-value.ts'
import { Breach } from '../support/strict/breach.ts'
import { strictChat } from '../support/strict/chat.ts'
import { strictGoogle } from '../support/strict/google.ts'
import { strictMessages } from '../support/strict/messages.ts'
import { createMint, type Mint } from '../support/strict/mint.ts'
import { strictResponses } from '../support/strict/responses.ts'
import type { StrictDialect, StrictRequest } from '../support/strict/server.ts'
import type { StrictTurn } from '../support/strict/turn.ts'

export interface UpstreamRequest extends StrictRequest {
  readonly protocol: Protocol
}

export interface UpstreamTurn extends StrictTurn {
  readonly usage: Usage
  /** Half of the answer, then a reset. */
  readonly isCut?: boolean
}

export interface UpstreamExchange {
  readonly request: UpstreamRequest
  /** The provider's own id of the answer; it comes back as `upstream_id` of the request row. */
  readonly id: string
  readonly turn: UpstreamTurn
}

export interface UpstreamHost {
  readonly baseUrls: Readonly<Record<Protocol, string>>
  /** Everything asked and answered so far, in order. */
  exchanges(): readonly UpstreamExchange[]
  /** Requests that a vendor would have refused, with the rule that they broke, and faults of the script. */
  breaches(): readonly string[]
  /** Ends every open connection at once. */
  close(): Promise<void>
}

export interface Script {
  /** Whether the request is checked by the vendor's rules. */
  isChecked(request: UpstreamRequest): boolean
  /** May throw: that is a status 400 with the message, and a breach. */
  answer(request: UpstreamRequest): UpstreamTurn
}

interface Host {
  readonly script: Script
  readonly exchanges: UpstreamExchange[]
  readonly breaches: string[]
}

export async function startUpstreamHost(script: Script): Promise<UpstreamHost> {
  const host: Host = { script, exchanges: [], breaches: [] }
  const dialects = [strictChat(), strictMessages({ thinking: 'adaptive' }), strictResponses(), strictGoogle()]
  const servers: Server[] = []
  const addresses: [Protocol, string][] = []
  for (const dialect of dialects) {
    const server = await listen(dialect, host)
    servers.push(server)
    const { port } = server.address() as AddressInfo
    addresses.push([dialect.protocol, `http://127.0.0.1:${port}${dialect.basePath}`])
  }
  return {
    baseUrls: Object.fromEntries(addresses) as Record<Protocol, string>,
    exchanges: () => host.exchanges,
    breaches: () => host.breaches,
    close: async () => void (await Promise.all(servers.map(closeServer))),
  }
}

async function listen(dialect: StrictDialect, host: Host): Promise<Server> {
  const mint = createMint(dialect.protocol)
  const server = createServer((incoming, response) => {
    answer({ dialect, mint, host }, incoming, response).catch((error: unknown) => {
      const { path, code, message } = error instanceof Breach ? error : new Breach('', String(error))
      host.breaches.push(`${incoming.url}: ${message}`)
      if (response.headersSent) return void response.destroy()
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify(dialect.errorBody({ status: 400, message, path, code })))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

interface Place {
  readonly dialect: StrictDialect
  readonly mint: Mint
  readonly host: Host
}

async function answer({ dialect, mint, host }: Place, incoming: IncomingMessage, response: ServerResponse) {
  const request = await readRequest(dialect, incoming)
  if (host.script.isChecked(request)) dialect.check(request, mint)
  const turn = host.script.answer(request)
  const context = { request, mint, serial: host.exchanges.length + 1 }
  const frames = request.stream ? dialect.frames(turn, context) : [JSON.stringify(dialect.body(turn, context))]
  host.exchanges.push({ request, id: idIn(frames[0]), turn })
  response.writeHead(200, { 'content-type': request.stream ? 'text/event-stream' : 'application/json' })
  if (!turn.isCut) return void response.end(frames.join(''))
  const half = frames.slice(0, Math.ceil(frames.length / 2)).join('')
  // A reset takes back what the kernel has not sent yet, so it waits until the half is written.
  await new Promise<void>((resolve) => response.write(half, () => resolve()))
  response.socket?.resetAndDestroy()
}

async function readRequest(dialect: StrictDialect, incoming: IncomingMessage): Promise<UpstreamRequest> {
  const { pathname: path, searchParams: query } = new URL(incoming.url ?? '/', 'http://upstream')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const body = asObject(JSON.parse(Buffer.concat(chunks).toString()))
  const route = body && dialect.route(path, query, body)
  if (!body || !route) throw new Breach('', `${incoming.method} ${path} is not served`)
  return { protocol: dialect.protocol, path, query, headers: incoming.headers, body, ...route }
}

/** Each protocol has it in the first frame, and nothing of that name before it. */
function idIn(frame = ''): string {
  const id = /"(?:id|responseId)":"([^"]+)"/.exec(frame)?.[1]
  if (id === undefined) throw new Error(`an answer without an id: ${frame}`)
  return id
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

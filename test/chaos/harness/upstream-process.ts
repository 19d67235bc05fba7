/** The upstream, in a process of its own: no gateway that is killed takes its memory of the truth with it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { CHAT, type Dialect, MESSAGES } from '../../support/dialect.ts'
import { readScript, type Script } from './script.ts'
import { openTruthLog } from './truth.ts'

/** Told to whoever started it. */
export type UpstreamNews = { readonly port: number } | { readonly begun: string }
/** Told by whoever started it: a gate, or all of them for good. */
export type UpstreamOrder = { readonly open: string } | { readonly openAll: true }

/** Below this path the provider always fails. */
const BROKEN = '/broken/'
/** A gate that nobody opens must not keep a request for ever. */
const GATE_LIMIT_MS = 60_000

const truth = openTruthLog(process.argv[2] ?? '')
const gates = new Map<string, PromiseWithResolvers<void>>()
let isAllOpen = false
let hits = 0

function gateOf(id: string): PromiseWithResolvers<void> {
  const known = gates.get(id) ?? Promise.withResolvers<void>()
  gates.set(id, known)
  if (isAllOpen) known.resolve()
  return known
}

function tell(news: UpstreamNews): void {
  process.send?.(news)
}

process.on('message', (order: UpstreamOrder) => {
  if ('open' in order) return gateOf(order.open).resolve()
  isAllOpen = true
  for (const gate of gates.values()) gate.resolve()
})
process.on('disconnect', () => process.exit(0))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await textOf(request)
  const script = readScript(/"tag":"([^"]*)"/.exec(body)?.[1] ?? '')
  if (!script) return void response.writeHead(400).end('{"error":{"message":"no script"}}')
  const hit = ++hits
  const isBroken = request.url?.startsWith(BROKEN) === true
  await truth.append({ hit, event: 'begin', id: script.id, atMs: Date.now() })
  if (!isBroken) tell({ begun: script.id })
  response.on('error', () => undefined)
  try {
    const dialect = request.url?.includes('/messages') ? MESSAGES : CHAT
    const reply: Reply = { hit, script, dialect, response }
    if (isBroken || script.fault === 'error') refuse(response)
    else if (script.fault === 'reset') request.socket.resetAndDestroy()
    else if (body.includes('"stream":true')) await stream(reply)
    else await sendWhole(reply)
  } finally {
    await truth.append({ hit, event: 'end', finished: response.writableFinished })
  }
}

interface Reply {
  readonly hit: number
  readonly script: Script
  readonly dialect: Dialect
  readonly response: ServerResponse
}

function refuse(response: ServerResponse): void {
  response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}')
}

async function stream({ hit, script, dialect, response }: Reply): Promise<void> {
  const { id, chunks, delayMs, usage, fault } = script
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(dialect.opening(usage.input))
  for (let n = 1; n <= chunks && !response.destroyed; n++) {
    if (delayMs > 0) await delay(delayMs)
    response.write(dialect.delta(`part ${n} `))
    if (n === 1 && fault === 'gate') await waitAt(id)
    if (n >= chunks / 2 && fault === 'cut') return void response.destroy()
  }
  await truth.append({ hit, event: 'usage', usage })
  await ended(response, dialect.closing(usage) + dialect.terminal)
}

async function sendWhole({ hit, script, dialect, response }: Reply): Promise<void> {
  const { id, delayMs, usage, fault } = script
  if (delayMs > 0) await delay(delayMs)
  if (fault === 'gate') await waitAt(id)
  const body = dialect.whole('fine', dialect.usage(usage))
  if (fault === 'cut') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.write(body.slice(0, 20))
    await delay(5)
    response.destroy()
    return
  }
  await truth.append({ hit, event: 'usage', usage })
  response.writeHead(200, { 'content-type': 'application/json' })
  await ended(response, body)
}

/** Resolves when it is handed to the system, or the connection is gone. */
function ended(response: ServerResponse, rest: string): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve()
    response.once('close', resolve)
    response.end(rest, () => resolve())
  })
}

function waitAt(id: string): Promise<unknown> {
  return Promise.race([gateOf(id).promise, delay(GATE_LIMIT_MS, undefined, { ref: false })])
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
// A gateway that is frozen keeps its connections.
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))

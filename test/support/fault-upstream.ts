/**
 * A provider made for faults: raw bytes over TCP, scripted per request, with a log of everything that reached it.
 *
 * A test marks its request with a member `"tag"`, which the gateway passes on untouched; the script of that tag answers.
 */

import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'

export interface ReceivedCall {
  readonly requestLine: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  readonly tag: string
  readonly socket: Socket
  /** Resolves when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>
  isClosed(): boolean
  /** Resolves once the bytes are handed to the system, or the connection is gone. */
  write(bytes: string | Buffer): Promise<void>
  /** Closes the sending side. */
  end(): void
  /** Breaks the connection with a reset. */
  reset(): void
}

export type Script = (call: ReceivedCall) => void | Promise<void>

export interface FaultUpstream {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  /** Every request that arrived, oldest first. */
  readonly calls: readonly ReceivedCall[]
  callsOf(tag: string): readonly ReceivedCall[]
  on(tag: string, script: Script): void
  /** Resolves with the first request of a tag, now or when it comes. */
  next(tag: string): Promise<ReceivedCall>
  close(): Promise<void>
}

const NO_TAG = ''

/** `otherwise` answers requests whose tag has no script. */
export async function startFaultUpstream(otherwise: Script): Promise<FaultUpstream> {
  const calls: ReceivedCall[] = []
  const scripts = new Map<string, Script>()
  const waiting: { tag: string; resolve: (call: ReceivedCall) => void }[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    readRequests(socket, (call) => {
      calls.push(call)
      for (const waiter of waiting.filter(({ tag }) => tag === call.tag)) waiter.resolve(call)
      void (scripts.get(call.tag) ?? otherwise)(call)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const callsOf = (tag: string): ReceivedCall[] => calls.filter((call) => call.tag === tag)
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    callsOf,
    on: (tag, script) => void scripts.set(tag, script),
    next(tag) {
      const [first] = callsOf(tag)
      return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push({ tag, resolve }))
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function readRequests(socket: Socket, onCall: (call: ReceivedCall) => void): void {
  let buffered: Buffer = Buffer.alloc(0)
  let gone = false
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      gone = true
      resolve()
    })
  })
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    for (;;) {
      const request = takeRequest(buffered)
      if (request === null) return
      buffered = request.rest
      onCall({
        ...request,
        socket,
        closed,
        isClosed: () => gone || socket.destroyed,
        write: (bytes) => writeOrGiveUp(socket, bytes, closed),
        end: () => void socket.end(),
        reset: () => void socket.resetAndDestroy(),
      })
    }
  })
}

interface ParsedRequest {
  readonly requestLine: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  readonly tag: string
  readonly rest: Buffer
}

/** The gateway always announces a length, so nothing else is understood here. */
function takeRequest(bytes: Buffer): ParsedRequest | null {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return null
  const [requestLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const headers = new Map(
    lines.map((line) => [line.split(':')[0]?.toLowerCase() ?? '', line.replace(/^[^:]*:\s*/, '')]),
  )
  const bodyStart = headEnd + 4
  const bodyEnd = bodyStart + Number(headers.get('content-length') ?? 0)
  if (bytes.length < bodyEnd) return null
  const body = bytes.toString('utf8', bodyStart, bodyEnd)
  const tag = /"tag":"([^"]*)"/.exec(body)?.[1] ?? NO_TAG
  return { requestLine, headers, body, tag, rest: bytes.subarray(bodyEnd) }
}

async function writeOrGiveUp(socket: Socket, bytes: string | Buffer, closed: Promise<void>): Promise<void> {
  if (socket.destroyed) return closed
  const written = new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
  await Promise.race([written, closed])
}

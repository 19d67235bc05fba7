/**
 * The upstream of the benchmark: answers scripted replies in three protocols and counts what it answered.
 *
 * Written on bare sockets, because it shares a core with the load generator. The first path segment names who calls
 * (`/nginx/v1/chat/completions`), so that each subject's requests and tokens are counted apart; the rest of the path
 * chooses the protocol, and the model name in the body (`mock-small`) the reply. `GET /__counts` tells the counts.
 */
import { createServer, type Socket } from 'node:net'
import { createMessageReader } from './http-message.ts'
import type { BodyKind } from './job.ts'
import { PACE_MS, REPLIES, type Reply } from './mock-replies.ts'
import type { MockProtocol } from './pairs.ts'

interface MockCount {
  requests: number
  promptTokens: number
  cachedTokens: number
  completionTokens: number
}

interface Caller {
  readonly socket: Socket
  path: string
  /** The beginning of the body, where agents write the model. */
  bodyStart: string
  bodyBytes: number
}

interface PacedStream {
  readonly caller: Caller
  readonly reply: Reply
  nextPart: number
}

const BODY_START_BYTES = 512
const FIRST_TOKEN_REST_MS = 2
const LARGE_BODY_LEAST_BYTES = 380_000

const ROUTES: readonly (readonly [string, MockProtocol])[] = [
  ['/chat/completions', 'openai-chat'],
  ['/responses', 'openai-responses'],
  ['/messages', 'anthropic-messages'],
]

const counts = new Map<string, MockCount>()
/** One slot per millisecond of the pace: a stream stays in the slot in which it began. */
const slots: Set<PacedStream>[] = Array.from({ length: PACE_MS }, () => new Set())
let nextTickMs = Math.ceil(performance.now())

const server = createServer({ noDelay: true }, serve)
server.listen(Number(process.env.MOCK_PORT ?? 0), '127.0.0.1', 1024, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`listening on http://127.0.0.1:${address.port}`)
})
setInterval(tick, 1)
process.on('SIGTERM', () => process.exit(0))

function serve(socket: Socket): void {
  const caller: Caller = { socket, path: '', bodyStart: '', bodyBytes: 0 }
  const read = createMessageReader({
    onHead: (head) => {
      caller.path = head.split(' ', 2)[1] ?? ''
      caller.bodyStart = ''
      caller.bodyBytes = 0
    },
    onBody: (bytes, start, end) => {
      caller.bodyBytes += end - start
      if (caller.bodyStart.length >= BODY_START_BYTES) return
      caller.bodyStart += bytes.toString('latin1', start, Math.min(end, start + BODY_START_BYTES))
    },
    onEnd: () => answer(caller),
  })
  socket.on('data', read)
  socket.on('error', () => socket.destroy())
}

function answer(caller: Caller): void {
  const kind = /"model": ?"mock-([a-z-]+)"/.exec(caller.bodyStart)?.[1] as BodyKind | undefined
  const reply = kind === undefined ? undefined : repliesAt(caller.path)?.[kind]
  if (caller.path === '/__counts') sendCounts(caller)
  else if (reply === undefined || isShortened(caller, kind)) refuse(caller)
  else if (kind === 'paced') startPaced(caller, reply)
  else if (kind === 'first-token') sendRestLater(caller, reply)
  else sendAtOnce(caller, reply)
}

function repliesAt(path: string): (typeof REPLIES)[MockProtocol] | undefined {
  const protocol = ROUTES.find(([end]) => path.endsWith(end))?.[1]
  return protocol && REPLIES[protocol]
}

/** A translation that loses half of the conversation must not look fast either. */
function isShortened({ bodyBytes }: Caller, kind: BodyKind | undefined): boolean {
  return kind === 'large' && bodyBytes < LARGE_BODY_LEAST_BYTES
}

function sendAtOnce(caller: Caller, reply: Reply): void {
  for (const part of reply.parts) caller.socket.write(part)
  count(caller, reply)
}

/** The second part follows when the first has had the time to travel alone. */
function sendRestLater(caller: Caller, reply: Reply): void {
  const [first, rest] = reply.parts
  caller.socket.write(first as Buffer)
  setTimeout(() => {
    caller.socket.write(rest as Buffer)
    count(caller, reply)
  }, FIRST_TOKEN_REST_MS)
}

function startPaced(caller: Caller, reply: Reply): void {
  caller.socket.write(reply.parts[0] as Buffer)
  slots[(nextTickMs + PACE_MS - 1) % PACE_MS]?.add({ caller, reply, nextPart: 1 })
}

/** Timers drift and are late; slots that were missed are caught up, so that the pace holds on average. */
function tick(): void {
  for (const now = performance.now(); nextTickMs <= now; nextTickMs++) {
    const slot = slots[nextTickMs % PACE_MS] as Set<PacedStream>
    for (const stream of slot) {
      const part = stream.reply.parts[stream.nextPart++]
      if (part !== undefined && !stream.caller.socket.destroyed) stream.caller.socket.write(part)
      if (stream.nextPart < stream.reply.parts.length && !stream.caller.socket.destroyed) continue
      slot.delete(stream)
      if (!stream.caller.socket.destroyed) count(stream.caller, stream.reply)
    }
  }
}

function count(caller: Caller, reply: Reply): void {
  const name = caller.path.split('/', 2)[1] ?? ''
  const entry = counts.get(name) ?? { requests: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  entry.requests += 1
  entry.promptTokens += reply.usage.promptTokens
  entry.cachedTokens += reply.usage.cachedTokens
  entry.completionTokens += reply.usage.completionTokens
  counts.set(name, entry)
}

function sendCounts(caller: Caller): void {
  const body = JSON.stringify(Object.fromEntries(counts))
  caller.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** A gateway that garbles path or model must not look fast. */
function refuse(caller: Caller): void {
  const body = JSON.stringify({
    error: { message: `no reply for ${caller.path} ${caller.bodyStart.slice(0, 80)} (${caller.bodyBytes} bytes)` },
  })
  caller.socket.write(`HTTP/1.1 400 Bad Request\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/**
 * An upstream that answers with recorded bytes: the model name in the request picks the case. Bodies arrive in random
 * pieces, each flushed to the socket by itself, and end the way the recording ended.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inForm } from './answer.ts'
import type { Case } from './case.ts'
import { cutIntoChunks } from './chunking.ts'
import { type Random, randomFor } from './random.ts'
import { type Asked, readPath } from './wire.ts'

/** What reached the upstream. */
export interface ReceivedRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface ReplayUpstream {
  /** Base URL that providers of every protocol can be given. */
  readonly baseUrl: string
  /** Every request that named the case, oldest first. */
  received(replayed: Case): readonly ReceivedRequest[]
  /** The same for answers that are no case, by what they were given under. */
  receivedFor(key: string): readonly ReceivedRequest[]
  stop(): Promise<void>
}

/** What is sent. */
export type Answer = Pick<Case, 'status' | 'headers' | 'body'>

/** Whole answers that are no case, by `family/model`, or `family/count/model` for counts of tokens. */
export type PlainAnswers = ReadonlyMap<string, (asked: Asked, body: Buffer) => Answer>

/** Sent with every answer and allowed through by none: what an operator's account may leak. */
export const PLANTED_HEADERS = {
  'set-cookie': 'operator_session=planted',
  'openai-organization': 'org-planted',
  'x-internal-node': 'planted-10-0-0-7',
} as const

/**
 * - `length`: a content length. `chunked`: chunked and properly ended.
 * - `close`: no framing, the connection's end is the body's end. `broken`: chunked, closed without the last chunk.
 */
type Ending = 'length' | 'chunked' | 'close' | 'broken'

export async function startReplayUpstream(
  cases: readonly Case[],
  seed: number,
  plain: PlainAnswers = new Map(),
): Promise<ReplayUpstream> {
  const byKey = new Map(cases.map((replayed) => [keyOf(replayed), replayed]))
  const received = new Map<string, ReceivedRequest[]>()
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void answer(request, response).catch(() => response.destroy())
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    const path = request.url ?? ''
    const asked = readPath(path)
    const key = `${asked.family}/${asked.action === 'count' ? 'count/' : ''}${asked.model ?? modelOf(body)}`
    const earlier = received.get(key)?.length ?? 0
    received.set(key, [...(received.get(key) ?? []), { path, headers: request.headers, body }])
    const random = randomFor(seed, `${key}#${earlier}`)
    const replayed = byKey.get(key)
    const made = plain.get(key)
    if (replayed) await send(inForm(replayed, asked.form), chooseEnding(replayed, random), { response, random })
    else if (made) await send(made(asked, body), 'chunked', { response, random })
    else response.writeHead(500).end('no such case')
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    received: (replayed) => received.get(keyOf(replayed)) ?? [],
    receivedFor: (key) => received.get(key) ?? [],
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function send(
  answer: Answer,
  ending: Ending,
  { response, random }: { response: ServerResponse; random: Random },
): Promise<void> {
  if (ending === 'length') response.setHeader('content-length', answer.body.length)
  if (ending === 'close') {
    response.useChunkedEncodingByDefault = false
    response.setHeader('connection', 'close')
  }
  response.writeHead(answer.status, { ...ownHeaders(answer), ...PLANTED_HEADERS })
  for (const chunk of cutIntoChunks(answer.body, random)) {
    await new Promise<void>((resolve) => response.write(chunk, () => resolve()))
    await nextTurn()
  }
  if (ending === 'broken') response.socket?.end()
  else response.end()
}

function chooseEnding({ stream, family, expected }: Case, random: Random): Ending {
  const even = random() < 0.5
  if (!stream) return even ? 'length' : 'chunked'
  if (expected.terminal !== 'eof') return even ? 'chunked' : 'close'
  // Google's own end of a stream, and what follows an error that it told.
  if (family === 'google-generate' && (expected.finish_reason || expected.error)) return even ? 'chunked' : 'close'
  const properEnd = Boolean(expected.finish_reason) && family === 'openai-chat'
  return properEnd || even ? 'close' : 'broken'
}

/** The recorded headers without those that the framing of this answer decides. */
function ownHeaders({ headers }: Answer): Record<string, string> {
  const framing = ['transfer-encoding', 'content-length', 'connection', 'date']
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !framing.includes(name)))
}

function keyOf({ family, name }: Case): string {
  return `${family}/${name}`
}

function modelOf(body: Buffer): string {
  try {
    return String((JSON.parse(body.toString('utf8')) as { model?: unknown }).model)
  } catch {
    return '(not JSON)'
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/**
 * An upstream that answers with recorded bytes: the model name in the request picks the case. Bodies arrive in random
 * pieces, each flushed to the socket by itself, and end the way the recording ended.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Case, Family } from './case.ts'
import { cutIntoChunks } from './chunking.ts'
import { type Ending as CaseEnding, endingOf } from './expectation.ts'
import { reframed } from './parts.ts'
import { type Random, randomFor } from './random.ts'
import { type Form, readPath } from './wire.ts'

/** What reached the upstream. */
export interface ReceivedRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface ReplayUpstream {
  /** Base URL that providers of both protocols can be given. */
  readonly baseUrl: string
  /** Every request that named the case, oldest first. */
  received(replayed: Case): readonly ReceivedRequest[]
  stop(): Promise<void>
}

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

export async function startReplayUpstream(cases: readonly Case[], seed: number): Promise<ReplayUpstream> {
  const byKey = new Map(cases.map((replayed) => [keyOf(replayed.family, replayed.name), replayed]))
  const received = new Map<string, ReceivedRequest[]>()
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void answer(request, response).catch(() => response.destroy())
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    const path = request.url ?? ''
    const key = keyOf(familyOf(path), modelOf(body))
    const earlier = received.get(key) ?? []
    received.set(key, [...earlier, { path, headers: request.headers, body }])
    const replayed = byKey.get(key)
    if (replayed === undefined) return void response.writeHead(500).end('no such case')
    await replay(replayed, response, randomFor(seed, `${key}#${earlier.length}`))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    received: (replayed) => received.get(keyOf(replayed.family, replayed.name)) ?? [],
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function replay(replayed: Case, response: ServerResponse, random: Random): Promise<void> {
  const ending = chooseEnding(replayed, random)
  if (ending === 'length') response.setHeader('content-length', replayed.body.length)
  if (ending === 'close') {
    response.useChunkedEncodingByDefault = false
    response.setHeader('connection', 'close')
  }
  response.writeHead(replayed.status, { ...ownHeaders(replayed), ...PLANTED_HEADERS })
  for (const chunk of cutIntoChunks(replayed.body, random)) {
    await new Promise<void>((resolve) => response.write(chunk, () => resolve()))
    await nextTurn()
  }
  if (ending === 'broken') response.socket?.end()
  else response.end()
}

function chooseEnding(replayed: Case, random: Random): Ending {
  const { stream, expected } = replayed
  const even = random() < 0.5
  if (!stream) return even ? 'length' : 'chunked'
  if (expected.terminal !== 'eof') return even ? 'chunked' : 'close'
  const properEnd = Boolean(expected.finish_reason) && replayed.family === 'openai-chat'
  return properEnd || even ? 'close' : 'broken'
}

/** The recorded headers without those that the framing of this answer decides. */
function ownHeaders(replayed: Case): Record<string, string> {
  const framing = ['transfer-encoding', 'content-length', 'connection', 'date']
  return Object.fromEntries(Object.entries(replayed.headers).filter(([name]) => !framing.includes(name)))
}

function keyOf(family: Family, model: string): string {
  return `${family}/${model}`
}

function familyOf(path: string): Family {
  return path.endsWith('/messages') ? 'anthropic-messages' : 'openai-chat'
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

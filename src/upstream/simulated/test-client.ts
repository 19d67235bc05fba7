/** A bare HTTP client for the tests beside: shows bytes as they came, and how the connection ended. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { TestContext } from 'node:test'
import { type SimulatedProvider, type SimulatedProviderOptions, startSimulatedProvider } from './server.ts'

export interface RawReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** `complete` when the body ended as HTTP says it must, else the system's error code. */
  readonly end: string
}

export const FIXED_NOW_MS = 1_700_000_000_000
export const HELLO = [{ role: 'user', content: 'one two three' }]

/** Starts a provider that lives until the test is over, however it ends. */
export async function provide(
  t: TestContext,
  options: Partial<SimulatedProviderOptions> = {},
): Promise<SimulatedProvider> {
  const provider = await startSimulatedProvider({ now: () => FIXED_NOW_MS, ...options })
  t.after(() => provider.close())
  return provider
}

/** Resolves with the headers, before the body. `body` goes out as it is when it is a string. */
export function open(url: string, body: unknown, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', agent: false, headers }, resolve)
    sent.once('error', reject)
    sent.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  })
}

/** Resolves when the reply is over, whether it ended well or was cut. */
export async function exchange(url: string, body?: unknown, headers: Record<string, string> = {}): Promise<RawReply> {
  const response = await open(url, body, headers)
  const { statusCode: status = 0, headers: received } = response
  let text = ''
  let end = 'complete'
  response.setEncoding('utf8')
  try {
    for await (const piece of response) text += piece
  } catch (error) {
    end = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  }
  return { status, headers: received, text, end }
}

/** Reads until the text has arrived, and leaves the rest on the way. */
export async function readUntil(response: IncomingMessage, text: string): Promise<void> {
  let seen = ''
  response.setEncoding('utf8')
  for await (const piece of response.iterator({ destroyOnReturn: false })) {
    seen += piece
    if (seen.includes(text)) return
  }
  throw new Error(`the reply ended without ${text}: ${seen}`)
}

/** The `data` of each event, parsed, without the `[DONE]` of a chat stream. */
export function eventsIn(text: string): Record<string, unknown>[] {
  const lines = text.split('\n').filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]')
  return lines.map((line) => JSON.parse(line.slice('data: '.length)))
}

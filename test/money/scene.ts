/** What the money tests play on: a gateway, a provider made for faults, and prices that make sums plain. */
import assert from 'node:assert/strict'
import { setInterval } from 'node:timers'
import { PROTOCOLS } from '../../src/base/words.ts'
import { type Books, openBooks } from '../support/books.ts'
import {
  CHAT,
  CHUNKED_STREAM_HEAD,
  chunk,
  type Dialect,
  jsonReply,
  LAST_CHUNK,
  MESSAGES,
  streamOf,
  type Tokens,
} from '../support/dialect.ts'
import { type FaultUpstream, type ReceivedCall, startFaultUpstream } from '../support/fault-upstream.ts'
import { type Instance, startInstance } from '../support/instance.ts'
import { type WatchedAnswer, watch } from '../support/stream-client.ts'
import type { BooksPlace } from '../support/sync-sql.ts'
import { until } from '../support/until.ts'
import type { SceneEngine } from './engines.ts'

export const DOLLAR = 1_000_000_000n
/** Prompts are free on `exact`, and a token of output costs half a thousandth of a dollar: 1,000 tokens hold $0.50. */
const EXACT_PRICE = { input: 0, output: 500 }
export const EXACT_TOKENS = 1000
export const EXACT_HOLD = DOLLAR / 2n
/** On `priced` everything costs something: $2 and $10 a million tokens. */
export const PRICED = { input: 2, output: 10 }

/** Money tests ask the same thing many times, at once and from one address: what guards against that has its own tests. */
const UNLIMITED_TRAFFIC = { loop: { repeats: 0 }, key: { inFlight: 0 }, address: { requestsPerMinute: 0 } }

const window = (name: string, limit: number): object => {
  if (name === '5 hour') return { name, kind: 'session', hours: 5, limit }
  return name === 'weekly'
    ? { name, kind: 'calendar', unit: 'week', limit }
    : { name, kind: 'anchored', unit: 'month', limit }
}

export const WINDOW_NAMES = ['5 hour', 'weekly', 'monthly'] as const

/** A plan in which only the named window is tight. */
const tightPlan = (tight: string, limit: number): object => ({
  price: 10,
  products: ['go'],
  windows: WINDOW_NAMES.map((name) => window(name, name === tight ? limit : 1000)),
})

export interface Scene {
  readonly instance: Instance
  /** For whoever looks into the database, or locks it. */
  readonly place: BooksPlace
  readonly upstream: FaultUpstream
  readonly books: Books
  /** Sends a request of `model` with a tag. */
  ask(dialect: Dialect, request: Ask): WatchedAnswer
  /** Waits until no money is held, then checks every invariant and `zendo audit`. */
  assertBalanced(): Promise<void>
  close(): Promise<void>
}

export interface Ask {
  readonly tag: string
  readonly model?: string
  readonly stream?: boolean
  readonly maxTokens?: number
  readonly product?: 'zen' | 'go'
  readonly key?: string
  readonly prompt?: string
  readonly leaveAfterBytes?: number
  readonly leaveByReset?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

export interface SceneOptions {
  /** Where the books are kept; SQLite when not said. */
  readonly engine?: SceneEngine
  /** Settings of the provider made for faults. */
  readonly provider?: object
  readonly providers?: object
  readonly models?: object
  readonly env?: Readonly<Record<string, string>>
}

export function sceneConfig(upstream: FaultUpstream, options: SceneOptions = {}): object {
  const endpoints = Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, `${upstream.origin}/v1`]))
  const routes = [{ provider: 'fault', model: 'm' }]
  const both = { products: ['zen', 'go'], routes }
  return {
    limits: UNLIMITED_TRAFFIC,
    providers: {
      fault: { baseUrls: endpoints, apiKey: 'test', ...options.provider },
      ...options.providers,
    },
    models: {
      exact: { price: EXACT_PRICE, ...both },
      heavy: { price: EXACT_PRICE, weight: { go: 2 }, ...both },
      priced: { price: PRICED, ...both },
      ...options.models,
    },
    plans: {
      go: { price: 10, products: ['go'], windows: WINDOW_NAMES.map((name) => window(name, 1000)) },
      ...Object.fromEntries(WINDOW_NAMES.map((name) => [planTightIn(name), tightPlan(name, 5)])),
    },
  }
}

export function planTightIn(windowName: string): string {
  return `tight-${windowName.replace(' ', '-')}`
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const upstream = await startFaultUpstream(answerFully)
  const url = (await options.engine?.createDatabase()) ?? null
  const instance = await startInstance({
    config: sceneConfig(upstream, options),
    env: { ...options.env, ...(url === null ? {} : { DATABASE_URL: url }) },
  })
  const place = url === null ? { dataDir: instance.dataDir } : { url }
  const books = openBooks(place)
  return {
    instance,
    place,
    upstream,
    books,
    ask(dialect, request) {
      const { tag, model = 'exact', stream = true, maxTokens = EXACT_TOKENS, product = 'zen', prompt } = request
      const url = `${instance.baseUrl()}/zen/${product === 'go' ? 'go/' : ''}v1/${dialect.path}`
      const body = dialect.request({ tag, model, stream, maxTokens, ...(prompt ? { prompt } : {}) })
      return watch(url, body, { ...request, key: request.key ?? instance.apiKey })
    },
    async assertBalanced() {
      await until('no money is held', () => books.openHolds() === 0)
      assert.deepEqual(books.violations(), [])
      const audit = (await instance.cli('audit')) as { differences?: unknown }
      assert.deepEqual(audit.differences, [])
    },
    async close() {
      books.close()
      await instance.remove()
      await upstream.close()
    },
  }
}

/** Answers as asked, with the most tokens that the request allows. */
export function answerFully(call: ReceivedCall): Promise<void> {
  return answerWith(call, { input: 10, output: Number(/"max_tokens":(\d+)/.exec(call.body)?.[1] ?? 1) })
}

export function answerWith(call: ReceivedCall, usage: Tokens): Promise<void> {
  const dialect = dialectOf(call)
  if (!call.body.includes('"stream":true')) return call.write(jsonReply(dialect.whole('fine', dialect.usage(usage))))
  return call.write(CHUNKED_STREAM_HEAD + chunk(streamOf(dialect, 'fine', usage)) + LAST_CHUNK)
}

export function dialectOf(call: ReceivedCall): Dialect {
  return call.requestLine.includes('/messages') ? MESSAGES : CHAT
}

export interface Gate {
  readonly opened: Promise<void>
  open(): void
}

export function createGate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

/** Looks at the invariants again and again until stopped; a slip that heals by itself is seen as well. */
export function sampleViolations(books: Books, everyMs = 10): () => string[] {
  const seen = new Set<string>()
  const look = (): void => {
    for (const violation of books.violations()) seen.add(violation)
  }
  const timer = setInterval(look, everyMs)
  return () => {
    clearInterval(timer)
    look()
    return [...seen]
  }
}

export function requestIdOf(answer: WatchedAnswer): string {
  return String(answer.headers()['x-request-id'])
}

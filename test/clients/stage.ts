/** What the clients are driven through: a gateway with a model on an upstream of each protocol, at known prices. */
import { setTimeout as wait } from 'node:timers/promises'
import { PROTOCOLS, type Product, type Protocol } from '../../src/base/words.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type BookedRequest, type Books, openBooks } from './books.ts'
import type { PriceTable } from './expected-charge.ts'
import { type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'

export interface TestModel {
  readonly id: string
  /** Of its provider. */
  readonly protocol: Protocol
  readonly price: PriceTable
  /** Dollars of plan window per dollar of list price, times a million. */
  readonly weightPpm: bigint
}

/** Nano-dollars per token. */
const CHAT_PRICE = { input: 1400n, cachedRead: 260n, cacheWrite5m: 1400n, output: 4400n }
const MESSAGES_PRICE = { input: 300n, cachedRead: 60n, cacheWrite5m: 375n, output: 1200n }

/** Ids that the agents know as models of such a provider; what an agent does not know it calls all the same. */
export const CHAT_MODEL: TestModel = {
  id: 'glm-5.2',
  protocol: 'openai-chat',
  price: CHAT_PRICE,
  weightPpm: 500_000n,
}
export const MESSAGES_MODEL: TestModel = {
  id: 'minimax-m3',
  protocol: 'anthropic-messages',
  price: MESSAGES_PRICE,
  weightPpm: 2_000_000n,
}
export const RESPONSES_MODEL: TestModel = {
  id: 'gpt-5.5',
  protocol: 'openai-responses',
  price: { input: 1250n, cachedRead: 125n, cacheWrite5m: 1250n, output: 10_000n },
  weightPpm: 1_000_000n,
}
export const GOOGLE_MODEL: TestModel = {
  id: 'gemini-3.6-flash',
  protocol: 'google-generate',
  price: { input: 500n, cachedRead: 50n, cacheWrite5m: 500n, output: 3000n },
  weightPpm: 1_000_000n,
}
export const MODELS: readonly TestModel[] = [CHAT_MODEL, MESSAGES_MODEL, RESPONSES_MODEL, GOOGLE_MODEL]

/** To Codex models of OpenAI, with the tools that it has only for them: free text, and tools in groups. */
export const PATCH_MODEL: TestModel = { ...CHAT_MODEL, id: 'gpt-5.6-luna' }
export const GROUPED_MODEL: TestModel = { ...GOOGLE_MODEL, id: 'gpt-6-luna' }

const ALL_MODELS: readonly TestModel[] = [...MODELS, PATCH_MODEL, GROUPED_MODEL]

/** What the agents ask for by themselves, for titles and to choose a model. */
const ALIASES = {
  'gpt-5.4-nano': CHAT_MODEL.id,
  'gemini-3.5-flash-lite': MESSAGES_MODEL.id,
  'gemini-3.8-flash': GOOGLE_MODEL.id,
  'gemini-3.1-pro-preview': GOOGLE_MODEL.id,
}

/** Takes 45 tokens at most, each at $0.001: for filling a window with one answer. */
export const FILLER_MODEL = 'filler'
/** Of which not one request fits the balance of a new workspace. */
export const DEAR_MODEL = 'dear'
/** For anonymous use, which `FREE_REQUESTS` a day end. */
export const FREE_MODEL = 'free'
export const FREE_REQUESTS = 1

export function modelOf(id: string): TestModel | undefined {
  return ALL_MODELS.find((model) => model.id === id)
}

export interface Stage {
  readonly gateway: Gateway
  readonly upstream: ScriptedUpstream
  readonly books: Books
  close(): Promise<void>
}

export interface StageOptions {
  /** Dollars of the five-hour window. */
  readonly windowLimit: number
  /** Whether what the agents ask for by themselves is there. */
  readonly hasSideModels: boolean
}

export async function openStage(options: StageOptions): Promise<Stage> {
  const upstream = await startScriptedUpstream()
  try {
    const gateway = await startGateway({ config: configFor(upstream.baseUrls, options) })
    const books = openBooks(gateway.dataDir)
    return {
      gateway,
      upstream,
      books,
      async close() {
        books.close()
        await gateway.remove()
        await upstream.close()
      },
    }
  } catch (error) {
    await upstream.close()
    throw error
  }
}

function configFor(baseUrls: Readonly<Record<Protocol, string>>, options: StageOptions): object {
  const providers = PROTOCOLS.map((protocol) => [
    providerOf(protocol),
    { protocol, baseUrl: baseUrls[protocol], apiKey: 'planted-upstream-key' },
  ])
  const chat = {
    protocol: 'openai-chat',
    context: 1000,
    maxOutput: 45,
    routes: [{ provider: providerOf('openai-chat') }],
  }
  return {
    providers: Object.fromEntries(providers),
    models: {
      ...Object.fromEntries(ALL_MODELS.map((model) => [model.id, entryOf(model)])),
      [FILLER_MODEL]: { ...chat, products: ['go'], price: { input: '0.01', output: '1000' } },
      [DEAR_MODEL]: { ...chat, products: ['zen'], maxOutput: 32_000, price: { input: '1000', output: '1000000' } },
      [FREE_MODEL]: { ...chat, products: ['zen'], free: true, anonymous: true },
    },
    aliases: options.hasSideModels ? ALIASES : {},
    anonymous: { requestsPerDay: FREE_REQUESTS },
    plans: {
      go: {
        windows: [
          { name: '5 hour', kind: 'session', hours: 5, limit: options.windowLimit },
          { name: 'weekly', kind: 'calendar', unit: 'week', limit: 30 },
          { name: 'monthly', kind: 'anchored', unit: 'month', limit: 60 },
        ],
      },
    },
  }
}

function providerOf(protocol: Protocol): string {
  return `up-${protocol}`
}

function entryOf({ protocol, price, weightPpm }: TestModel): object {
  const perMillion = (nanoUsdPerToken: bigint) => String(Number(nanoUsdPerToken) / 1000)
  return {
    products: ['zen', 'go'],
    protocol,
    price: {
      input: perMillion(price.input),
      output: perMillion(price.output),
      cachedRead: perMillion(price.cachedRead),
      cacheWrite5m: perMillion(price.cacheWrite5m),
    },
    weight: { go: Number(weightPpm) / 1_000_000 },
    routes: [{ provider: providerOf(protocol) }],
  }
}

/** What is left, as `zendo usage` tells it. Nano-dollars. */
export interface Standing {
  readonly posted: bigint
  readonly windows: Readonly<Record<string, bigint>>
}

interface UsageReport {
  readonly balance: { readonly posted_nano: string }
  readonly seats: readonly { readonly windows: readonly { readonly name: string; readonly settled_nano: string }[] }[]
}

export async function readStanding({ gateway }: Stage): Promise<Standing> {
  const report = (await gateway.cli('usage')) as UsageReport
  const windows = report.seats.flatMap((seat) => seat.windows)
  return {
    posted: BigInt(report.balance.posted_nano),
    windows: Object.fromEntries(windows.map(({ name, settled_nano }) => [name, BigInt(settled_nano)])),
  }
}

const POLL_MS = 50
const SETTLE_LIMIT_MS = 3000

/** The rows from the `skip`-th on, once none of them holds money; as they are when some still does after three seconds. */
export async function endedRequests({ books }: Stage, skip: number): Promise<BookedRequest[]> {
  const deadline = Date.now() + SETTLE_LIMIT_MS
  for (;;) {
    const requests = books.requests().slice(skip)
    if (requests.every(({ state }) => state !== 'held') || Date.now() > deadline) return requests
    await wait(POLL_MS)
  }
}

export function fundingOf(product: Product): 'plan' | 'balance' {
  return product === 'go' ? 'plan' : 'balance'
}

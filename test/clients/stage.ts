/** What the clients are driven through: a gateway whose two models stand on the scripted upstream, at known prices. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Product } from '../../src/base/words.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type BookedRequest, type Books, openBooks } from './books.ts'
import type { PriceTable } from './expected-charge.ts'
import { type ScriptedUpstream, startScriptedUpstream } from './scripted-upstream.ts'

export interface TestModel {
  readonly id: 'glm-5.2' | 'minimax-m3'
  readonly protocol: 'openai-chat' | 'anthropic-messages'
  readonly price: PriceTable
  /** Dollars of plan window per dollar of list price, times a million. */
  readonly weightPpm: bigint
}

/** The client's own catalogue says which protocol each of them speaks. Nano-dollars per token. */
export const CHAT_MODEL: TestModel = {
  id: 'glm-5.2',
  protocol: 'openai-chat',
  price: { input: 1400n, cachedRead: 260n, cacheWrite5m: 1400n, output: 4400n },
  weightPpm: 500_000n,
}
export const MESSAGES_MODEL: TestModel = {
  id: 'minimax-m3',
  protocol: 'anthropic-messages',
  price: { input: 300n, cachedRead: 60n, cacheWrite5m: 375n, output: 1200n },
  weightPpm: 2_000_000n,
}

/** Takes 45 tokens at most, each at $0.001: for filling a window with one answer. */
export const FILLER_MODEL = 'filler'

export interface Stage {
  readonly gateway: Gateway
  readonly upstream: ScriptedUpstream
  readonly books: Books
  close(): Promise<void>
}

/** @param windowLimit dollars of the five-hour window */
export async function openStage(windowLimit: number): Promise<Stage> {
  const upstream = await startScriptedUpstream()
  try {
    const gateway = await startGateway({ config: configFor(upstream.baseUrl, windowLimit) })
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

function configFor(baseUrl: string, windowLimit: number): object {
  const provider = (protocol: string) => ({ protocol, baseUrl, apiKey: 'planted-upstream-key' })
  return {
    providers: { 'scripted-chat': provider('openai-chat'), 'scripted-messages': provider('anthropic-messages') },
    models: {
      [CHAT_MODEL.id]: entryOf(CHAT_MODEL, 'scripted-chat'),
      [MESSAGES_MODEL.id]: entryOf(MESSAGES_MODEL, 'scripted-messages'),
      [FILLER_MODEL]: {
        products: ['go'],
        protocol: 'openai-chat',
        context: 1000,
        maxOutput: 45,
        price: { input: '0.01', output: '1000' },
        routes: [{ provider: 'scripted-chat' }],
      },
    },
    plans: {
      go: {
        windows: [
          { name: '5 hour', kind: 'session', hours: 5, limit: windowLimit },
          { name: 'weekly', kind: 'calendar', unit: 'week', limit: 30 },
          { name: 'monthly', kind: 'anchored', unit: 'month', limit: 60 },
        ],
      },
    },
  }
}

function entryOf({ protocol, price, weightPpm }: TestModel, provider: string): object {
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
    routes: [{ provider }],
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

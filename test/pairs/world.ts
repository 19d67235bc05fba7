/** Every protocol behind one gateway: a strict upstream and a model for each, and the pairs that need translation. */
import assert from 'node:assert/strict'
import { PROTOCOLS, type Protocol } from '../../src/base/words.ts'
import { openBooks } from '../support/books.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type Ledger, openLedger } from '../support/ledger.ts'
import { strictChat } from '../support/strict/chat.ts'
import { strictGoogle } from '../support/strict/google.ts'
import { strictMessages } from '../support/strict/messages.ts'
import { strictResponses } from '../support/strict/responses.ts'
import { type StrictDialect, type StrictServer, startStrictServer } from '../support/strict/server.ts'
import { UPSTREAM_SECRET } from '../support/strict/turn.ts'
import { chatClient } from './chat-session.ts'
import { googleClient } from './google-session.ts'
import { messagesClient } from './messages-session.ts'
import { responsesClient } from './responses-session.ts'
import type { Answer, PairClient, Session, SessionOptions } from './session.ts'

export const CLIENTS: readonly PairClient[] = [chatClient, responsesClient, messagesClient, googleClient]

export interface Pair {
  readonly client: PairClient
  /** The protocol of the upstream. */
  readonly upstream: Protocol
  readonly name: string
}

export const ALL_PAIRS: readonly Pair[] = CLIENTS.flatMap((client) =>
  PROTOCOLS.map((upstream) => ({ client, upstream, name: `${client.protocol} → ${upstream}` })),
)
/** Those whose two sides speak differently. */
export const PAIRS = ALL_PAIRS.filter(({ client, upstream }) => client.protocol !== upstream)

const DIALECTS: Readonly<Record<Protocol, () => StrictDialect>> = {
  // A model that insists on its reasoning, as DeepSeek and Kimi do.
  'openai-chat': () => strictChat({ reasoningRequired: true }),
  'openai-responses': strictResponses,
  'anthropic-messages': () => strictMessages(),
  // No ids on calls, as most Gemini models.
  'google-generate': () => strictGoogle(),
}

const QUIRKS: Readonly<Partial<Record<Protocol, object>>> = {
  'openai-chat': { reasoningRequired: true, maxTokensField: 'max_tokens' },
}

export const PRICE = { input: '1', output: '5', cachedRead: '0.1', cacheWrite5m: '1.25', cacheWrite1h: '2' }

export interface World {
  readonly gateway: Gateway
  readonly ledger: Ledger
  upstream(protocol: Protocol): StrictServer
  /** A conversation with the model of an upstream. */
  open(pair: Pair, options?: Partial<SessionOptions>): Session
  /** Fails when an upstream refused something, or the books are not in order; then all is forgotten. */
  expectSound(): Promise<void>
  close(): Promise<void>
}

export function modelOf(protocol: Protocol): string {
  return `strict-${protocol}`
}

export interface WorldOptions {
  /** Laid over the configuration. */
  readonly config?: object
  /** Upstreams in place of the usual ones. */
  readonly dialects?: Partial<typeof DIALECTS>
  /** What the gateway is told of them, in place of the usual. */
  readonly quirks?: typeof QUIRKS
}

export async function startWorld({ config, dialects, quirks }: WorldOptions = {}): Promise<World> {
  const servers = new Map<Protocol, StrictServer>()
  for (const protocol of PROTOCOLS) {
    servers.set(protocol, await startStrictServer((dialects?.[protocol] ?? DIALECTS[protocol])()))
  }
  const closeServers = async (): Promise<void> => {
    for (const server of servers.values()) await server.close()
  }
  const gateway = await startGateway({ config: { ...configFor(servers, { ...QUIRKS, ...quirks }), ...config } }).catch(
    async (error: unknown) => {
      await closeServers()
      throw error
    },
  )
  const ledger = openLedger(gateway.dataDir)
  const upstream = (protocol: Protocol): StrictServer => servers.get(protocol) as StrictServer
  return {
    gateway,
    ledger,
    upstream,
    open: (pair, options) =>
      pair.client.open({
        product: `${gateway.baseUrl}/zen`,
        key: gateway.apiKey,
        model: modelOf(pair.upstream),
        stream: true,
        ...options,
      }),
    async expectSound() {
      const breaches = [...servers.values()].flatMap((server) => server.breaches)
      for (const server of servers.values()) server.forget()
      assert.deepEqual(breaches, [])
      const books = openBooks(gateway.dataDir)
      const violations = books.violations()
      books.close()
      assert.deepEqual(violations, [])
      assert.ok(!gateway.output().includes(UPSTREAM_SECRET))
    },
    async close() {
      ledger.close()
      await gateway.remove()
      await closeServers()
    },
  }
}

function configFor(servers: ReadonlyMap<Protocol, StrictServer>, quirks: typeof QUIRKS): object {
  const providers = [...servers].map(([protocol, { baseUrl }]) => [
    `at-${protocol}`,
    {
      protocol,
      baseUrl,
      apiKey: UPSTREAM_SECRET,
      ...(quirks[protocol] && { quirks: { [protocol]: quirks[protocol] } }),
    },
  ])
  const models = [...servers.keys()].map((protocol) => [modelOf(protocol), modelEntry(protocol, [`at-${protocol}`])])
  return { providers: Object.fromEntries(providers), models: Object.fromEntries(models) }
}

export function modelEntry(protocol: Protocol, providers: readonly string[]): object {
  return {
    products: ['zen', 'go'],
    protocol,
    context: 200_000,
    maxOutput: 8192,
    capabilities: { tools: true, reasoning: true, images: true },
    price: PRICE,
    routes: providers.map((provider) => ({ provider, model: 'strict' })),
  }
}

/** What was answered, without how it was sent. */
export function contentOf({ headers: _, ...content }: Answer): Omit<Answer, 'headers'> {
  return content
}

export function warningsOf({ headers }: Answer): string {
  return headers.get('x-zendo-warnings') ?? ''
}

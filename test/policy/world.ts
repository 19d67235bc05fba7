/** A running gateway with four providers of different terms, models over them, and a workspace whose policy can be set. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { TestEngine } from '../support/engines.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { openSyncSql, type SyncSql } from '../support/sync-sql.ts'
import { until } from '../support/until.ts'
import { type CountingProvider, startCountingProvider } from './counting-provider.ts'

/** What each provider declares; `silent` declares nothing. */
const TERMS = {
  eu: { region: 'eu', retention: 'zero', training: false },
  us: { region: 'us', retention: '30d', training: false },
  trainer: { region: 'eu', retention: '30d', training: true },
  silent: {},
} as const

export type ProviderName = keyof typeof TERMS

/** Which providers serve each model, the first before the second. */
const MODELS: Readonly<Record<string, readonly ProviderName[]>> = {
  'eu-us': ['eu', 'us'],
  'us-only': ['us'],
  'trainer-only': ['trainer'],
  'silent-only': ['silent'],
  'silent-us': ['silent', 'us'],
}

export interface Answer {
  readonly status: number
  readonly error: { readonly code: string; readonly type: string; readonly message: string } | undefined
}

export interface PolicyWorld {
  readonly gateway: Gateway
  readonly providers: Readonly<Record<ProviderName, CountingProvider>>
  /** Asks a model with the key of the first start, or with none. */
  ask(model: string, key?: string | null, path?: string): Promise<Answer>
  listed(): Promise<{ id: string; regions: string[] | null }[]>
  /** Sets the policy on the command line, and waits until the server goes by it. */
  allow(...policy: string[]): Promise<unknown>
  sql<Row>(query: string): Row[]
}

export async function startPolicyWorld(t: TestContext, engine: TestEngine): Promise<PolicyWorld> {
  const names = Object.keys(TERMS) as ProviderName[]
  const started = await Promise.all(names.map(() => startCountingProvider(t)))
  const providers = Object.fromEntries(names.map((name, n) => [name, started[n]])) as PolicyWorld['providers']
  const place = engine.name === 'postgres' ? (await engine.createStore(t)).place : null
  const gateway = await startGateway({
    config: configOf(providers),
    env: { ZENDO_LOG_LEVEL: 'warn', ...(place && 'url' in place && { DATABASE_URL: place.url }) },
  })
  t.after(() => gateway.remove())
  const openSql = (): SyncSql =>
    openSyncSql(place && 'url' in place ? { url: place.url } : { dataDir: gateway.dataDir }, { readOnly: true })
  return {
    gateway,
    providers,
    ask: (model, key = gateway.apiKey, path = 'chat/completions') => ask(gateway, model, key, path),
    async listed() {
      const response = await fetch(`${gateway.baseUrl}/zen/v1/models`, { headers: bearer(gateway.apiKey) })
      const { data } = (await response.json()) as { data: { id: string; regions: string[] | null }[] }
      return data.filter(({ id }) => id in MODELS)
    },
    async allow(...policy) {
      const before = await bodyOf(gateway)
      const reply = await gateway.cli('policy', 'update', ...policy)
      assert.ok(reply && typeof reply === 'object' && 'curation' in reply, JSON.stringify(reply))
      await until('the policy is in force', async () => (await bodyOf(gateway)) !== before, 1000)
      return reply
    },
    sql<Row>(query: string) {
      const sql = openSql()
      try {
        return sql.all<Row>(query)
      } finally {
        sql.close()
      }
    },
  }
}

function configOf(providers: PolicyWorld['providers']): object {
  const names = Object.keys(TERMS) as ProviderName[]
  return {
    providers: Object.fromEntries(
      names.map((name) => [
        name,
        { protocol: 'openai-chat', baseUrl: providers[name].baseUrl, apiKey: `key-of-${name}`, ...TERMS[name] },
      ]),
    ),
    models: Object.fromEntries(
      Object.entries(MODELS).map(([id, routes]) => [
        id,
        {
          ...{ name: id, products: ['zen'], protocol: 'openai-chat', free: true, anonymous: true },
          routes: routes.map((provider, priority) => ({ provider, model: 'm', priority })),
        },
      ]),
    ),
  }
}

function bearer(key: string | null): Record<string, string> {
  return key === null ? {} : { authorization: `Bearer ${key}` }
}

/** What the caller may call, with the terms. */
async function bodyOf({ baseUrl, apiKey }: Gateway): Promise<string> {
  return await (await fetch(`${baseUrl}/zen/v1/models`, { headers: bearer(apiKey) })).text()
}

async function ask(gateway: Gateway, model: string, key: string | null, path: string): Promise<Answer> {
  const response = await fetch(`${gateway.baseUrl}/zen/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...bearer(key) },
    body: JSON.stringify({ model, max_tokens: 10, messages: [{ role: 'user', content: 'Is it so?' }] }),
  })
  const body = (await response.json()) as Pick<Answer, 'error'>
  return { status: response.status, error: body.error }
}

/** A gateway, a provider that the operator and a workspace both have accounts at, and what each of them was asked. */
import { createHash, randomBytes } from 'node:crypto'
import { type Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts'
import { openSyncSql, type SyncSql } from '../support/sync-sql.ts'

export const OPERATOR_KEY = 'operator-key-0123456789'
export const OWN_KEY = 'sk-own-CANARY-7c1f0e9d8b6a5432'

/**
 * What the provider does with a request that carries a key: a status, a broken connection, a long silence and a 500, or a
 * stream whose first or second event says that the quota is used up.
 */
export type Behaviour = number | 'reset' | 'late' | 'quota_at_once' | 'quota_later'

export interface Vendor {
  readonly url: string
  /** The credential of each request so far, in order: of chats, and of questions for the list of models. */
  readonly chats: string[]
  readonly probes: string[]
  /** How requests with a key are answered; 200 by default. */
  readonly behaviour: Map<string, Behaviour>
  /** Everything that came in headers and bodies, as text. */
  seen(): string
}

/** Longer than the gateway lets a stream be silent in these tests. */
const LATE_MS = 500

/** Speaks OpenAI Chat; every answer costs the same. */
export async function startVendor(t: TestContext): Promise<Vendor> {
  const chats: string[] = []
  const probes: string[] = []
  const behaviour = new Map<string, Behaviour>()
  let seen = ''
  const server = createServer(async (incoming, response) => {
    const key = String(incoming.headers.authorization ?? '').replace('Bearer ', '')
    const body = await readText(incoming)
    seen += `${JSON.stringify(incoming.headers)}\n${body}\n`
    const how = behaviour.get(key) ?? 200
    if (incoming.method === 'GET') probes.push(key)
    else chats.push(key)
    if (how === 'reset') {
      incoming.socket.resetAndDestroy()
      return
    }
    if (how === 'late') {
      await wait(LATE_MS)
      response.writeHead(500).end()
      return
    }
    if (typeof how === 'string') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (how === 'quota_later') response.write(eventOf(firstChunk))
      response.end(eventOf({ error: { message: 'no', type: 'insufficient_quota', code: 'insufficient_quota' } }))
      return
    }
    if (incoming.method === 'POST' && how === 200 && body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`${eventOf(firstChunk)}${eventOf(lastChunk)}data: [DONE]\n\n`)
      return
    }
    response.writeHead(how, { 'content-type': 'application/json', ...(how === 429 && { 'retry-after': '7' }) })
    if (incoming.method === 'GET') response.end('{"object":"list","data":[]}')
    else if (how !== 200) response.end(JSON.stringify({ error: { message: `no, ${key}`, type: 'x', code: null } }))
    else response.end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/v1`, chats, probes, behaviour, seen: () => seen }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const answer = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_790_000_000,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Good.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 },
}
const eventOf = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'm' }
const firstChunk = { ...chunk, choices: [{ index: 0, delta: { content: 'Good.' }, finish_reason: null }] }
const lastChunk = { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: answer.usage }
/** By the prices below: 10 × $1 + 20 × $5, per million. */
export const ANSWER_COST = 110_000n

const PRICE = { input: '1', output: '5' }
/** A dollar a token: what a new workspace has does not pay for one request. */
export const DEAR = { input: '1000000', output: '1000000' }
export const DEAR_COST = 30_000_000_000n

export interface ConfigOptions {
  readonly price?: object
  /** More of the provider's entry. */
  readonly acme?: object
  /** More of the file. */
  readonly file?: object
}

export function configFor(vendor: Vendor, other: Vendor = vendor, options: ConfigOptions = {}): object {
  const { price = PRICE, acme = {}, file = {} } = options
  const model = (provider: string) => ({
    ...{ products: ['zen', 'go'], protocol: 'openai-chat', context: 8192, maxOutput: 1024, price },
    routes: [{ provider, model: 'm' }],
  })
  return {
    providers: {
      acme: { protocol: 'openai-chat', baseUrl: vendor.url, apiKey: OPERATOR_KEY, ownKeys: {}, ...acme },
      closed: { protocol: 'openai-chat', baseUrl: other.url, apiKey: OPERATOR_KEY, ownKeys: false },
    },
    limits: { api: { probe: null, write: null, read: null }, loop: { repeats: 0 } },
    models: {
      both: model('acme'),
      closed: model('closed'),
      given: { ...model('acme'), price: undefined, free: true },
    },
    ...file,
  }
}

export interface Row {
  readonly id: string
  readonly funding: string
  readonly state: string
  readonly hold: bigint
  readonly cost: bigint
  readonly charged: bigint
  readonly credential_id: string | null
  readonly error_code: string | null
  readonly warnings: string | null
  readonly provider: string | null
}

export interface World {
  readonly gateway: Gateway
  readonly workspaceId: string
  /** Asks the control plane as an admin of the first workspace, who has just signed in. */
  api(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Record<string, unknown>; text: string }>
  credentials(method: string, path?: string, body?: object): ReturnType<World['api']>
  chat(options?: ChatOptions): Promise<{ status: number; headers: Headers; text: string }>
  rows(): Row[]
  readonly sql: SyncSql
}

export interface ChatOptions {
  readonly model?: string
  readonly product?: 'zen' | 'zen/go'
  readonly key?: string
  readonly stream?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

/** Headers of an admin's session. */
async function signIn(sql: SyncSql, baseUrl: string, workspaceId: string): Promise<Record<string, string>> {
  const token = randomBytes(32).toString('base64url')
  const hash = createHash('sha256').update(token).digest('base64url')
  const nowMs = Date.now()
  const soonMs = nowMs + 3_600_000
  sql.run("INSERT INTO person (id, email, name, created_at) VALUES ('per_ann', 'ann@example.com', 'Ann', ?)", nowMs)
  sql.run(
    "INSERT INTO member (id, workspace_id, person_id, name, role, created_at) VALUES ('mem_ann', ?, 'per_ann', 'Ann', 'admin', ?)",
    ...[workspaceId, nowMs],
  )
  sql.run(
    'INSERT INTO session (id, hash, person_id, method, created_at, authenticated_at, seen_at, expires_at)' +
      " VALUES ('ses_ann', ?, 'per_ann', 'password', ?, ?, ?, ?)",
    ...[hash, nowMs, nowMs, nowMs, soonMs],
  )
  const cookie = `zendo_session=${token}`
  const response = await fetch(`${baseUrl}/api/session`, { headers: { cookie } })
  const { csrf } = (await response.json()) as { csrf: string }
  return { cookie, 'x-zendo-csrf': csrf }
}

/** Another workspace with an admin and no credit. Returns the admin's key. */
export function addWorkspace(sql: SyncSql): string {
  const key = formatKey(randomBytes(20))
  const nowMs = Date.now()
  sql.run("INSERT INTO workspace (id, name, created_at) VALUES ('wrk_other', 'Other', ?)", nowMs)
  sql.run("INSERT INTO account (id, workspace_id, kind) VALUES ('acc_other', 'wrk_other', 'balance')")
  sql.run(
    "INSERT INTO member (id, workspace_id, name, role, created_at) VALUES ('mem_other', 'wrk_other', 'Bo', 'admin', ?)",
    nowMs,
  )
  sql.run(
    'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at)' +
      " VALUES ('key_other', 'wrk_other', 'mem_other', 'x', ?, 'x', ?)",
    ...[hashKey(key), nowMs],
  )
  return key
}

export async function startWorld(t: TestContext, config: object, env: GatewayOptions['env'] = {}): Promise<World> {
  const gateway = await startGateway({ config, env })
  t.after(() => gateway.remove())
  const sql = openSyncSql({ dataDir: gateway.dataDir }, { readOnly: false })
  t.after(() => sql.close())
  const [workspace] = sql.all<{ id: string }>('SELECT id FROM workspace')
  const workspaceId = String(workspace?.id)
  const session = await signIn(sql, gateway.baseUrl, workspaceId)
  const api: World['api'] = async (method, path, body) => {
    const response = await fetch(gateway.baseUrl + path, {
      method,
      headers: { ...session, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, text, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
  }
  return {
    ...{ gateway, workspaceId, api, sql },
    credentials: (method, path = '', body) =>
      api(method, `/api/workspaces/${workspaceId}/credentials${path === '' ? '' : `/${path}`}`, body),
    async chat({ model = 'both', product = 'zen', key = gateway.apiKey, stream = false, headers = {} } = {}) {
      const response = await fetch(`${gateway.baseUrl}/${product}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model, stream, max_tokens: 100, messages: [{ role: 'user', content: 'Breathe in.' }] }),
      })
      return { status: response.status, headers: response.headers, text: await response.text() }
    },
    rows: () =>
      sql.all<Row>(
        'SELECT id, funding, state, hold, cost, charged, credential_id, error_code, warnings, provider FROM request ORDER BY id',
      ),
  }
}

/** Resolves with the status of an answer that came to its end, else with 0. `false`: over a connection of its own. */
export function ask({ gateway }: World, agent: Agent | false): Promise<number> {
  const body = JSON.stringify({ model: 'both', max_tokens: 10, messages: [{ role: 'user', content: 'x' }] })
  return new Promise((resolve) => {
    const outgoing = request(`${gateway.baseUrl}/zen/v1/chat/completions`, {
      ...{ method: 'POST', agent },
      headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-length': Buffer.byteLength(body) },
    })
    outgoing.on('error', () => resolve(0))
    outgoing.once('response', (response) => {
      response.resume()
      response.once('close', () => resolve(response.complete ? (response.statusCode ?? 0) : 0))
    })
    outgoing.end(body)
  })
}

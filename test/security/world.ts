/**
 * A real server in this process, on a port of its own, with two workspaces: small enough to be put back after every
 * attack, and open enough to plant faults in it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { allRoutes } from '../../src/api/all-routes.ts'
import type { RouteDefinition, Visit } from '../../src/api/routes.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { claimDataDir } from '../../src/prepare-instance.ts'
import { startServer } from '../../src/server-process.ts'
import { readSettings } from '../../src/settings.ts'
import { answerWhole } from '../hostile/target.ts'
import { type FaultUpstream, startFaultUpstream } from '../support/fault-upstream.ts'
import { openSnapshots, type Snapshots } from './snapshot.ts'
import { addPerson, addTenant, OWN_PROVIDER, type Proof, type Tenant, type TestPerson } from './tenant.ts'

/** With TLS, as a proxy before the gateway would give it: passkeys and cookies are those of a real installation. */
const PUBLIC_URL = 'https://zendo.test'
export const PROVIDER_KEY = 'provider-key-canary-7d01b3'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface Question {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** A text is sent as it is, anything else as JSON. */
  readonly body?: unknown
}

export interface World {
  readonly port: number
  readonly baseUrl: string
  readonly dataDir: string
  readonly gateway: Gateway
  readonly control: ControlPlane
  readonly upstream: FaultUpstream
  readonly a: Tenant
  readonly b: Tenant
  readonly operator: TestPerson
  readonly books: Snapshots
  /** Every route that is served: those of the code, and planted ones. */
  readonly routes: readonly RouteDefinition[]
  /** Asks and moves the clock on, so that no rate is ever reached. */
  ask(question: Question): Promise<Answer>
  /** Everything that was logged or printed. */
  printed(): string
  /** Puts the database back as it was when the world was made; nobody remembers anything else. */
  putBack(): void
  close(): Promise<void>
}

export interface WorldOptions {
  /** Routes that have a fault. */
  readonly planted?: readonly RouteDefinition[]
  readonly env?: Readonly<Record<string, string>>
}

/** The slowest class of rates lets one in this long. */
const STEP_MS = 6_100
const ASK_LIMIT_MS = 15_000

const systemNow = Date.now
let aheadMs = 0
/** The server is given this clock when it starts, wherever it takes one from. */
Date.now = () => systemNow() + aheadMs

const PRICE = { input: 1, output: 10 }

export function worldConfig(origin: string): object {
  const baseUrls = { 'openai-chat': `${origin}/v1`, 'anthropic-messages': `${origin}/v1` }
  const route = { routes: [{ provider: OWN_PROVIDER, model: 'upstream-model' }] }
  return {
    limits: { address: { requestsPerMinute: 0 }, loop: { repeats: 0 } },
    anonymous: { requestsPerDay: 1_000_000 },
    mail: { url: 'smtp://127.0.0.1:9', from: 'Zendo <zendo@zendo.test>' },
    providers: {
      [OWN_PROVIDER]: { baseUrls, apiKey: PROVIDER_KEY, region: 'eu', retention: 'zero', training: false, ownKeys: {} },
    },
    models: {
      'paid-model': { products: ['zen', 'go'], price: PRICE, ...route },
      'free-model': { products: ['zen'], free: true, anonymous: true, ...route },
    },
  }
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const dataDir = mkdtempSync(join(tmpdir(), 'zendo-security-'))
  const upstream = await startFaultUpstream(answerWhole)
  const configPath = join(dataDir, 'zendo.jsonc')
  writeFileSync(configPath, JSON.stringify(worldConfig(upstream.origin)))
  const settings = readSettings({
    ...{ ZENDO_HOST: '127.0.0.1', ZENDO_PORT: '0', ZENDO_DATA_DIR: dataDir, ZENDO_CONFIG: configPath },
    ...{ ZENDO_NODE_GRACE_MS: '86400000', ZENDO_PUBLIC_URL: PUBLIC_URL, ...options.env },
  })
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const release = claimDataDir(settings)
  const routes = allRoutes as RouteDefinition[]
  routes.push(...(options.planted ?? []))
  const served = [...routes]
  const { log: print } = console
  console.log = (...texts) => void lines.push(texts.join(' '))
  const server = await startServer(settings, log).finally(() => {
    console.log = print
    routes.length -= options.planted?.length ?? 0
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const port = Number(new URL(server.url).port)
  const { gateway, control } = await lookInside(server.url)
  const books = await prepare(control, dataDir)

  const world: World = {
    ...{ port, baseUrl: server.url, dataDir, gateway, control, upstream, ...books, routes: served },
    async ask(question) {
      aheadMs += STEP_MS
      return await send(agent, port, question)
    },
    printed: () => lines.join('\n'),
    putBack() {
      books.books.putBack()
      gateway.keys.clear()
    },
    async close() {
      agent.destroy()
      books.books.close()
      await server.stop()
      release()
      await upstream.close()
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 })
    },
  }
  return world
}

/** Opens a world, works in it, and closes it whatever happens. */
export async function withWorld<T>(options: WorldOptions, work: (world: World) => Promise<T>): Promise<T> {
  const world = await openWorld(options)
  try {
    return await work(world)
  } finally {
    await world.close()
  }
}

async function prepare(control: ControlPlane, dataDir: string): Promise<Pick<World, 'a' | 'b' | 'operator' | 'books'>> {
  const operator = await addPerson(control, 'operator', true)
  const a = await addTenant(control, 'alpha')
  const b = await addTenant(control, 'beta')
  const books = openSnapshots(dataDir)
  books.run("INSERT INTO setting (name, value, changed_at) VALUES ('server.keepAliveSeconds', '15', 0)")
  books.keep()
  return { operator, a, b, books }
}

/** The objects that the server was wired of: whoever answers a request holds them. */
async function lookInside(url: string): Promise<{ gateway: Gateway; control: ControlPlane }> {
  const health = allRoutes.find(({ pattern }) => pattern === '/healthz') as { handle: RouteDefinition['handle'] }
  const { handle } = health
  let seen: Visit | null = null
  health.handle = (visit) => {
    seen = visit
    return handle(visit)
  }
  try {
    await (await fetch(`${url}/healthz`)).text()
  } finally {
    health.handle = handle
  }
  if (seen === null) throw new Error('the health check was not asked')
  const { gateway, control } = seen as Visit
  return { gateway, control }
}

function send(agent: Agent, port: number, question: Question): Promise<Answer> {
  const { method, path, headers = {}, body } = question
  const bytes = body === undefined ? null : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body), 'utf8')
  const all = {
    ...(bytes && { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
    ...headers,
  }
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, agent, headers: all }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode = 0, headers: received } = response
        resolve({ status: statusCode, headers: received, text: Buffer.concat(chunks).toString() })
      })
    })
    outgoing.setTimeout(ASK_LIMIT_MS, () => outgoing.destroy(new Error(`${method} ${path} hangs`)))
    outgoing.once('error', reject)
    outgoing.end(bytes ?? undefined)
  })
}

/** Who asks, by the names of the matrix's columns. */
export type Caller = (typeof CALLERS)[number]

export const CALLERS = [
  ...(['nobody', 'inference key', 'read key', 'manage key', "member's key", "removed member's key"] as const),
  ...(['member', 'admin', 'other admin', 'removed member', 'operator'] as const),
] as const

export function proofOf({ a, b, operator }: World, caller: Caller): Proof {
  switch (caller) {
    case 'nobody':
      return {}
    case 'inference key':
      return a.keys.inference.proof
    case 'read key':
      return a.keys.read.proof
    case 'manage key':
      return a.keys.manage.proof
    case "member's key":
      return a.keys.ofMember.proof
    case "removed member's key":
      return a.keys.ofRemoved.proof
    case 'member':
      return a.member.proof
    case 'admin':
      return a.admin.proof
    case 'other admin':
      return b.admin.proof
    case 'removed member':
      return a.removed.proof
    case 'operator':
      return operator.proof
  }
}

export function personOf({ a, b, operator }: World, caller: Caller): TestPerson {
  if (caller === 'operator') return operator
  if (caller === 'other admin') return b.admin
  if (caller === 'removed member' || caller === "removed member's key") return a.removed
  if (caller === 'member' || caller === "member's key") return a.member
  return a.admin
}

/** The code of a failure, in any of the shapes. */
export function codeOf({ text }: Answer): string | null {
  try {
    const body = JSON.parse(text) as { code?: unknown; error?: { code?: unknown; details?: { reason?: string }[] } }
    if (typeof body.code === 'string') return body.code
    if (typeof body.error?.code === 'string') return body.error.code
    return body.error?.details?.[0]?.reason?.toLowerCase() ?? null
  } catch {
    return null
  }
}

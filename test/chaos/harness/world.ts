/** One database, the gateways on it, the upstream behind them, and everything that was asked of them. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { formatKey, hashKey } from '../../../src/domain/api-key.ts'
import type { Database } from '../../../src/store/database.ts'
import { openDatabase } from '../../../src/store/open-database.ts'
import { type Random, randomFor } from '../../captures/random.ts'
import type { PostgresCluster } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { REPOSITORY } from './children.ts'
import { type Asked, ask, type Question } from './client.ts'
import { type Environment, type Gateway, prepareGateway } from './gateway.ts'
import { type Sampler, startSampler } from './sampler.ts'
import { startUpstream, type Upstream } from './upstream.ts'

export type Engine = 'sqlite' | 'postgres'

/** Who pays: `mixed` is a plan with little room, and then the balance. */
export const FUNDINGS = ['balance', 'plan', 'free', 'mixed'] as const
export type FundingWay = (typeof FUNDINGS)[number]

/** Nano-dollars a token. */
export const INPUT_RATE = 2000n
export const OUTPUT_RATE = 10_000n

export interface World {
  readonly engine: Engine
  readonly random: Random
  readonly upstream: Upstream
  readonly gateways: readonly Gateway[]
  /** The run's own view of the database. */
  readonly database: Database
  readonly sampler: Sampler
  /** Everything asked so far. */
  readonly asked: readonly Asked[]
  /** Sends a request to a gateway; its end is in `asked`. */
  ask(gateway: Gateway, question: Question): Asked
  /** How much is still held. */
  openHolds(): Promise<number>
  /** Runs `zendo <command> --json`. */
  cli(...command: string[]): Promise<unknown>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly engine: Engine
  readonly seed: number
  readonly name: string
  /** Of the run, below which this world has one of its own. */
  readonly scratch: string
  /** Null: SQLite. */
  readonly cluster: PostgresCluster | null
  /** What gateways are told of the database, where that is not its own address. */
  readonly databaseUrl?: (url: string) => Promise<string>
  /** Data directories; more than one only on PostgreSQL. */
  readonly gateways?: number
  readonly workers?: number
  readonly env?: Environment
  /** Where the data directories are, if not below `scratch`. */
  readonly dataRoot?: string
}

/** Makes all of it, and starts every gateway. */
export async function openWorld(options: WorldOptions): Promise<World> {
  const { engine, seed, name, scratch, cluster, workers = 1 } = options
  const directory = join(scratch, `${engine}-${name}`)
  mkdirSync(directory, { recursive: true })
  const url = engine === 'postgres' && cluster ? await cluster.createDatabase() : null
  const upstream = await startUpstream(directory)
  const gatewayUrl = url === null ? null : await (options.databaseUrl ?? (async (same: string) => same))(url)
  const gateways = Array.from({ length: options.gateways ?? 1 }, (_, index) =>
    prepareGateway({
      dataDir: join(options.dataRoot ?? directory, `data-${index}`),
      config: configOf(upstream),
      compiled: join(scratch, 'compiled'),
      env: {
        ...(gatewayUrl === null ? {} : { DATABASE_URL: gatewayUrl }),
        ...(workers > 1 ? { ZENDO_WORKERS: String(workers) } : {}),
        ...options.env,
      },
    }),
  )
  const [first] = gateways
  if (!first) throw new Error('a world needs a gateway')
  await first.start()
  await until('the first start printed its key', () => KEY.test(first.output()))
  for (const gateway of gateways.slice(1)) await gateway.start()
  const database = await openDatabase(url === null ? { path: join(first.dataDir, 'zendo.db') } : { url }, { nowMs: 0 })
  const keys = { first: KEY.exec(first.output())?.[0] ?? '', mixed: await addMixedSeat(database) }
  const sampler = startSampler(database)
  const asked: Asked[] = []
  const cli = (...command: string[]): Promise<unknown> => runCli(first, command, url)
  await cli('credit', 'grant', '100000')
  return {
    engine,
    random: randomFor(seed, `${engine} ${name}`),
    upstream,
    gateways,
    database,
    sampler,
    asked,
    cli,
    ask(gateway, question) {
      const key = question.funding === 'mixed' ? keys.mixed : keys.first
      const one = ask(gateway.baseUrl() ?? 'http://127.0.0.1:1', key, question)
      asked.push(one)
      return one
    },
    async openHolds() {
      const row = await database.get<{ n: bigint }>("SELECT COUNT(*) AS n FROM request WHERE state = 'held'")
      return Number(row?.n ?? -1)
    },
    async close() {
      await sampler.stop()
      await Promise.all(gateways.map((gateway) => gateway.kill()))
      upstream.close()
      await database.close()
    },
  }
}

const KEY = /sk-zendo-[0-9A-Za-z]{34}/

function configOf(upstream: Upstream): object {
  const provider = (path: string): object => ({
    baseUrls: {
      'openai-chat': `${upstream.origin}${path}/v1`,
      'anthropic-messages': `${upstream.origin}${path}/v1`,
    },
    apiKey: 'test',
    // Requests that wait for a gate are many at once.
    maxConnections: 2000,
  })
  const price = { input: Number(INPUT_RATE) / 1000, output: Number(OUTPUT_RATE) / 1000 }
  const routes = [{ provider: 'up', model: 'm' }]
  const window = (name: string, kind: object, limit: number): object => ({ name, ...kind, limit })
  const windows = (limit: number): object[] => [
    window('5 hour', { kind: 'session', hours: 5 }, limit),
    window('weekly', { kind: 'calendar', unit: 'week' }, 100_000),
    window('monthly', { kind: 'anchored', unit: 'month' }, 100_000),
  ]
  return {
    limits: { loop: { repeats: 0 }, key: { inFlight: 0 }, address: { requestsPerMinute: 0 } },
    providers: { up: provider(''), broken: provider('/broken') },
    models: {
      paid: { price, products: ['zen', 'go'], routes },
      gratis: { free: true, products: ['zen'], routes },
      'paid-second': {
        price,
        products: ['zen', 'go'],
        routes: [
          { provider: 'broken', model: 'm', priority: 0 },
          { provider: 'up', model: 'm', priority: 1 },
        ],
      },
      'gratis-second': {
        free: true,
        products: ['zen'],
        routes: [
          { provider: 'broken', model: 'm', priority: 0 },
          { provider: 'up', model: 'm', priority: 1 },
        ],
      },
    },
    plans: {
      go: { price: 10, products: ['go'], windows: windows(100_000) },
      // Some hundred requests fit, so that a run crosses from the plan to the balance.
      small: { price: 10, products: ['go'], windows: windows(0.5) },
    },
  }
}

/** One more member of the first workspace, with a seat on the small plan that may go on from the balance. */
async function addMixedSeat(database: Database): Promise<string> {
  const key = formatKey(randomBytes(20))
  const nowMs = Date.now()
  await database.write(async (sql) => {
    const workspace = await sql.get<{ id: string }>('SELECT id FROM workspace')
    const id = workspace?.id ?? ''
    const member = 'INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, ?, ?, ?)'
    await sql.run(member, 'mem_mixed', id, 'mixed', 'member', nowMs)
    await sql.run(
      'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...['key_mixed', id, 'mem_mixed', 'mixed', hashKey(key), 'mixed', nowMs],
    )
    await sql.run(
      'INSERT INTO seat (id, workspace_id, member_id, plan_id, use_balance, started_at) VALUES (?, ?, ?, ?, ?, ?)',
      ...['seat_mixed', id, 'mem_mixed', 'small', 1, nowMs],
    )
  })
  return key
}

/** A command that found something wrong (exit code 1) has still answered. */
async function runCli(gateway: Gateway, command: readonly string[], url: string | null): Promise<unknown> {
  const { DATABASE_URL: _, ...rest } = gateway.environment
  // Not by way of a proxy that a test may have put before the database.
  const env = url === null ? rest : { ...rest, DATABASE_URL: url }
  const run = promisify(execFile)(process.execPath, ['bin/zendo.js', ...command, '--json'], {
    cwd: REPOSITORY,
    env,
    maxBuffer: 1 << 28,
    timeout: 120_000,
  })
  const { stdout, stderr } = await run.catch((error: { stdout?: string; stderr?: string }) => error)
  if (!stdout) throw new Error(`zendo ${command.join(' ')} printed nothing: ${stderr}`)
  return JSON.parse(stdout)
}

/** Starts Zendo as an operator would, with the mock as its only provider, and reads its ledger afterwards. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { GATEWAY_CORE, LOAD_CORE } from './closed-loop.ts'
import type { BodyKind } from './job.ts'
import { MOCK_PROTOCOLS, type MockProtocol, SHORT_NAMES } from './pairs.ts'
import { freePort, startPinned } from './pinned-process.ts'
import { processTree } from './proc.ts'

/** How the requests are paid for: not at all and without a key, from the balance, or from a plan. */
export type ZendoMode = 'free' | 'balance' | 'plan'

export interface ZendoSubject {
  readonly mode: ZendoMode
  readonly port: number
  /** Undefined where requests are sent without a key. */
  readonly key: string | undefined
  readonly pids: readonly number[]
  readonly startMs: number
  readonly stop: () => Promise<void>
  /** What the ledger says; the process may still be running. */
  readonly readLedger: () => Promise<LedgerTotals>
  /** The number of differences that `zendo audit` finds. */
  readonly audit: () => Promise<number>
}

export interface LedgerTotals {
  readonly settled: number
  /** Rows that are neither settled nor released: money still held. */
  readonly open: number
  readonly released: number
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
  readonly chargedNano: bigint
}

export interface ZendoOptions {
  readonly mode: ZendoMode
  readonly upstreamUrl: string
  readonly directory: string
  readonly profileDirectory: string | undefined
  /** Where rows are kept instead of a file. */
  readonly databaseUrl?: string | undefined
  /** Processes; 1 when absent. */
  readonly workers?: number
  /** Where it runs; the gateway's core alone when absent. */
  readonly cores?: string
}

/** Dollars per million tokens, chosen so that a token is a whole number of nano-dollars and sums are exact. */
const PRICE = { input: 1.4, output: 4.4, cachedRead: 0.26 }
const NANO_PER_TOKEN = { input: 1400n, output: 4400n, cachedRead: 260n }
/** No limit may bind: what is measured is the work of checking them. */
const ENOUGH_USD = 1_000_000
const BODY_KINDS: readonly BodyKind[] = ['small', 'large', 'stream', 'paced', 'first-token']
/** Where it listens, then the first key. */
const FIRST_START = /listening on http[\s\S]*?(sk-zendo-[0-9A-Za-z_-]+)\s/
const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))

export async function startZendo(options: ZendoOptions): Promise<ZendoSubject> {
  const port = await freePort()
  const dataDirectory = join(options.directory, 'data')
  mkdirSync(options.directory, { recursive: true })
  const configFile = join(options.directory, 'zendo.jsonc')
  writeFileSync(configFile, JSON.stringify(config(options), undefined, 2))
  const env = {
    ZENDO_HOST: '127.0.0.1',
    ZENDO_PORT: String(port),
    ZENDO_DATA_DIR: dataDirectory,
    ZENDO_CONFIG: configFile,
    BENCH_MOCK_KEY: 'mock-key',
    ZENDO_WORKERS: String(options.workers ?? 1),
    DATABASE_URL: options.databaseUrl ?? '',
  }
  const profile = options.profileDirectory
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profile, options.mode)}`]
  const command = [process.execPath, ...serverFlags(), ...flags, join(REPOSITORY, 'src/main.ts')]
  const started = await startPinned(command, { core: options.cores ?? GATEWAY_CORE, env, ready: FIRST_START })
  const key = FIRST_START.exec(started.output)?.[1]
  await runCommand(env, 'credit', 'grant', '--amount', String(ENOUGH_USD))
  return {
    ...{ mode: options.mode, port, startMs: started.startMs, stop: started.stop },
    key: options.mode === 'free' ? undefined : key,
    pids: processTree(started.pid),
    readLedger: () => readLedger(options.databaseUrl ?? join(dataDirectory, 'zendo.db')),
    audit: async () => countDifferences(await runCommand(env, 'audit')),
  }
}

/** The flags of `npm start`: what is measured is what users run. */
export function serverFlags(): string[] {
  const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { scripts: { start: string } }
  return manifest.scripts.start.split(' ').filter((word) => word.startsWith('--'))
}

function config(options: ZendoOptions): unknown {
  const free = options.mode === 'free'
  const model = (body: BodyKind, protocol: MockProtocol): unknown => ({
    name: `Bench ${body}`,
    products: [options.mode === 'plan' ? 'go' : 'zen'],
    protocol,
    context: 204_800,
    maxOutput: 131_072,
    ...(free ? { free: true, anonymous: true } : { price: PRICE }),
    routes: [{ provider: providerName(protocol), model: `mock-${body}` }],
  })
  const upstream = { baseUrl: options.upstreamUrl, apiKey: 'env:BENCH_MOCK_KEY', maxConnections: 1024 }
  return {
    providers: Object.fromEntries(
      MOCK_PROTOCOLS.map((protocol) => [providerName(protocol), { protocol, ...upstream }]),
    ),
    anonymous: { requestsPerDay: 1_000_000_000 },
    // What is measured is the work of one caller who repeats himself, far beyond what a caller may do.
    limits: { key: { inFlight: 0 }, address: { requestsPerMinute: 0 }, loop: { repeats: 0 } },
    models: Object.fromEntries(
      MOCK_PROTOCOLS.flatMap((protocol) =>
        BODY_KINDS.map((body) => [zendoModel(body, protocol), model(body, protocol)]),
      ),
    ),
    plans: {
      go: {
        price: 10,
        interval: 'month',
        products: ['go'],
        windows: [
          { name: '5 hour', kind: 'session', hours: 5, limit: ENOUGH_USD },
          { name: 'weekly', kind: 'calendar', unit: 'week', limit: ENOUGH_USD },
          { name: 'monthly', kind: 'anchored', unit: 'month', limit: ENOUGH_USD },
        ],
      },
    },
  }
}

/** One model per kind of answer and protocol of its upstream, which is what a client chooses by it. */
export function zendoModel(body: BodyKind, upstream: MockProtocol): string {
  return `bench-${SHORT_NAMES[upstream]}-${body}`
}

function providerName(protocol: MockProtocol): string {
  return `mock-${SHORT_NAMES[protocol]}`
}

/** Runs `zendo <command> --json` beside the server, on the load's core; answers with the parsed output. */
async function runCommand(env: Readonly<Record<string, string>>, ...words: string[]): Promise<unknown> {
  const line = ['-c', String(LOAD_CORE), process.execPath, join(REPOSITORY, 'bin/zendo.js'), ...words, '--json']
  // An audit that finds differences ends with code 1, and says so on the output all the same.
  const { stdout } = await promisify(execFile)('taskset', line, { env: { ...process.env, ...env } }).catch(
    (error: { stdout?: string; message: string }) => {
      if (error.stdout) return { stdout: error.stdout }
      throw new Error(`zendo ${words.join(' ')}: ${error.message}`)
    },
  )
  return JSON.parse(stdout)
}

function countDifferences(report: unknown): number {
  const differences = (report as { differences?: unknown }).differences
  if (!Array.isArray(differences)) throw new Error(`zendo audit answered ${JSON.stringify(report).slice(0, 300)}`)
  return differences.length
}

const LEDGER_SQL = `
  SELECT count(*) FILTER (WHERE state = 'settled')  AS settled,
         count(*) FILTER (WHERE state = 'held')     AS open,
         count(*) FILTER (WHERE state = 'released') AS released,
         coalesce(sum(input_tokens), 0) + coalesce(sum(cached_read_tokens), 0) AS prompt,
         coalesce(sum(cached_read_tokens), 0) AS cached,
         coalesce(sum(output_tokens), 0)      AS completion,
         coalesce(sum(charged), 0)            AS charged
  FROM request`

/** From a file, or from the address of a PostgreSQL database. */
async function readLedger(place: string): Promise<LedgerTotals> {
  const row = place.startsWith('postgres') ? await readPostgres(place) : readFile(place)
  const number = (name: string): number => Number(row[name] ?? 0)
  return {
    settled: number('settled'),
    open: number('open'),
    released: number('released'),
    promptTokens: number('prompt'),
    cachedTokens: number('cached'),
    completionTokens: number('completion'),
    chargedNano: BigInt(row.charged ?? 0),
  }
}

type LedgerRow = Readonly<Record<string, string | bigint>>

function readFile(file: string): LedgerRow {
  const database = new DatabaseSync(file, { readOnly: true, readBigInts: true })
  const row = database.prepare(LEDGER_SQL).get() as LedgerRow
  database.close()
  return row
}

async function readPostgres(url: string): Promise<LedgerRow> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<LedgerRow>(LEDGER_SQL)
  await client.end()
  return rows[0] ?? {}
}

/** What the tokens cost at the configured price, in nano-dollars. */
export function expectedCharge(tokens: {
  promptTokens: number
  cachedTokens: number
  completionTokens: number
}): bigint {
  return (
    BigInt(tokens.promptTokens - tokens.cachedTokens) * NANO_PER_TOKEN.input +
    BigInt(tokens.cachedTokens) * NANO_PER_TOKEN.cachedRead +
    BigInt(tokens.completionTokens) * NANO_PER_TOKEN.output
  )
}

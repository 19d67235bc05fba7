/** A gateway under test with the replaying upstream behind it, and what must be true of both when all is over. */
import { type Gateway, startGateway } from '../support/gateway.ts'
import { closeConnections } from '../support/http.ts'
import { type Ledger, type LedgerRow, openLedger } from '../support/ledger.ts'
import type { Case, Family } from './case.ts'
import { FAMILIES } from './case.ts'
import { TEST_PRICE } from './price.ts'
import { type PlainAnswers, type ReplayUpstream, startReplayUpstream } from './replay-upstream.ts'

export const UPSTREAM_KEY = 'planted-upstream-key-0123456789'

export interface World {
  readonly gateway: Gateway
  readonly upstream: ReplayUpstream
  readonly seed: number
  /** The row of an answered request as it stands; whoever asks has made that request. */
  rowOf(requestId: string): LedgerRow | null
}

export interface WorldOptions {
  readonly cases: readonly Case[]
  readonly seed: number
  /** Models that are no case, by id. */
  readonly models?: Readonly<Record<string, object>>
  readonly plain?: PlainAnswers
}

export interface WorldEnd<Result> {
  readonly result: Result
  /** What is wrong with the gateway as a whole: its audit, its rows, its end. */
  readonly gateway: readonly string[]
  readonly audit: unknown
}

export async function inWorld<Result>(
  options: WorldOptions,
  use: (world: World) => Promise<Result>,
): Promise<WorldEnd<Result>> {
  const upstream = await startReplayUpstream(options.cases, options.seed, options.plain)
  try {
    const gateway = await startGateway({
      config: configFor(options, upstream.baseUrl),
      env: { REPLAY_UPSTREAM_KEY: UPSTREAM_KEY },
    })
    try {
      return await useGateway(gateway, upstream, { seed: options.seed, use })
    } finally {
      await gateway.remove()
    }
  } finally {
    closeConnections()
    await upstream.stop()
  }
}

async function useGateway<Result>(
  gateway: Gateway,
  upstream: ReplayUpstream,
  { seed, use }: { seed: number; use: (world: World) => Promise<Result> },
): Promise<WorldEnd<Result>> {
  await gateway.cli('credit', 'grant', '--amount', '1000000', '--workspace', 'default')
  const ledger = openLedger(gateway.dataDir)
  try {
    const asked = new Set<string>()
    const rowOf = (requestId: string): LedgerRow | null => {
      asked.add(requestId)
      return ledger.find(requestId)
    }
    const result = await use({ gateway, upstream, seed, rowOf })
    const exitCode = await gateway.stop()
    const audit = await gateway.cli('audit')
    const problems = [...checkAudit(audit), ...checkRows(ledger, asked)]
    if (exitCode !== 0) problems.push(`expected exit code 0 after SIGTERM, got ${exitCode}`)
    return { result, gateway: problems, audit }
  } finally {
    ledger.close()
  }
}

function checkAudit(audit: unknown): string[] {
  const { differences } = audit as { differences?: unknown }
  const none = differences === 0 || (Array.isArray(differences) && differences.length === 0)
  return none ? [] : [`expected an audit without differences, got ${JSON.stringify(audit).slice(0, 500)}`]
}

/** Every row is that of a request which was made, and every request has ended. */
function checkRows(ledger: Ledger, asked: ReadonlySet<string>): string[] {
  return ledger.rows().flatMap((row) => {
    const problems: string[] = []
    if (!asked.has(row.id)) problems.push(`a row of a request that nobody made: ${row.id} ${row.model}`)
    if (row.state === 'held') problems.push(`money is still held for ${row.id} ${row.model}`)
    return problems
  })
}

/** A provider for each protocol, and a model for each case whose upstream name is the case's. */
function configFor({ cases, models = {} }: WorldOptions, baseUrl: string): object {
  const providers = FAMILIES.map((protocol) => [protocol, { protocol, baseUrl, apiKey: 'env:REPLAY_UPSTREAM_KEY' }])
  const ofCases = cases.map(({ family, name }) => [modelIdOf(family, name), modelFor(family, name)])
  return { providers: Object.fromEntries(providers), models: { ...Object.fromEntries(ofCases), ...models } }
}

/** The id under which the gateway offers a case; families have cases of the same name. */
export function modelIdOf(family: Family, name: string): string {
  return `cap/${family}/${name}`
}

/** A model that only the provider of one protocol has. */
export function modelFor(protocol: Family, upstreamName: string): object {
  return {
    name: upstreamName,
    products: ['zen', 'go'],
    protocol,
    context: 2_000_000,
    maxOutput: 500_000,
    capabilities: { tools: true, reasoning: true, images: true },
    price: TEST_PRICE,
    routes: [{ provider: protocol, model: upstreamName }],
  }
}

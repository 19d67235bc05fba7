/** What the client libraries are tried on: a started gateway, the simulated models, and a scripted provider behind it. */
import { setTimeout as wait } from 'node:timers/promises'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type Ledger, type LedgerRow, openLedger } from '../support/ledger.ts'
import type { ScriptedAnswer } from '../support/scripted-answer.ts'
import {
  type ScriptedProvider,
  type ScriptedRequest,
  type ScriptedTurn,
  startScriptedProvider,
} from '../support/scripted-provider.ts'

export interface World {
  readonly gateway: Gateway
  readonly provider: ScriptedProvider
  readonly ledger: Ledger
  readonly key: string
  /** Ends with `/v1`. */
  readonly zen: string
  readonly go: string
  close(): Promise<void>
}

const PRICE = { input: '1', output: '5', cachedRead: '0.1', cacheWrite5m: '1.25', cacheWrite1h: '2' }
/** Discard: nothing listens there. */
const DEAD_ADDRESS = 'http://127.0.0.1:9/v1'

/** The models of the scripted provider are `reasoner-chat`, `reasoner-messages`, `two-tools-chat` and so on. */
export async function startWorld(config: object = {}): Promise<World> {
  const provider = await startScriptedProvider(script)
  const gateway = await startGateway({ config: { ...configFor(provider.baseUrl), ...config } }).catch(async (error) => {
    await provider.close()
    throw error
  })
  const ledger = openLedger(gateway.dataDir)
  return {
    gateway,
    provider,
    ledger,
    key: gateway.apiKey,
    zen: `${gateway.baseUrl}/zen/v1`,
    go: `${gateway.baseUrl}/zen/go/v1`,
    async close() {
      ledger.close()
      await gateway.remove()
      await provider.close()
    },
  }
}

function configFor(baseUrl: string): object {
  const families = [
    ['chat', 'openai-chat'],
    ['messages', 'anthropic-messages'],
  ] as const
  const names = ['reasoner', 'two-tools', 'false-end', 'dead', 'dear', 'middling']
  const prices: Readonly<Record<string, object>> = {
    dear: { input: '1000', output: '5000' },
    // A thousand tokens are just below a tight window of five cents.
    middling: { input: '1', output: '45' },
  }
  const models = families.flatMap(([family, protocol]) =>
    names.map((name) => [
      `${name}-${family}`,
      {
        products: ['zen', 'go'],
        protocol,
        context: 200_000,
        maxOutput: 8192,
        capabilities: { tools: true, reasoning: true },
        price: prices[name] ?? PRICE,
        routes: [{ provider: `${name === 'dead' ? 'dead' : 'scripted'}-${family}`, model: name }],
      },
    ]),
  )
  const providers = families.flatMap(([family, protocol]) => [
    [`scripted-${family}`, { protocol, baseUrl, apiKey: 'planted-upstream-key' }],
    [`dead-${family}`, { protocol, baseUrl: DEAD_ADDRESS, apiKey: 'planted-upstream-key' }],
  ])
  return { providers: Object.fromEntries(providers), models: Object.fromEntries(models) }
}

/** One answer with everything that a reasoning model sends, its prompt mostly read from a cache. */
export const REASONED: ScriptedAnswer = {
  id: 'answer_reasoned',
  reasoning: 'Breathing needs no reason, but this needs some thinking.',
  text: 'In through the nose, and out again.',
  calls: [],
  usage: { input: 34, cachedRead: 1200, cacheWrite5m: 0, cacheWrite1h: 0, output: 56, reasoning: 12 },
}

/** By `PRICE`: 34 × $1 + 1,200 × $0.10 + 56 × $5, each per million. */
export const REASONED_COST = 434_000n

export const TWO_CALLS: ScriptedAnswer = {
  ...REASONED,
  id: 'answer_two_calls',
  text: '',
  calls: [
    { id: 'call_kyoto', name: 'weather', arguments: { city: 'Kyōto' } },
    { id: 'call_oslo', name: 'weather', arguments: { city: 'Oslo "south"' } },
  ],
}

function script(request: ScriptedRequest): ScriptedTurn {
  switch (request.model) {
    case 'false-end':
      return { answer: REASONED, delivery: 'false_end' }
    case 'two-tools':
      return { answer: hasResults(request) ? REASONED : TWO_CALLS }
    default:
      return { answer: REASONED }
  }
}

function hasResults({ body }: ScriptedRequest): boolean {
  return /"role":"tool"|"type":"tool_result"/.test(JSON.stringify(body.messages))
}

/** A `fetch` that counts: every call is one request that the gateway sees. */
export function countingFetch(): { fetch: typeof fetch; count(): number } {
  let count = 0
  return {
    fetch: (...args) => {
      count++
      return fetch(...args)
    },
    count: () => count,
  }
}

const POLL_MS = 20

/** The newest request row, once it is settled or released. @throws when it still holds money after `withinMs` */
export async function newestEnded(ledger: Ledger, known: number, withinMs = 3000): Promise<LedgerRow> {
  return await pollRows(ledger, known, withinMs, (row) => row.state !== 'held')
}

/** Resolves once the gateway has admitted one more request than were `known`. */
export async function untilAdmitted(ledger: Ledger, known: number): Promise<void> {
  await pollRows(ledger, known, 3000, () => true)
}

async function pollRows(
  ledger: Ledger,
  known: number,
  withinMs: number,
  accept: (row: LedgerRow) => boolean,
): Promise<LedgerRow> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const rows = ledger.rows()
    const row = rows.length > known ? rows.at(-1) : undefined
    if (row !== undefined && accept(row)) return row
    if (Date.now() > deadline) throw new Error(`after ${withinMs} ms the newest row is ${row?.state ?? 'missing'}`)
    await wait(POLL_MS)
  }
}

/** Fails unless the audit finds nothing wrong and nothing still held. */
export async function expectCleanBooks(world: World): Promise<void> {
  const report = (await world.gateway.cli('audit')) as { checked: { held: number }; differences: unknown[] }
  if (report.differences.length === 0 && report.checked.held === 0) return
  throw new Error(`the audit found ${JSON.stringify(report)}`)
}

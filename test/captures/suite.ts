/** Calls every case through a gateway and compares reply, forwarded request and ledger with the recording. */
import { type Gateway, startGateway } from '../support/gateway.ts'
import { closeConnections, post } from '../support/http.ts'
import { type LedgerRow, openLedger } from '../support/ledger.ts'
import { type Call, callsOf, checkForwardedBody, modelIdOf, requestBody } from './call.ts'
import type { Case, Family } from './case.ts'
import { checkCharge, checkStatusNoted, checkUsage } from './check-ledger.ts'
import { checkReply, type Reply } from './check-reply.ts'
import { endingOf } from './expectation.ts'
import { TEST_PRICE } from './price.ts'
import { randomFor } from './random.ts'
import { type ReceivedRequest, type ReplayUpstream, startReplayUpstream } from './replay-upstream.ts'

const UPSTREAM_KEY = 'planted-upstream-key-0123456789'
const CONCURRENCY = 8

export interface SuiteOptions {
  readonly cases: readonly Case[]
  readonly seed: number
  readonly repeat: number
}

/** One call with everything that was wrong about it, by what was looked at. */
export interface CallResult {
  readonly call: Call
  readonly row: LedgerRow | null
  readonly reply: readonly string[]
  readonly forwarded: readonly string[]
  readonly usage: readonly string[]
  readonly charge: readonly string[]
}

export interface SuiteResult {
  readonly calls: readonly CallResult[]
  /** What is wrong with the gateway as a whole: its audit, its end. */
  readonly gateway: readonly string[]
  readonly audit: unknown
}

export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const upstream = await startReplayUpstream(options.cases, options.seed)
  try {
    const gateway = await startGateway({
      config: configFor(options.cases, upstream.baseUrl),
      env: { REPLAY_UPSTREAM_KEY: UPSTREAM_KEY },
    })
    try {
      return await runOn(gateway, upstream, options)
    } finally {
      await gateway.remove()
    }
  } finally {
    closeConnections()
    await upstream.stop()
  }
}

async function runOn(gateway: Gateway, upstream: ReplayUpstream, options: SuiteOptions): Promise<SuiteResult> {
  await gateway.cli('credit', 'grant', '--amount', '1000000', '--workspace', 'default')
  const answered = await callAll(gateway, upstream, options)
  const exitCode = await gateway.stop()
  const audit = await gateway.cli('audit')
  const problems = [...checkAudit(audit)]
  if (exitCode !== 0) problems.push(`expected exit code 0 after SIGTERM, got ${exitCode}`)
  const ledger = openLedger(gateway.dataDir)
  try {
    const calls = answered.map((one) => judge(one, ledger.find(requestIdOf(one.reply))))
    const rows = ledger.rows()
    if (rows.length !== calls.length) problems.push(`expected ${calls.length} request rows, got ${rows.length}`)
    return { calls, gateway: problems, audit }
  } finally {
    ledger.close()
  }
}

interface AnsweredCall {
  readonly call: Call
  readonly reply: Reply
  readonly received: readonly ReceivedRequest[]
  /** The state of its row in the moment the client had the whole reply. */
  readonly stateAtEnd: LedgerRow['state'] | undefined
}

/** A case's own calls follow one another; different cases run side by side, in an order that the seed decides. */
async function callAll(gateway: Gateway, upstream: ReplayUpstream, options: SuiteOptions): Promise<AnsweredCall[]> {
  const queue = shuffle(options.cases, options.seed)
  const answered: AnsweredCall[] = []
  const ledger = openLedger(gateway.dataDir)
  const work = async () => {
    for (let replayed = queue.pop(); replayed !== undefined; replayed = queue.pop()) {
      for (let round = 0; round < options.repeat; round++) {
        for (const call of callsOf(replayed)) {
          const before = upstream.received(replayed).length
          const reply = await send(gateway, call)
          const stateAtEnd = ledger.find(requestIdOf(reply))?.state
          answered.push({ call, reply, received: upstream.received(replayed).slice(before), stateAtEnd })
        }
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  ledger.close()
  return answered
}

async function send(gateway: Gateway, call: Call): Promise<Reply> {
  const chat = call.replayed.family === 'openai-chat'
  const headers: Record<string, string> = chat
    ? { authorization: `Bearer ${gateway.apiKey}` }
    : { 'x-api-key': gateway.apiKey, 'anthropic-version': '2023-06-01' }
  const url = `${gateway.baseUrl}/zen/v1/${chat ? 'chat/completions' : 'messages'}`
  const body = requestBody(call, modelIdOf(call.replayed))
  try {
    return await post(url, { ...headers, 'content-type': 'application/json' }, body)
  } catch (error) {
    return { status: 0, headers: {}, body: Buffer.from(`no answer: ${error}`), ended: false }
  }
}

function judge(answered: AnsweredCall, row: LedgerRow | null): CallResult {
  const { call, reply, received, stateAtEnd } = answered
  const missing = ['no request row']
  const early = stateAtEnd === 'held' ? ['the reply ended before its money was settled'] : []
  return {
    call,
    row,
    reply: checkReply(call, reply),
    forwarded: checkForwarded(call, received),
    usage: row === null ? missing : [...checkUsage(call, row), ...checkStatusNoted(reply, row)],
    charge: row === null ? missing : [...checkCharge(call, row), ...early],
  }
}

/** One attempt, unless the upstream failed: then there may be more. */
function checkForwarded(call: Call, received: readonly ReceivedRequest[]): string[] {
  const [first, ...more] = received
  if (first === undefined) return ['nothing reached the upstream']
  const problems = checkForwardedBody(call, first.body)
  if (more.length > 0 && endingOf(call.replayed) !== 'unavailable')
    problems.push(`expected one upstream request, got ${received.length}`)
  const credential = call.replayed.family === 'openai-chat' ? `Bearer ${UPSTREAM_KEY}` : UPSTREAM_KEY
  const name = call.replayed.family === 'openai-chat' ? 'authorization' : 'x-api-key'
  if (first.headers[name] !== credential) problems.push(`expected the operator's key in ${name}`)
  if (JSON.stringify(first.headers).includes('sk-zendo')) problems.push("the client's key reached the upstream")
  return problems
}

function checkAudit(audit: unknown): string[] {
  const { differences } = audit as { differences?: unknown }
  const none = differences === 0 || (Array.isArray(differences) && differences.length === 0)
  return none ? [] : [`expected an audit without differences, got ${JSON.stringify(audit).slice(0, 500)}`]
}

/** A provider for each protocol, and a model for each case whose upstream name is the case's. */
function configFor(cases: readonly Case[], baseUrl: string): object {
  const provider = (protocol: Family) => ({ protocol, baseUrl, apiKey: 'env:REPLAY_UPSTREAM_KEY' })
  const models = cases.map((replayed) => [modelIdOf(replayed), modelFor(replayed)])
  return {
    providers: { 'openai-chat': provider('openai-chat'), 'anthropic-messages': provider('anthropic-messages') },
    models: Object.fromEntries(models),
  }
}

function modelFor({ family, name }: Case): object {
  return {
    name,
    products: ['zen'],
    protocol: family,
    context: 2_000_000,
    maxOutput: 500_000,
    capabilities: { tools: true, reasoning: true, images: true },
    price: TEST_PRICE,
    routes: [{ provider: family, model: name }],
  }
}

function requestIdOf(reply: Reply): string {
  return String(reply.headers['x-request-id'])
}

function shuffle(cases: readonly Case[], seed: number): Case[] {
  const random = randomFor(seed, 'order of cases')
  const keyed = cases.map((replayed) => ({ replayed, key: random() }))
  return keyed.sort((a, b) => a.key - b.key).map(({ replayed }) => replayed)
}

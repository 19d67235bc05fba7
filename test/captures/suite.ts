/** Calls every case in its own protocol through a gateway and compares reply, forwarded request and ledger with it. */
import { post } from '../support/http.ts'
import type { LedgerRow } from '../support/ledger.ts'
import { type Call, callsOf, checkForwardedBody, requestBody } from './call.ts'
import type { Case } from './case.ts'
import { checkCharge, checkStatusNoted, checkUsage } from './check-ledger.ts'
import { checkReply, type Reply } from './check-reply.ts'
import { endingOf } from './expectation.ts'
import { randomFor } from './random.ts'
import type { ReceivedRequest } from './replay-upstream.ts'
import { keyHeaders, pathOf, readPath } from './wire.ts'
import { modelIdOf, UPSTREAM_KEY, type World } from './world.ts'

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

/** A case's own calls follow one another; different cases run side by side, in an order that the seed decides. */
export async function callAll(world: World, { cases, repeat }: SuiteOptions): Promise<CallResult[]> {
  const results: CallResult[] = []
  await sideBySide(world, cases, async (replayed) => {
    for (let round = 0; round < repeat; round++) {
      for (const call of callsOf(replayed)) results.push(await callOnce(world, call))
    }
  })
  return results
}

/** What the cases cost in their own protocol, by `family/name`; every call of a case costs the same. */
export function rowsOf(calls: readonly CallResult[]): Map<string, LedgerRow> {
  return new Map(
    calls.flatMap(({ call: { replayed }, row }) =>
      row ? [[`${replayed.family}/${replayed.name}`, row] as const] : [],
    ),
  )
}

/** Works through cases, some at a time, in an order that the seed decides. */
export async function sideBySide<Item extends object>(
  { seed }: World,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = shuffle(items, seed)
  const worker = async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
}

async function callOnce(world: World, call: Call): Promise<CallResult> {
  const { upstream } = world
  const before = upstream.received(call.replayed).length
  const reply = await send(world, call)
  const row = world.rowOf(String(reply.headers['x-request-id']))
  const received = upstream.received(call.replayed).slice(before)
  const missing = ['no request row']
  const early = row?.state === 'held' ? ['the reply ended before its money was settled'] : []
  return {
    call,
    row,
    reply: checkReply(call, reply),
    forwarded: checkForwarded(call, received),
    usage: row === null ? missing : [...checkUsage(call, row), ...checkStatusNoted(reply, row)],
    charge: row === null ? missing : [...checkCharge(call, row), ...early],
  }
}

async function send({ gateway }: World, call: Call): Promise<Reply> {
  const { family, name, stream, form } = call.replayed
  const model = modelIdOf(family, name)
  const url = `${gateway.baseUrl}/zen/v1${pathOf(family, { model, stream, form })}`
  const headers = { ...keyHeaders(family, gateway.apiKey), 'content-type': 'application/json' }
  try {
    return await post(url, headers, requestBody(call, model))
  } catch (error) {
    return { status: 0, headers: {}, body: Buffer.from(`no answer: ${error}`), ended: false }
  }
}

/** One attempt, unless the upstream failed: then there may be more. */
function checkForwarded(call: Call, received: readonly ReceivedRequest[]): string[] {
  const [first, ...more] = received
  if (first === undefined) return ['nothing reached the upstream']
  const problems = [...checkForwardedBody(call, first.body), ...checkForwardedHead(call, first)]
  if (more.length > 0 && endingOf(call.replayed) !== 'unavailable')
    problems.push(`expected one upstream request, got ${received.length}`)
  return problems
}

function checkForwardedHead({ replayed }: Call, { path, headers }: ReceivedRequest): string[] {
  const problems: string[] = []
  const [[name, credential] = ['', '']] = Object.entries(keyHeaders(replayed.family, UPSTREAM_KEY))
  if (headers[name] !== credential) problems.push(`expected the operator's key in ${name}`)
  if (JSON.stringify(headers).includes('sk-zendo')) problems.push("the client's key reached the upstream")
  const wanted = pathOf(replayed.family, { model: replayed.name, stream: replayed.stream, form: replayed.form })
  if (JSON.stringify(readPath(path)) !== JSON.stringify(readPath(wanted)))
    problems.push(`expected the path ${wanted}, got ${path}`)
  return problems
}

function shuffle<Item>(items: readonly Item[], seed: number): Item[] {
  const random = randomFor(seed, 'order of cases')
  const keyed = items.map((item) => ({ item, key: random() }))
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item)
}

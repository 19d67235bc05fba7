/** M20: providers that fail before their first byte, billing in secret or not, and the next one answers: one charge. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { answerWith } from '../money/scene.ts'
import { CHAT, DIALECTS, jsonReply } from '../support/dialect.ts'
import { forEachEngine } from '../support/engines.ts'
import { type FaultUpstream, type Script, startFaultUpstream } from '../support/fault-upstream.ts'
import { within } from '../support/until.ts'
import { fullViolationsOf } from './checker.ts'
import { type Gateways, type Spender, startGateways } from './gateways.ts'
import { createRandom } from './random.ts'
import { IS_LONG, SEED } from './world.ts'

const REQUESTS = IS_LONG ? 1000 : 60
const AT_ONCE = 15
const PRICE = { input: 2, output: 10 }
const USED = { input: 10, output: 50 }
/** Nano-dollars: tokens at so many dollars a million. */
const COST = BigInt(USED.input * PRICE.input * 1000 + USED.output * PRICE.output * 1000)
/** Ample for all of it. */
const POSTED = 100_000_000_000n

/** The last of these has made the answer, and bills it, before its line breaks. */
const FAULTS: readonly Script[] = [
  (call) => call.write(jsonReply('{"error":{"message":"no"}}', '500 No')),
  (call) => call.write(jsonReply('{"error":{"message":"busy"}}', '529 Busy')),
  (call) => call.reset(),
  (call) => call.write(jsonReply('{"error":{"message":"after all the work"},"usage":{"total_tokens":60}}', '502 Late')),
]

interface Attempt {
  readonly request_id: string
  readonly provider: string
  readonly outcome: string
}

async function checkBooks(
  { db }: Gateways,
  { workspaceId, accountId }: Spender,
  spoiled: ReadonlyMap<string, number>,
): Promise<void> {
  const rows = await db.all<{ id: string; charged: bigint; state: string; attempts: bigint }>(
    'SELECT id, charged, state, attempts FROM request WHERE workspace_id = ?',
    workspaceId,
  )
  assert.equal(rows.length, REQUESTS)
  assert.deepEqual(new Set(rows.map(({ state, charged }) => `${state} ${charged}`)), new Set([`settled ${COST}`]))
  const attempts = await db.all<Attempt>(
    'SELECT request_id, provider, outcome FROM attempt WHERE request_id IN (SELECT id FROM request WHERE workspace_id = ?) ORDER BY request_id, n',
    workspaceId,
  )
  for (const { id, attempts: count } of rows) {
    const own = attempts.filter(({ request_id }) => request_id === id)
    assert.equal(BigInt(own.length), count)
    assert.equal(own.length, (spoiled.get(id) ?? 0) + 1, 'an attempt is a row, and none is made twice')
    assert.deepEqual(
      own.map(({ provider }) => provider),
      ['first', 'second', 'third'].slice(0, own.length),
    )
  }
  const balance = await db.get<{ posted: bigint }>('SELECT posted FROM account WHERE id = ?', accountId)
  assert.equal(balance?.posted, POSTED - BigInt(REQUESTS) * COST)
}

forEachEngine((engine) => {
  it(`${REQUESTS} requests, whose first providers fail at random, are charged once each (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const random = createRandom(SEED)
    const upstreams: FaultUpstream[] = []
    while (upstreams.length < 3) {
      const upstream = await startFaultUpstream((call) => answerWith(call, USED))
      upstreams.push(upstream)
      t.after(() => upstream.close())
    }
    const names = ['first', 'second', 'third']
    const providers = Object.fromEntries(
      names.map((name, i) => {
        const url = `${upstreams[i]?.origin}/v1`
        return [name, { baseUrls: { 'openai-chat': url, 'anthropic-messages': url }, apiKey: 'test' }]
      }),
    )
    const routes = names.map((name, priority) => ({ provider: name, model: 'm', priority }))
    const models = { many: { products: ['zen', 'go'], price: PRICE, routes } }
    const gateways = await startGateways(t, engine, 'three processes', () => ({ providers, models }))
    const spender = await gateways.addSpender(POSTED)
    const spoiled = new Map<string, number>()
    const askOne = async (n: number): Promise<void> => {
      const tag = `request-${n}`
      const faults = random.below(3)
      for (const upstream of upstreams.slice(0, faults)) upstream.on(tag, random.pick(FAULTS))
      const answer = gateways.ask(n, DIALECTS[n % 2] ?? CHAT, {
        key: spender.key,
        tag,
        model: 'many',
        stream: n % 4 < 2,
      })
      await within('the answer', answer.over, 10_000)
      assert.equal(answer.status(), 200, answer.text())
      spoiled.set(String(answer.headers()['x-request-id']), faults)
      const calls = upstreams.map((upstream) => upstream.callsOf(tag).length)
      assert.deepEqual(
        calls,
        [0, 1, 2].map((i) => (i <= faults ? 1 : 0)),
      )
    }
    for (let n = 0; n < REQUESTS; n += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => askOne(n + i)))
    }
    await gateways.settled()
    await checkBooks(gateways, spender, spoiled)
    assert.deepEqual(await fullViolationsOf(gateways.db), [])
  })
})

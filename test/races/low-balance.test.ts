/**
 * M18: a balance that pays for a part of an answer buys that part. The cap that is sent upstream is what it pays for; the
 * hold grows while the answer streams; where it cannot, the answer ends politely; what goes beyond it is the operator's.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { answerWith, createGate, DOLLAR } from '../money/scene.ts'
import { CHAT, CHUNKED_STREAM_HEAD, chunk, DIALECTS, type Dialect, jsonReply, LAST_CHUNK } from '../support/dialect.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import type { ReceivedCall } from '../support/fault-upstream.ts'
import { watch } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'
import { fullViolationsOf } from './checker.ts'
import { type Gateways, type Spender, startGateways } from './gateways.ts'
import { IS_LONG } from './world.ts'

/** On `exact` prompts are free, and so many tokens of output cost a dollar. */
const TOKENS_PER_DOLLAR = 2000
const TOKEN = DOLLAR / BigInt(TOKENS_PER_DOLLAR)
const SLICE = 4096
const ROUNDS = IS_LONG ? 50 : 2

interface Row {
  readonly state: string
  readonly outcome: string
  readonly hold: bigint
  readonly max_hold: bigint
  readonly cost: bigint
  readonly charged: bigint
  readonly clamped_output: bigint | null
}

async function rowOf({ db }: Gateways, { workspaceId }: Spender, order: 'first' | 'last' = 'last'): Promise<Row> {
  const row = await db.get<Row>(
    'SELECT state, outcome, hold, max_hold, cost, charged, clamped_output FROM request WHERE workspace_id = ?' +
      ` ORDER BY id ${order === 'last' ? 'DESC' : ''} LIMIT 1`,
    workspaceId,
  )
  assert.ok(row)
  return row
}

async function postedOf({ db }: Gateways, { accountId }: Spender): Promise<bigint> {
  return (await db.get<{ posted: bigint }>('SELECT posted FROM account WHERE id = ?', accountId))?.posted ?? -1n
}

/** How a request of each protocol asks for 10,000 tokens, and where the cap stands in what the upstream gets. */
const ASKS: Readonly<Record<string, { path: string; body: object; cap: RegExp }>> = {
  'openai-chat': {
    path: 'v1/chat/completions',
    body: { messages: [{ role: 'user', content: 'hi' }], max_tokens: 10_000 },
    cap: /"max_(?:completion_)?tokens":\s*(\d+)/,
  },
  'anthropic-messages': {
    path: 'v1/messages',
    body: { messages: [{ role: 'user', content: 'hi' }], max_tokens: 10_000 },
    cap: /"max_tokens":\s*(\d+)/,
  },
  'openai-responses': {
    path: 'v1/responses',
    body: { input: 'hi', max_output_tokens: 10_000 },
    cap: /"max_output_tokens":\s*(\d+)/,
  },
  'google-generate': {
    path: 'v1/models/capped-google-generate:generateContent',
    body: { contents: [{ role: 'user', parts: [{ text: 'hi' }] }], generationConfig: { maxOutputTokens: 10_000 } },
    cap: /"maxOutputTokens":\s*(\d+)/,
  },
}

/** A model of each protocol, spoken by its provider alone. */
function cappedModels(origin: string): { providers: object; models: object } {
  const names = Object.keys(ASKS)
  return {
    providers: Object.fromEntries(
      names.map((name) => [name, { baseUrls: { [name]: `${origin}/v1` }, apiKey: 'test' }]),
    ),
    models: Object.fromEntries(
      names.map((name) => [
        `capped-${name}`,
        { price: { input: 0, output: 500 }, products: ['zen', 'go'], routes: [{ provider: name, model: 'm' }] },
      ]),
    ),
  }
}

async function checkClamp(gateways: Gateways, protocol: string): Promise<void> {
  const { path, body, cap } = ASKS[protocol] ?? assert.fail(protocol)
  const spender = await gateways.addSpender(DOLLAR)
  const tag = `clamp-${protocol}`
  const calls = gateways.upstream.calls.length
  gateways.upstream.on(tag, (call) => call.write(jsonReply('{"error":{"message":"seen"}}', '400 No')))
  const url = `${gateways.instances[0]?.baseUrl()}/zen/${path}`
  const answer = watch(url, JSON.stringify({ model: `capped-${protocol}`, ...body }), { key: spender.key })
  await within('the answer', answer.over, 10_000)
  const sent = gateways.upstream.calls[calls]
  assert.ok(sent, `${protocol}: nothing was sent upstream: ${answer.text()}`)
  assert.equal(Number(cap.exec(sent.body)?.[1]), TOKENS_PER_DOLLAR, sent.body)
  const row = await rowOf(gateways, spender)
  assert.deepEqual([row.hold, row.clamped_output], [DOLLAR, BigInt(TOKENS_PER_DOLLAR)])
}

/** Writes text, a few tokens at a time, until nobody reads any more; then the closing frames. */
async function writeOn(call: ReceivedCall, dialect: Dialect, tokens: number): Promise<void> {
  for (let written = 0; written < tokens && !call.isClosed(); written += 200) {
    await call.write(chunk(dialect.delta('word '.repeat(200))))
    await delay(5)
  }
}

/** An upstream that writes three times as much as it was asked for, and says so in the end. */
async function checkOverlong(gateways: Gateways, dialect: Dialect, round: number): Promise<void> {
  const spender = await gateways.addSpender(DOLLAR)
  const tag = `overlong-${dialect.path}-${round}`
  const tokens = 3 * TOKENS_PER_DOLLAR
  gateways.upstream.on(tag, async (call) => {
    await call.write(CHUNKED_STREAM_HEAD + chunk(dialect.opening(10)))
    await writeOn(call, dialect, tokens)
    await call.write(chunk(dialect.closing({ input: 10, output: tokens }) + dialect.terminal) + LAST_CHUNK)
  })
  const answer = gateways.ask(round, dialect, { key: spender.key, tag, stream: true, maxTokens: 10_000 })
  assert.equal(await within('the answer', answer.over, 20_000), 'whole')
  await gateways.settled()
  const row = await rowOf(gateways, spender)
  assert.ok(answer.text().includes(dialect.terminalMark), 'it ends as answers end')
  assert.match(answer.text(), /"(?:length|max_tokens)"/)
  assert.equal(row.state, 'settled')
  assert.ok(row.charged <= row.hold && row.charged <= DOLLAR, `${row.charged} of ${row.hold}`)
  assert.equal(await postedOf(gateways, spender), DOLLAR - row.charged)
}

/** Reasoning that nobody sees and that goes beyond the cap: the charge is the hold, and the rest is written off. */
async function checkHidden(gateways: Gateways, dialect: Dialect, round: number): Promise<void> {
  const spender = await gateways.addSpender(DOLLAR)
  const tag = `hidden-${dialect.path}-${round}`
  const tokens = 3 * TOKENS_PER_DOLLAR
  gateways.upstream.on(tag, (call) => answerWith(call, { input: 10, output: tokens }))
  const answer = gateways.ask(round, dialect, { key: spender.key, tag, stream: round % 2 === 0, maxTokens: 10_000 })
  await within('the answer', answer.over, 10_000)
  await gateways.settled()
  const row = await rowOf(gateways, spender)
  assert.deepEqual([row.charged, row.cost], [DOLLAR, 3n * DOLLAR])
  const lost = await gateways.db.get<{ amount: bigint }>(
    "SELECT amount FROM entry WHERE account_id = 'write_off' AND transfer_id =" +
      " (SELECT 's:' || id FROM request WHERE workspace_id = ?)",
    spender.workspaceId,
  )
  assert.equal(lost?.amount, -2n * DOLLAR)
  assert.equal(await postedOf(gateways, spender), 0n)
  const output = gateways.instances.map((instance) => instance.output()).join('')
  assert.match(output, /the difference is written off/)
}

/** A stream holds one slice; another request takes what the next one needs. */
async function checkTakenBetween(gateways: Gateways, dialect: Dialect, round: number): Promise<void> {
  const spender = await gateways.addSpender(3n * DOLLAR)
  const tag = `between-${dialect.path}-${round}`
  const gate = createGate()
  gateways.upstream.on(tag, async (call) => {
    await call.write(CHUNKED_STREAM_HEAD + chunk(dialect.opening(10) + dialect.delta('first')))
    await gate.opened
    // Far more than was asked for: it is the gateway that ends it, as soon as it knows that there is no more money.
    await writeOn(call, dialect, 200_000)
    await call.write(chunk(dialect.closing({ input: 10, output: 6000 }) + dialect.terminal) + LAST_CHUNK)
  })
  const answer = gateways.ask(round, dialect, { key: spender.key, tag, stream: true, maxTokens: 10_000 })
  await within('the first token', answer.saw('first'), 10_000)
  const before = await rowOf(gateways, spender)
  assert.deepEqual([before.hold, before.max_hold], [BigInt(SLICE) * TOKEN, 3n * DOLLAR])
  const taker = gateways.ask(round + 1, CHAT, { key: spender.key, tag: 'taker', maxTokens: 1500 })
  await within('the other answer', taker.over, 10_000)
  assert.equal(taker.status(), 200, taker.text())
  gate.open()
  assert.equal(await within('the answer', answer.over, 20_000), 'whole')
  await gateways.settled()
  const row = await rowOf(gateways, spender, 'first')
  assert.ok(answer.text().includes(dialect.terminalMark), 'it ends as answers end')
  assert.match(answer.text(), /"(?:length|max_tokens)"/)
  assert.match(answer.text(), /The answer was ended here/)
  assert.equal(row.hold, BigInt(SLICE) * TOKEN, 'it could not grow')
  assert.ok(row.charged > row.hold / 2n && row.charged <= row.hold, `${row.charged} of ${row.hold}`)
  assert.equal(await postedOf(gateways, spender), 3n * DOLLAR - 1500n * TOKEN - row.charged)
}

/** Nobody takes anything: the hold grows as far as the answer goes. */
async function checkGrows(gateways: Gateways, dialect: Dialect, round: number): Promise<void> {
  const spender = await gateways.addSpender(3n * DOLLAR)
  const tag = `grows-${dialect.path}-${round}`
  gateways.upstream.on(tag, async (call) => {
    await call.write(CHUNKED_STREAM_HEAD + chunk(dialect.opening(10)))
    await writeOn(call, dialect, 5000)
    await call.write(chunk(dialect.closing({ input: 10, output: 5000 }) + dialect.terminal) + LAST_CHUNK)
  })
  const answer = gateways.ask(round, dialect, { key: spender.key, tag, stream: true, maxTokens: 10_000 })
  assert.equal(await within('the answer', answer.over, 20_000), 'whole')
  await gateways.settled()
  const row = await rowOf(gateways, spender)
  assert.deepEqual([row.state, row.charged], ['settled', 5000n * TOKEN])
  assert.ok(row.hold >= row.charged)
  await until(
    'it is taken off the balance',
    async () => (await postedOf(gateways, spender)) === 3n * DOLLAR - 5000n * TOKEN,
  )
}

function define(engine: TestEngine): void {
  describe('a balance that pays for a part', () => {
    it('sends upstream the cap that it pays for, on each protocol', async (t) => {
      const gateways = await startGateways(t, engine, 'one process', cappedModels)
      for (const protocol of Object.keys(ASKS)) await checkClamp(gateways, protocol)
    })

    it('lets the hold grow, ends politely where it cannot, and never charges more than was held', async (t) => {
      const gateways = await startGateways(t, engine, 'three processes')
      for (let round = 0; round < ROUNDS; round++) {
        for (const dialect of DIALECTS) {
          await checkGrows(gateways, dialect, round)
          await checkTakenBetween(gateways, dialect, round)
          await checkOverlong(gateways, dialect, round)
          await checkHidden(gateways, dialect, round)
        }
      }
      assert.deepEqual(await fullViolationsOf(gateways.db), [])
    })
  })
}

forEachEngine(define)

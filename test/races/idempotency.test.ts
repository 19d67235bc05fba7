/** M19: an Idempotency-Key stands for one request: whoever comes with it again, on whichever process, is not charged twice. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answerWith, createGate, EXACT_HOLD } from '../money/scene.ts'
import { CHAT, DIALECTS, type Dialect, jsonReply } from '../support/dialect.ts'
import type { TestEngine } from '../support/engines.ts'
import type { WatchedAnswer } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'
import { fullViolationsOf } from './checker.ts'
import { type Gateways, type Spender, startGateways } from './gateways.ts'
import { forEachField, type Setting } from './nodes.ts'
import { IS_LONG } from './world.ts'

const TWINS = 10
const ROUNDS = IS_LONG ? 500 : 4
const USED = { input: 10, output: 1000 }

interface Told {
  readonly status: number | null
  readonly message: string
}

function toldOf(answer: WatchedAnswer): Told {
  const { error } = JSON.parse(answer.text()) as { error?: { message?: string } }
  return { status: answer.status(), message: error?.message ?? '' }
}

async function over(answers: readonly WatchedAnswer[]): Promise<void> {
  for (const answer of answers) await within('each is answered', answer.over, 10_000)
}

async function spentBy({ db }: Gateways, { accountId }: Spender, posted: bigint): Promise<bigint> {
  const row = await db.get<{ posted: bigint }>('SELECT posted FROM account WHERE id = ?', accountId)
  return posted - (row?.posted ?? 0n)
}

function dialectAt(i: number): Dialect {
  return DIALECTS[i % DIALECTS.length] ?? CHAT
}

/** Twins come at once, and the upstream answers only when all others were refused. */
async function checkTwins(gateways: Gateways, spender: Spender, round: number): Promise<void> {
  const [tag, dialect] = [`twins-${round}`, dialectAt(round)]
  const gate = createGate()
  gateways.upstream.on(tag, async (call) => {
    await gate.opened
    await answerWith(call, USED)
  })
  const request = { key: spender.key, tag, stream: round % 4 < 2, idempotencyKey: tag }
  const answers = Array.from({ length: TWINS }, (_, i) => gateways.ask(i, dialect, request))
  const refused = (): WatchedAnswer[] => answers.filter((answer) => answer.status() === 409)
  await until('all but one are refused', () => refused().length === TWINS - 1, 10_000)
  gate.open()
  await over(answers)
  assert.equal(gateways.upstream.callsOf(tag).length, 1, 'the upstream was called once')
  const won = answers.find((answer) => answer.status() === 200)
  const id = String(won?.headers()['x-request-id'])
  for (const answer of refused()) {
    assert.match(toldOf(answer).message, /is under way|was answered/)
    assert.ok(answer.text().includes(id), `${answer.text()} names ${id}`)
  }
  const later = gateways.ask(round, dialect, request)
  await over([later])
  assert.deepEqual([later.status(), later.headers()['x-request-id'] === id], [409, false])
  assert.ok(toldOf(later).message.includes(`was answered (${id}) and charged $0.50`), later.text())
  const other = gateways.ask(round + 1, dialect, { ...request, prompt: 'something else' })
  await over([other])
  assert.equal(other.status(), 409)
  assert.match(toldOf(other).message, /another request body/)
  assert.equal(gateways.upstream.callsOf(tag).length, 1, 'and never again')
}

/** Twins whose request fails are free to try again: each try is one call. */
async function checkFailures(gateways: Gateways, spender: Spender, round: number): Promise<void> {
  const [tag, dialect] = [`failing-${round}`, dialectAt(round)]
  let isBroken = true
  gateways.upstream.on(tag, (call) =>
    isBroken ? call.write(jsonReply('{"error":{"message":"no"}}', '500 No')) : answerWith(call, USED),
  )
  const request = { key: spender.key, tag, idempotencyKey: tag }
  const failed = gateways.ask(round, dialect, request)
  await over([failed])
  assert.ok((failed.status() ?? 0) >= 500, `${failed.status()}`)
  const callsBefore = gateways.upstream.callsOf(tag).length
  isBroken = false
  const tries = Array.from({ length: TWINS }, (_, i) => gateways.ask(i, dialect, request))
  await over(tries)
  const statuses = tries.map((answer) => answer.status()).sort()
  assert.deepEqual(statuses, [200, ...Array(TWINS - 1).fill(409)])
  assert.equal(gateways.upstream.callsOf(tag).length, callsBefore + 1)
}

/** The same key of two workspaces names two requests. */
async function checkWorkspaces(gateways: Gateways, round: number, spenders: readonly Spender[]): Promise<void> {
  const tag = `apart-${round}`
  const answers = spenders.map(({ key }, i) => gateways.ask(i, CHAT, { key, tag, idempotencyKey: tag }))
  await over(answers)
  assert.deepEqual(
    answers.map((answer) => answer.status()),
    spenders.map(() => 200),
  )
}

function define(engine: TestEngine, setting: Setting): void {
  describe('an Idempotency-Key', () => {
    it(`lets one of ${TWINS} twins through, tells the others, frees itself by failure, and is each workspace's own`, async (t) => {
      const gateways = await startGateways(t, engine, setting)
      const posted = 1000n * EXACT_HOLD
      const [spender, other] = [await gateways.addSpender(posted), await gateways.addSpender(posted)]
      for (let round = 0; round < ROUNDS; round++) {
        await checkTwins(gateways, spender, round)
        await checkFailures(gateways, spender, round)
        await checkWorkspaces(gateways, round, [spender, other])
      }
      await gateways.settled()
      assert.equal(await spentBy(gateways, spender, posted), BigInt(3 * ROUNDS) * EXACT_HOLD)
      assert.equal(await spentBy(gateways, other, posted), BigInt(ROUNDS) * EXACT_HOLD)
      assert.deepEqual(await fullViolationsOf(gateways.db), [])
    })
  })
}

forEachField(define)

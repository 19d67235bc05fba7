/** Many clients at once on the last of the money: no more is let out than there is, whatever it is drawn on. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { formatUsd } from '../../src/base/money.ts'
import { DIALECTS, type Dialect } from '../support/dialect.ts'
import type { WatchedAnswer } from '../support/stream-client.ts'
import { addTenants } from '../support/tenants.ts'
import { until, within } from '../support/until.ts'
import { onEachEngine } from './engines.ts'
import {
  answerFully,
  answerWith,
  createGate,
  DOLLAR,
  EXACT_HOLD,
  EXACT_TOKENS,
  planTightIn,
  requestIdOf,
  type Scene,
  sampleViolations,
  startScene,
  WINDOW_NAMES,
} from './scene.ts'

const CLIENTS = 64
const AFFORDABLE = 10

let scene: Scene
/** Brings the balance to $5: what ten requests hold. */
async function fillBalance(): Promise<void> {
  const { posted } = scene.books.balance()
  const missing = 5n * DOLLAR - posted
  if (missing > 0n) await scene.instance.cli('credit', 'grant', formatUsd(missing))
  assert.equal(scene.books.balance().posted, 5n * DOLLAR)
}

interface Crowd {
  readonly answers: WatchedAnswer[]
  refused(): WatchedAnswer[]
}

/** Sends the requests all at once, half of each protocol, half streamed. */
function sendCrowd(tag: string, count: number, more: object): Crowd {
  const answers = Array.from({ length: count }, (_, i) =>
    scene.ask(DIALECTS[i % 2] as Dialect, { tag, stream: i % 4 < 2, ...more }),
  )
  return { answers, refused: () => answers.filter((answer) => (answer.status() ?? 0) >= 400) }
}

/** Runs a crowd against an upstream that answers only after all others were refused; returns the admitted answers. */
async function race(
  tag: string,
  more: object,
  admitted: number,
): Promise<{ won: WatchedAnswer[]; lost: WatchedAnswer[] }> {
  const gate = createGate()
  scene.upstream.on(tag, async (call) => {
    await gate.opened
    await answerFully(call)
  })
  const stopSampling = sampleViolations(scene.books)
  const crowd = sendCrowd(tag, CLIENTS, more)
  await until('all others are refused', () => crowd.refused().length >= CLIENTS - admitted)
  await until('the admitted ones are under way', () => scene.upstream.callsOf(tag).length >= admitted)
  gate.open()
  for (const answer of crowd.answers) await within('each is answered', answer.over, 5000)
  assert.deepEqual(stopSampling(), [])
  assert.equal(scene.upstream.callsOf(tag).length, admitted, 'a refused request reached the upstream')
  const lost = crowd.refused()
  return { won: crowd.answers.filter((answer) => !lost.includes(answer)), lost }
}

function codesOf(answers: readonly WatchedAnswer[]): Set<string> {
  return new Set(answers.map((answer) => `${answer.status()} ${/"code":"(\w+)"/.exec(answer.text())?.[1]}`))
}

function fundingOf(answers: readonly WatchedAnswer[]): string[] {
  return answers.map((answer) => {
    const row = scene.books.find(requestIdOf(answer))
    assert.equal(row?.funding, answer.headers()['x-zendo-funding'], 'header and row name the same funding')
    return String(row?.funding)
  })
}

onEachEngine((engine) => {
  before(async () => {
    scene = await startScene({ engine })
  })
  after(async () => {
    try {
      await scene.assertBalanced()
    } finally {
      await scene.close()
    }
  })

  describe('64 clients at once', () => {
    for (const round of [1, 2, 3]) {
      it(`on a balance for ten requests: ten are admitted, the others get 402 (round ${round})`, async () => {
        await fillBalance()
        const { won, lost } = await race(`balance-${round}`, {}, AFFORDABLE)
        assert.equal(won.length, AFFORDABLE)
        assert.deepEqual([...codesOf(lost)], ['402 insufficient_balance'])
        assert.equal(scene.books.balance().posted, 0n)
        assert.equal(scene.books.balance().held, 0n)
      })
    }

    for (const name of WINDOW_NAMES) {
      it(`on a ${name} window for ten requests: ten are admitted, the others are told of that window`, async () => {
        const [tenant] = addTenants(scene.place, 1, { planId: planTightIn(name) })
        const { won, lost } = await race(`window-${name}`, { product: 'go', key: tenant?.key }, AFFORDABLE)
        assert.deepEqual(fundingOf(won), Array(AFFORDABLE).fill('plan'))
        assert.deepEqual([...codesOf(lost)], ['429 plan_limit'])
        for (const answer of lost) {
          assert.match(answer.text(), new RegExp(`"limitName":"${name}"`))
          assert.equal(answer.headers()['x-should-retry'], 'false')
          assert.ok(Number(answer.headers()['retry-after']) > 0)
        }
        const windows = scene.books.windows().filter(({ seat_id }) => seat_id === tenant?.seatId)
        assert.deepEqual(
          windows.map(({ settled, held }) => [settled, held]),
          Array(3).fill([5n * DOLLAR, 0n]),
        )
      })
    }

    it('on a window that a weight halves: five are admitted', async () => {
      const [tenant] = addTenants(scene.place, 1, { planId: planTightIn('weekly') })
      const { won } = await race('heavy', { product: 'go', key: tenant?.key, model: 'heavy' }, AFFORDABLE / 2)
      for (const answer of won) assert.equal(scene.books.find(requestIdOf(answer))?.charged, EXACT_HOLD)
    })

    it('on a full window with use-balance: ten go on the plan, ten on the balance, and each row says which', async () => {
      await fillBalance()
      const [tenant] = addTenants(scene.place, 1, { planId: planTightIn('5 hour'), useBalance: true })
      const { won, lost } = await race('fallover', { product: 'go', key: tenant?.key }, 2 * AFFORDABLE)
      const funding = fundingOf(won)
      assert.equal(funding.filter((source) => source === 'plan').length, AFFORDABLE)
      assert.equal(funding.filter((source) => source === 'balance').length, AFFORDABLE)
      assert.deepEqual([...codesOf(lost)], ['402 insufficient_balance'])
      assert.equal(scene.books.balance().posted, 0n)
    })

    it('on a window and on one balance from both products share what there is', async () => {
      await fillBalance()
      const [fallsOver] = addTenants(scene.place, 1, { planId: planTightIn('monthly'), useBalance: true })
      const gate = createGate()
      scene.upstream.on('shared', async (call) => {
        await gate.opened
        await answerFully(call)
      })
      const stopSampling = sampleViolations(scene.books)
      const go = sendCrowd('shared', 32, { product: 'go', key: fallsOver?.key })
      const zen = sendCrowd('shared', 32, {})
      await until(
        'all others are refused',
        () => go.refused().length + zen.refused().length === CLIENTS - 2 * AFFORDABLE,
      )
      gate.open()
      for (const answer of [...go.answers, ...zen.answers]) await within('each is answered', answer.over, 5000)
      assert.deepEqual(stopSampling(), [])
      assert.equal(scene.books.balance().posted, 0n)
    })
  })

  it('a first request of a seat, sent 32 times at once, opens one window of each kind', async () => {
    const tenants = addTenants(scene.place, 12, { planId: planTightIn('5 hour') })
    for (const [round, tenant] of tenants.entries()) {
      const crowd = sendCrowd(`first-${round}`, 32, { product: 'go', key: tenant.key })
      for (const answer of crowd.answers) await within('each is answered', answer.over, 5000)
      const windows = scene.books.windows().filter(({ seat_id }) => seat_id === tenant.seatId)
      assert.deepEqual(windows.map(({ name }) => name).sort(), [...WINDOW_NAMES].sort())
      for (const { settled } of windows) assert.equal(settled, 5n * DOLLAR)
      assert.equal(scene.upstream.callsOf(`first-${round}`).length, AFFORDABLE)
    }
  })

  it('100 parallel turns of one session that cost less than they hold spend the balance down and never beyond', async () => {
    await fillBalance()
    const used = { input: 10, output: EXACT_TOKENS / 5 }
    scene.upstream.on('session', (call) => answerWith(call, used))
    const stopSampling = sampleViolations(scene.books)
    let charged = 0n
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        // Asks again, as agents do, until the money is really gone.
        for (;;) {
          const answer = scene.ask(DIALECTS[i % 2] as Dialect, {
            tag: 'session',
            stream: i % 4 < 2,
            headers: { 'x-zendo-session': 'one-session' },
          })
          await answer.over
          if (answer.status() === 200) charged += EXACT_HOLD / 5n
          else if (scene.books.openHolds() === 0) return
        }
      }),
    )
    assert.deepEqual(stopSampling(), [])
    const left = scene.books.balance().posted
    assert.equal(left + charged, 5n * DOLLAR)
    assert.ok(left >= 0n && left < EXACT_HOLD, `${left} would have paid for another`)
  })
})

/** M09 from outside: 64 clients on a balance for ten requests, on three gateways. Nobody but ten is sent on. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { answerWith, createGate, EXACT_HOLD } from '../money/scene.ts'
import { CHAT, DIALECTS } from '../support/dialect.ts'
import { forEachEngine } from '../support/engines.ts'
import { until, within } from '../support/until.ts'
import { sampleViolations } from './checker.ts'
import { startGateways } from './gateways.ts'
import { IS_LONG } from './world.ts'

const CLIENTS = 64
const AFFORDABLE = 10
const ROUNDS = IS_LONG ? 50 : 3

forEachEngine((engine) => {
  it('of 64 clients ten are sent on, the others get 402, and the balance ends at zero', async (t) => {
    const gateways = await startGateways(t, engine, 'three processes')
    const { db, upstream } = gateways
    const stopSampling = sampleViolations(db)
    for (let round = 0; round < ROUNDS; round++) {
      const spender = await gateways.addSpender(BigInt(AFFORDABLE) * EXACT_HOLD)
      const tag = `round-${round}`
      const gate = createGate()
      upstream.on(tag, async (call) => {
        await gate.opened
        await answerWith(call, { input: 10, output: 1000 })
      })
      const answers = Array.from({ length: CLIENTS }, (_, i) =>
        gateways.ask(i, DIALECTS[i % 2] ?? CHAT, { key: spender.key, tag, stream: i % 4 < 2 }),
      )
      const refused = (): number => answers.filter((answer) => answer.status() === 402).length
      await until('all others are refused', () => refused() === CLIENTS - AFFORDABLE, 10_000)
      gate.open()
      for (const answer of answers) await within('each is answered', answer.over, 10_000)
      assert.equal(upstream.callsOf(tag).length, AFFORDABLE)
      await gateways.settled()
      const row = await db.get<{ posted: bigint; held: bigint }>(
        'SELECT posted, held FROM account WHERE id = ?',
        spender.accountId,
      )
      assert.deepEqual([row?.posted, row?.held], [0n, 0n])
    }
    assert.deepEqual(await stopSampling(), [])
  })
})

/** M23: lots that expire while they are held, refunds, and the order of spending, as a model says that they should be. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { fullViolationsOf } from './checker.ts'
import { NOTHING_SEEN, runCreditProgram } from './credit-program.ts'
import { createRandom } from './random.ts'
import { addBuyer, IS_LONG, SEED } from './world.ts'

const BATCH = 50

forEachEngine((engine) => {
  const programs = (engine.name === 'sqlite' ? 5000 : 300) * (IS_LONG ? 10 : 1)

  it(`${programs} random programs leave in each lot what the model says (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const db = await engine.openDatabase(t)
    await addBuyer(db, 0n)
    const random = createRandom(SEED)
    const seen = { ...NOTHING_SEEN }
    for (let done = 0; done < programs; done += BATCH) {
      await db.write(
        async (sql) => {
          for (let n = 0; n < BATCH; n++) await runCreditProgram(db, sql, random, seen)
        },
        { opensLedger: true, maxWaitMs: 60_000 },
      )
    }
    // Each of what makes credit hard has come up, often enough.
    for (const [what, count] of Object.entries(seen)) assert.ok(count > programs / 25, `${what}: ${count}`)
    assert.deepEqual(await fullViolationsOf(db), [])
  })
})

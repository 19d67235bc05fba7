/** M09: 64 clients on a balance for exactly ten requests, on several ledgers at once. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { faultsOf, raceForLastMoney } from './last-money.ts'
import { createField, forEachField } from './nodes.ts'
import { createRandom } from './random.ts'
import { IS_LONG, SEED } from './world.ts'

const ROUNDS = IS_LONG ? 1000 : 25

forEachField((engine, setting) => {
  it(`of 64 clients exactly ten are admitted, and the balance is never below zero (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    const { rounds, violations } = await raceForLastMoney(field, ROUNDS, createRandom(SEED))
    assert.deepEqual(rounds.flatMap(faultsOf), [])
    assert.deepEqual(violations, [])
  })
})

/** A request is ended once, whoever says so first: its node, that node again, or the sweep of another. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createField, forEachField } from './nodes.ts'
import { createRandom } from './random.ts'
import { raceEnds } from './two-ends.ts'
import { IS_LONG, SEED } from './world.ts'

const ROUNDS = IS_LONG ? 500 : 10

forEachField((engine, setting) => {
  it(`of three ends at once one counts, and what it charged is what is missing (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    const { faults, violations } = await raceEnds(field, ROUNDS, createRandom(SEED))
    assert.deepEqual(faults, [])
    assert.deepEqual(violations, [])
  })
})

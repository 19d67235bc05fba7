/** M11: the first requests of a subject, all at once, open one window of each name, and its limit holds. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { raceFirstRequests } from './first-request.ts'
import { createField, forEachField } from './nodes.ts'
import { createRandom } from './random.ts'
import { IS_LONG, SEED } from './world.ts'

/** With both settings, 200 on each engine. */
const SUBJECTS = IS_LONG ? 2000 : 100

forEachField((engine, setting) => {
  it(`${SUBJECTS} fresh subjects get one row of each window, and no more than fits (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    const { faults, violations } = await raceFirstRequests(field, SUBJECTS, createRandom(SEED))
    assert.deepEqual(faults, [])
    assert.deepEqual(violations, [])
  })
})

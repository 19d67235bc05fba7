/** M19 within the ledger: of requests with one idempotency key one at a time is admitted, on whichever node. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { createField, forEachField } from './nodes.ts'
import { createRandom } from './random.ts'
import { raceTwins } from './twins.ts'
import { IS_LONG, SEED } from './world.ts'

const ROUNDS = IS_LONG ? 500 : 30

forEachField((engine, setting) => {
  it(`of twins one is admitted, and the next only when that one was released (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    assert.deepEqual(await raceTwins(field, ROUNDS, createRandom(SEED)), [])
  })
})

forEachEngine((engine) => {
  it('control: keys that are looked up before the lock meet the last guard, the unique index', async (t) => {
    const field = await createField(t, engine, 'one process', 'keysReadEarly')
    const faults = await raceTwins(field, 6, createRandom(SEED))
    assert.notDeepEqual(faults, [])
    assert.doesNotMatch(faults.join('\n'), /an idempotency key stands on one request/)
  })
})

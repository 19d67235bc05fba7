/** L02 and L03: a request counts in the window that admitted it, and clocks that differ open no window twice. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { fullViolationsOf } from './checker.ts'
import { createField, forEachField } from './nodes.ts'
import { createRandom } from './random.ts'
import { rollWindow, skewedFirstRequests, skewedMidnight } from './roll.ts'
import { IS_LONG, SEED } from './world.ts'

const ROUNDS = IS_LONG ? 100 : 3

forEachField((engine, setting) => {
  for (const kind of ['session', 'calendar', 'anchored'] as const) {
    it(`a ${kind} window ends with fifty requests open: they count in it, and the next begins empty (ZENDO_TEST_SEED=${SEED})`, async (t) => {
      const field = await createField(t, engine, setting)
      const random = createRandom(SEED)
      for (let round = 0; round < ROUNDS; round++) await rollWindow(field, kind, random)
      assert.deepEqual(await fullViolationsOf(field.db), [])
    })
  }

  it(`nodes whose clocks are five minutes apart share one window and its limit (ZENDO_TEST_SEED=${SEED})`, async (t) => {
    const field = await createField(t, engine, setting)
    const random = createRandom(SEED)
    for (let round = 0; round < 4 * ROUNDS; round++) await skewedFirstRequests(field, random)
    for (let round = 0; round < ROUNDS; round++) await skewedMidnight(field, random)
    assert.deepEqual(await fullViolationsOf(field.db), [])
  })
})

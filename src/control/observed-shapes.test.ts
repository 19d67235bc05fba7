import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MINUTE_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import type { RequestShape } from '../domain/catalog.ts'
import { buildForTest, modelIn } from '../domain/test-catalog.ts'
import { storageFailure } from '../store/database.ts'
import { createObservedShapes } from './observed-shapes.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, type TestInstance } from './test-instance.ts'

const MODEL = modelIn(buildForTest({}), 'zen', 'glm-5.2')

/** Fifty requests of that many output tokens. */
async function makeTraffic(instance: TestInstance, output: number): Promise<void> {
  for (let n = 0; n < 50; n++) {
    const sample = { id: `req_${output}_${n}`, funding: 'balance' } as const
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage: { ...NO_USAGE, input: 30, output } })
  }
}

/** What the lookup says once it says something. */
async function eventually(look: () => RequestShape | undefined): Promise<RequestShape | undefined> {
  for (let turns = 0; turns < 100 && look() === undefined; turns++) await turn()
  return look()
}

describe('observed request shapes', () => {
  it('are averages of recent traffic, read again when they are old', async (t) => {
    const instance = await createTestInstance(t)
    await makeTraffic(instance, 100)
    let nowMs = NOON_MS
    const lookUp = createObservedShapes(instance.db, () => nowMs)
    assert.deepEqual(await eventually(() => lookUp(MODEL)), { input: 30, cachedRead: 0, output: 100 })
    await makeTraffic(instance, 300)
    nowMs += 5 * MINUTE_MS
    assert.equal(lookUp(MODEL)?.output, 100, 'not old yet')
    nowMs += 1
    assert.equal(lookUp(MODEL)?.output, 100, 'nobody waits for the new ones')
    const renewed = await eventually(() => (lookUp(MODEL)?.output === 100 ? undefined : lookUp(MODEL)))
    assert.equal(renewed?.output, 200)
  })

  it('that cannot be read are none, and harm nobody', async (t) => {
    const instance = await createTestInstance(t)
    await makeTraffic(instance, 100)
    let [nowMs, reads] = [NOON_MS, 0]
    const failing = {
      ...instance.db,
      async all<Row>(): Promise<Row[]> {
        reads++
        throw storageFailure('gone')
      },
    }
    const lookUp = createObservedShapes(failing, () => nowMs)
    for (let turns = 0; turns < 20; turns++) {
      assert.equal(lookUp(MODEL), undefined)
      await turn()
    }
    assert.equal(reads, 1, 'a storage that fails is not asked at each request')
    nowMs += 6 * MINUTE_MS
    lookUp(MODEL)
    assert.equal(reads, 2)
  })
})

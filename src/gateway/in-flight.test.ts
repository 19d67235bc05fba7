/** Never more of one key at once than may be, and never a place that is lost. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createInFlight } from './in-flight.ts'

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)

describe('requests at once', () => {
  it(`are never more than may be, and each end makes one place, whoever ends and however often (seed ${seed})`, () => {
    const step = fc.record({ id: fc.constantFrom('key_a', 'key_b'), leaves: fc.boolean(), which: fc.nat(20) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 100, size: 'max' }), (max, steps) => {
        const inFlight = createInFlight()
        const entered: { id: string; leave: () => void; isIn: boolean }[] = []
        for (const { id, leaves, which } of steps) {
          const one = entered[which % (entered.length || 1)]
          if (leaves && one) {
            one.leave()
            one.isIn = false
            continue
          }
          const underWay = entered.filter((other) => other.id === id && other.isIn).length
          const leave = inFlight.enter(id, max)
          assert.equal(leave !== null, underWay < max)
          if (leave) entered.push({ id, leave, isIn: true })
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it('are counted also while there is no limit, so that one that comes later finds them', () => {
    const inFlight = createInFlight()
    const leave = inFlight.enter('key_a', Number.POSITIVE_INFINITY)
    assert.equal(inFlight.enter('key_a', 1), null)
    leave?.()
    assert.notEqual(inFlight.enter('key_a', 1), null)
  })
})

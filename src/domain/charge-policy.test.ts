import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NO_USAGE, type Usage } from '../base/usage.ts'
import { chargeableUsage, type Delivery, OUTCOMES, type Outcome } from './charge-policy.ts'

const reported: Usage = { ...NO_USAGE, input: 100, output: 40 }
const opening: Usage = { ...NO_USAGE, input: 100, output: 1 }
const base = { usage: null, usageIsFinal: false, promptEstimate: 90, deliveredTokens: 30 }
const withUsage: Delivery = { ...base, usage: reported, usageIsFinal: true }
const withOpening: Delivery = { ...base, usage: opening }
const withoutUsage: Delivery = base
const nothingCame: Delivery = { ...base, deliveredTokens: 0 }

/** Charged input and output per outcome: with final usage, with an opening count, without usage, and with nothing at all. */
const table: Record<Outcome, readonly (readonly [number, number] | null)[]> = {
  complete: [[100, 40], [100, 30], [90, 30], null],
  filtered: [[100, 40], [100, 30], [90, 30], null],
  client_stopped: [[100, 40], [100, 30], [90, 30], null],
  limit_stopped: [[100, 40], [100, 30], [90, 30], null],
  upstream_cut: [[100, 40], [100, 30], [0, 30], null],
  empty: [null, null, null, null],
  upstream_failed: [null, null, null, null],
  operator_fault: [null, null, null, null],
}

describe('charge policy', () => {
  for (const outcome of OUTCOMES) {
    it(`${outcome} is charged as published`, () => {
      const deliveries = [withUsage, withOpening, withoutUsage, nothingCame]
      const charged = deliveries.map((delivery) => {
        const { chargeable, usage } = chargeableUsage(outcome, delivery)
        return chargeable ? [usage.input, usage.output] : null
      })
      assert.deepEqual(charged, table[outcome])
    })
  }

  it('what the upstream reported in full is not called an estimate, everything else is', () => {
    assert.equal(chargeableUsage('complete', withUsage).estimated, false)
    assert.equal(chargeableUsage('complete', withoutUsage).estimated, true)
    assert.equal(chargeableUsage('upstream_cut', withOpening).estimated, true)
  })
})

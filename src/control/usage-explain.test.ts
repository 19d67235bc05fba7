import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, PRICE } from './test-instance.ts'
import { explainRequest } from './usage-explain.ts'

describe('explaining a charge', () => {
  it('shows each product exactly, their sum, the one rounding, and where it counted', (t) => {
    const instance = createTestInstance(t)
    const sample = { id: 'req_1', funding: 'plan', weightPpm: 1_500_000n } as const
    holdSample(instance, sample)
    const usage = { ...NO_USAGE, input: 100, cachedRead: 301, cacheWrite5m: 7, cacheWrite1h: 3, output: 211 }
    endSample(instance, sample, { usage })
    const explained = explainRequest(instance.db, 'req_1')
    assert.ok(explained)
    assert.deepEqual(explained.buckets, [
      { bucket: 'input', tokens: 100, rate: '1.40', product: '0.00014' },
      { bucket: 'cachedRead', tokens: 301, rate: '0.260000003', product: '0.000078260000903' },
      { bucket: 'cacheWrite5m', tokens: 7, rate: '1.75', product: '0.00001225' },
      { bucket: 'cacheWrite1h', tokens: 3, rate: '2.80', product: '0.0000084' },
      { bucket: 'output', tokens: 211, rate: '4.40', product: '0.0009284' },
    ])
    assert.equal(explained.sum, '0.001167310000903')
    assert.match(explained.rounding, /nearest nano-dollar/)
    assert.deepEqual(
      [explained.cost, explained.charged, explained.charged_nano],
      ['0.00116731', '0.00116731', '1167310'],
    )
    assert.deepEqual([explained.price_version, explained.tier_above], [PRICE.version, null])
    assert.deepEqual([explained.funding, explained.outcome, explained.rule], ['plan', 'complete', 'usage_or_estimate'])
    assert.equal(explained.weight, '1.5')
    assert.deepEqual(
      explained.windows.map(({ name, counted_nano }) => [name, counted_nano]),
      [
        ['5 hour', '1750965'],
        ['weekly', '1750965'],
        ['monthly', '1750965'],
      ],
    )
    assert.deepEqual(explained.attempts, [{ n: 1, provider: 'acme', status: 200, outcome: 'complete' }])
  })

  it('names the tier of a long prompt, and what was written off', (t) => {
    const instance = createTestInstance(t)
    const sample = { id: 'req_1', funding: 'balance', hold: parseUsd('0.001') } as const
    holdSample(instance, sample)
    endSample(instance, sample, { usage: { ...NO_USAGE, input: 1001 } })
    const explained = explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.tier_above, explained?.buckets[0]?.rate], [1000, '2.80'])
    assert.deepEqual([explained?.cost, explained?.charged, explained?.written_off], ['0.0028028', '0.001', '0.0018028'])
    assert.deepEqual(explained?.windows, [])
  })

  it('of a free request has no products', (t) => {
    const instance = createTestInstance(t)
    holdSample(instance, { id: 'req_1', funding: 'free' })
    endSample(instance, { id: 'req_1', funding: 'free' }, { usage: { ...NO_USAGE, input: 5 } })
    const explained = explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.sum, explained?.charged, explained?.price_version], [null, '0.00', null])
    assert.deepEqual(explained?.buckets[0], { bucket: 'input', tokens: 5, rate: null, product: null })
  })

  it('of a request under way has a hold and no end', (t) => {
    const instance = createTestInstance(t)
    holdSample(instance, { id: 'req_1', funding: 'balance' })
    const explained = explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.state, explained?.hold, explained?.charged], ['held', '1.00', null])
    assert.deepEqual([explained?.ended_at, explained?.outcome, explained?.written_off], [null, null, null])
  })

  it('of a failed one names the rule by which nothing was charged', (t) => {
    const instance = createTestInstance(t)
    holdSample(instance, { id: 'req_1', funding: 'balance', atMs: NOON_MS })
    endSample(instance, { id: 'req_1', funding: 'balance' }, { outcome: 'upstream_failed' })
    const explained = explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.state, explained?.rule, explained?.charged], ['released', 'nothing', '0.00'])
  })

  it('of an unknown request is nothing', (t) => {
    assert.equal(explainRequest(createTestInstance(t).db, 'req_unknown'), undefined)
  })
})

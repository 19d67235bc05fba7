import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { NO_USAGE } from '../base/usage.ts'
import { refundRequest } from './refund.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, PRICE, testActing } from './test-instance.ts'
import { explainRequest } from './usage-explain.ts'

describe('explaining a charge', () => {
  it('shows each product exactly, their sum, the one rounding, and where it counted', async (t) => {
    const instance = await createTestInstance(t)
    const sample = { id: 'req_1', funding: 'plan', weightPpm: 1_500_000n } as const
    await holdSample(instance, sample)
    const usage = { ...NO_USAGE, input: 100, cachedRead: 301, cacheWrite5m: 7, cacheWrite1h: 3, output: 211 }
    await endSample(instance, sample, { usage })
    const explained = await explainRequest(instance.db, 'req_1')
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
      explained.counted.map(({ name, counted_nano }) => [name, counted_nano]),
      [
        ['5 hour', '1750965'],
        ['weekly', '1750965'],
        ['monthly', '1750965'],
      ],
    )
    const times = { started_at: '2026-11-20T12:00:00.000Z', ended_at: '2026-11-20T12:00:01.000Z' }
    assert.deepEqual(explained.attempts, [{ n: 1, provider: 'acme', status: 200, outcome: 'complete', ...times }])
    assert.deepEqual([explained.entries, explained.verdict], [[], 'OK'])
  })

  it('names the tier of a long prompt, and what was written off', async (t) => {
    const instance = await createTestInstance(t)
    const sample = { id: 'req_1', funding: 'balance', hold: parseUsd('0.001') } as const
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage: { ...NO_USAGE, input: 1001 } })
    const explained = await explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.tier_above, explained?.buckets[0]?.rate], [1000, '2.80'])
    assert.deepEqual([explained?.cost, explained?.charged, explained?.written_off], ['0.0028028', '0.001', '0.0018028'])
    assert.deepEqual(explained?.counted, [])
  })

  it('names the credit that was drawn on, and what was given back', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const sample = { id: 'req_1', funding: 'balance' } as const
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage: { ...NO_USAGE, output: 1000 } })
    const lot = (await db.get<{ id: string }>('SELECT id FROM credit_grant'))?.id
    await refundRequest(db, testActing(), { requestId: 'req_1', amount: parseUsd('0.001'), note: 'as agreed' })
    const explained = await explainRequest(db, 'req_1')
    assert.deepEqual(
      explained?.entries.slice(0, 3).map((entry) => [entry.transfer, entry.account, entry.lot, entry.amount]),
      [
        ['s:req_1', 'balance', lot, '-0.0044'],
        ['s:req_1', 'usage_revenue', null, '0.0044'],
        ['c:req_1:0', 'balance', explained?.entries[2]?.lot, '0.001'],
      ],
    )
    // What was given back leaves the charge as it was booked.
    assert.deepEqual([explained?.charged, explained?.refunded, explained?.verdict], ['0.0044', '0.001', 'OK'])
    assert.equal(explained?.workspaceID, setup.workspace.id)
  })

  it('of a free request has no products', async (t) => {
    const instance = await createTestInstance(t)
    await holdSample(instance, { id: 'req_1', funding: 'free' })
    await endSample(instance, { id: 'req_1', funding: 'free' }, { usage: { ...NO_USAGE, input: 5 } })
    const explained = await explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.sum, explained?.charged, explained?.price_version], [null, '0.00', null])
    assert.deepEqual(explained?.buckets[0], { bucket: 'input', tokens: 5, rate: null, product: null })
  })

  it('of a request under way has a hold and no end', async (t) => {
    const instance = await createTestInstance(t)
    await holdSample(instance, { id: 'req_1', funding: 'balance' })
    const explained = await explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.state, explained?.hold, explained?.charged], ['held', '1.00', null])
    assert.deepEqual([explained?.ended_at, explained?.outcome, explained?.written_off], [null, null, null])
  })

  it('of a failed one names the rule by which nothing was charged', async (t) => {
    const instance = await createTestInstance(t)
    await holdSample(instance, { id: 'req_1', funding: 'balance', atMs: NOON_MS })
    await endSample(instance, { id: 'req_1', funding: 'balance' }, { outcome: 'upstream_failed' })
    const explained = await explainRequest(instance.db, 'req_1')
    assert.deepEqual([explained?.state, explained?.rule, explained?.charged], ['released', 'nothing', '0.00'])
  })

  it('of an unknown request is nothing', async (t) => {
    const { db } = await createTestInstance(t)
    assert.equal(await explainRequest(db, 'req_unknown'), undefined)
  })

  /** What somebody may have done to the books, and the figures that then differ from what is worked out again. */
  const tampered: readonly (readonly [string, readonly string[]])[] = [
    ['UPDATE request SET cost = cost + 1', ['cost']],
    ['UPDATE request SET charged = charged - 1', ['charged']],
    ['UPDATE request SET input_tokens = input_tokens + 1', ['cost', 'charged', 'from the balance', 'to revenue']],
    ["UPDATE request SET state = 'released'", ['cost', 'charged', 'from the balance', 'to revenue']],
    ['UPDATE request SET hold = charged - 1, charged = charged - 1', ['from the balance', 'written off']],
    ["UPDATE request SET funding = 'plan'", ['from the balance', 'to revenue']],
    [
      "UPDATE request SET price_version = 'other'",
      ['cost', 'charged', 'from the balance', 'to revenue', 'written off'],
    ],
  ]

  for (const [sql, figures] of tampered) {
    it(`finds ${sql}`, async (t) => {
      const instance = await createTestInstance(t)
      const sample = { id: 'req_1', funding: 'balance' } as const
      await holdSample(instance, sample)
      await endSample(instance, sample, { usage: { ...NO_USAGE, input: 100, output: 1000 } })
      assert.equal((await explainRequest(instance.db, 'req_1'))?.verdict, 'OK')
      await instance.db.run(sql)
      const explained = await explainRequest(instance.db, 'req_1')
      const different = explained?.checks.filter(({ same }) => !same).map(({ what }) => what)
      assert.deepEqual([different, explained?.verdict], [figures, 'DIFFERENT'])
    })
  }

  it('finds what a window counted otherwise', async (t) => {
    const instance = await createTestInstance(t)
    const sample = { id: 'req_1', funding: 'plan', weightPpm: 1_500_000n } as const
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage: { ...NO_USAGE, input: 100 } })
    await instance.db.run("UPDATE request_meter SET counted = counted + 1 WHERE meter_id LIKE '%weekly%'")
    const explained = await explainRequest(instance.db, 'req_1')
    assert.deepEqual(
      explained?.checks.filter(({ same }) => !same),
      [{ what: 'counted in weekly', booked: '0.000210001', recomputed: '0.00021', same: false }],
    )
  })
})

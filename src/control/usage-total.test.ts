import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DAY_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { allRequestsOf } from '../store/request-list.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, type TestInstance } from './test-instance.ts'
import { parseSides, totalUsage, type UsageSide } from './usage-total.ts'

async function createUsedInstance(t: TestContext): Promise<TestInstance> {
  const instance = await createTestInstance(t)
  const usage = { ...NO_USAGE, input: 1000, cachedRead: 2, cacheWrite5m: 3, cacheWrite1h: 4, output: 100, reasoning: 7 }
  const run = async (id: string, funding: 'balance' | 'plan' | 'free', atMs: number, more = {}, end = {}) => {
    const sample = { id, funding, atMs, ...more }
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage, ...end })
  }
  await run('req_1', 'balance', NOON_MS)
  await run('req_2', 'plan', NOON_MS, { weightPpm: 2_000_000n })
  await run('req_3', 'free', NOON_MS + DAY_MS)
  await run('req_4', 'balance', NOON_MS + DAY_MS, {}, { outcome: 'upstream_failed' })
  await holdSample(instance, { id: 'req_5', funding: 'balance', atMs: NOON_MS + DAY_MS })
  return instance
}

function question({ setup }: TestInstance, by: readonly UsageSide[], sinceMs: number | null = null) {
  return { filter: { ...allRequestsOf(setup.workspace.id, null), sinceMs }, by, zone: 'UTC' }
}

describe('usage totals', () => {
  it('by day sum what was sold and say who paid', async (t) => {
    const instance = await createUsedInstance(t)
    const totals = await totalUsage(instance.db, question(instance, ['day']))
    assert.deepEqual(
      totals.rows.map(({ day, requests, released, tokens }) => [day, requests, released, tokens.input]),
      [
        ['2026-11-20', 2, 0, 2000],
        ['2026-11-21', 2, 1, 1000],
      ],
    )
    // 1,009 prompt tokens are above the tier: 1000 x 2.80 + 2 x 0.52 + 3 x 3.50 + 4 x 5.60 + 100 x 8.80.
    const each = '3713940'
    assert.deepEqual(totals.total.tokens, {
      ...{ input: 3000, cached_read: 6, cache_write_5m: 9, cache_write_1h: 12, output: 300, reasoning: 21 },
    })
    assert.deepEqual([totals.total.balance_nano, totals.total.plan_nano], [each, each])
    assert.equal(totals.total.counted_nano, '7427880')
    assert.equal(totals.total.plan, '0.00371394')
    assert.equal(totals.total.requests, 4)
  })

  it('by any sides are sums of the same requests', async (t) => {
    const instance = await createUsedInstance(t)
    const byModel = await totalUsage(instance.db, question(instance, ['model', 'funding']))
    assert.deepEqual(
      byModel.rows.map(({ model, funding, requests }) => [model, funding, requests]),
      [
        ['big-pickle', 'free', 1],
        ['glm-5.2', 'balance', 2],
        ['glm-5.2', 'plan', 1],
      ],
    )
    const byKey = await totalUsage(instance.db, question(instance, ['key']))
    assert.deepEqual(
      byKey.rows.map(({ key }) => key),
      [instance.setup.keyId],
    )
    assert.deepEqual(byKey.total, byModel.total)
  })

  it('begin where they are told to', async (t) => {
    const instance = await createUsedInstance(t)
    const since = async (sinceMs: number) => await totalUsage(instance.db, question(instance, ['day'], sinceMs))
    assert.equal((await since(NOON_MS + 1)).total.requests, 2)
    const none = await since(NOON_MS + 2 * DAY_MS)
    assert.deepEqual([none.rows, none.total.requests, none.total.balance], [[], 0, '0.00'])
  })

  it("leave out other workspaces' requests", async (t) => {
    const instance = await createUsedInstance(t)
    const filter = allRequestsOf('wrk_other', null)
    assert.deepEqual((await totalUsage(instance.db, { filter, by: ['day'], zone: 'UTC' })).rows, [])
  })

  it('are by one to three different sides that exist', () => {
    assert.deepEqual(parseSides('day, model,tag:team'), ['day', 'model', 'tag:team'])
    for (const text of ['', 'moon', 'day,day', 'day,key,model,session', 'tag:', 'tag:a b', 'day,']) {
      assert.throws(() => parseSides(text), { code: 'invalid_request' }, text)
    }
  })
})

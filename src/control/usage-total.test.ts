import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { DAY_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, type TestInstance } from './test-instance.ts'
import { totalUsage } from './usage-total.ts'

function createUsedInstance(t: TestContext): TestInstance {
  const instance = createTestInstance(t)
  const usage = { ...NO_USAGE, input: 1000, cachedRead: 2, cacheWrite5m: 3, cacheWrite1h: 4, output: 100 }
  const run = (id: string, funding: 'balance' | 'plan' | 'free', atMs: number, more = {}, end = {}) => {
    const sample = { id, funding, atMs, ...more }
    holdSample(instance, sample)
    endSample(instance, sample, { usage, ...end })
  }
  run('req_1', 'balance', NOON_MS)
  run('req_2', 'plan', NOON_MS, { weightPpm: 2_000_000n })
  run('req_3', 'free', NOON_MS + DAY_MS)
  run('req_4', 'balance', NOON_MS + DAY_MS, {}, { outcome: 'upstream_failed' })
  holdSample(instance, { id: 'req_5', funding: 'balance', atMs: NOON_MS + DAY_MS })
  return instance
}

const query = ({ setup }: TestInstance, by: 'day' | 'model' | 'key', sinceMs = 0) => ({
  workspaceId: setup.workspace.id,
  by,
  sinceMs,
})

describe('usage totals', () => {
  it('by day, in UTC, sum what was sold and say who paid', (t) => {
    const instance = createUsedInstance(t)
    const totals = totalUsage(instance.db, query(instance, 'day'))
    assert.deepEqual(
      totals.rows.map(({ group, requests, released, tokens }) => [group, requests, released, tokens.input]),
      [
        ['2026-11-20', 2, 0, 2000],
        ['2026-11-21', 2, 1, 1000],
      ],
    )
    // 1,009 prompt tokens are above the tier: 1000 x 2.80 + 2 x 0.52 + 3 x 3.50 + 4 x 5.60 + 100 x 8.80.
    const each = '3713940'
    assert.deepEqual(totals.total.tokens, { input: 3000, cached_read: 6, cache_write: 21, output: 300 })
    assert.deepEqual([totals.total.balance_nano, totals.total.plan_nano], [each, each])
    assert.equal(totals.total.counted_nano, '7427880')
    assert.equal(totals.total.plan, '0.00371394')
    assert.equal(totals.total.requests, 4)
  })

  it('by model and by key are sums of the same requests', (t) => {
    const instance = createUsedInstance(t)
    const byModel = totalUsage(instance.db, query(instance, 'model'))
    assert.deepEqual(
      byModel.rows.map(({ group, requests }) => [group, requests]),
      [
        ['big-pickle', 1],
        ['glm-5.2', 3],
      ],
    )
    const byKey = totalUsage(instance.db, query(instance, 'key'))
    assert.deepEqual(
      byKey.rows.map(({ group }) => group),
      [instance.setup.keyId],
    )
    assert.deepEqual(byKey.total, byModel.total)
  })

  it('begin where they are told to', (t) => {
    const instance = createUsedInstance(t)
    assert.equal(totalUsage(instance.db, query(instance, 'day', NOON_MS + 1)).total.requests, 2)
    const none = totalUsage(instance.db, query(instance, 'day', NOON_MS + 2 * DAY_MS))
    assert.deepEqual([none.rows, none.total.requests, none.total.balance], [[], 0, '0.00'])
  })

  it("leave out other workspaces' requests", (t) => {
    const instance = createUsedInstance(t)
    const other = totalUsage(instance.db, { ...query(instance, 'day'), workspaceId: 'wrk_other' })
    assert.deepEqual(other.rows, [])
  })
})

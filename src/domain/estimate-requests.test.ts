/** Estimated requests: the public Go page's own arithmetic, in integers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { estimateRequests } from './estimate-requests.ts'
import { buildForTest } from './test-catalog.ts'

function catalogOf(price: unknown, weight: number, requestShape: unknown, more: object = {}) {
  const model = { products: ['zen', 'go'], price, weight: { go: weight }, requestShape, routes: [{ provider: 'sim' }] }
  return buildForTest({ models: { x: model }, ...more })
}

function requests(price: unknown, weight: number, requestShape: unknown, more: object = {}): (number | null)[] {
  const catalog = catalogOf(price, weight, requestShape, more)
  const model = catalog.models.go.get('x')
  assert.ok(model)
  return estimateRequests(model, catalog.plans.values())?.windows.map((window) => window.requests) ?? []
}

describe('estimated requests', () => {
  // [input, cached, output, prices in dollars per 1M, weight] → the exact quotients, cut to two digits.
  const published: [string, number[], string[], number, number[]][] = [
    ['Grok 4.5', [1100, 71_500, 220], ['2', '0.3', '6'], 4, [120, 300, 600]],
    ['GPT 5.6 Luna', [1000, 50_000, 220], ['0.2', '0.02', '1.2'], 4, [2000, 5100, 10_000]],
    ['GLM-5.2', [700, 52_000, 150], ['1.4', '0.26', '4.4'], 1, [790, 1900, 3900]],
    ['Kimi K3', [1050, 76_500, 300], ['3', '0.3', '15'], 4, [98, 240, 490]],
    ['Kimi K2.6', [870, 55_000, 200], ['0.95', '0.16', '4'], 1, [1100, 2800, 5700]],
    ['MiMo-V2.5', [830, 71_500, 295], ['0.14', '0.0028', '0.28'], 1, [30_000, 75_000, 150_000]],
    ['MiniMax M3', [510, 56_000, 190], ['0.3', '0.06', '1.2'], 1, [3200, 8000, 16_000]],
    ['Qwen3.7 Max', [420, 66_000, 200], ['2.5', '0.5', '7.5'], 1, [330, 840, 1600]],
    ['DeepSeek V4 Flash', [410, 71_300, 310], ['0.22', '0.007', '0.66'], 2, [7500, 18_000, 37_000]],
  ]
  for (const [name, [input, cachedRead, output], [i, c, o], weight, expected] of published) {
    test(`${name}: ${expected.join(', ')} in 5 hours, a week, a month`, () => {
      assert.deepEqual(
        requests({ input: i, cachedRead: c, output: o }, weight, { input, cachedRead, output }),
        expected,
      )
    })
  }

  test('up to 100 they are exact, above it they are cut to two digits', () => {
    const shape = { input: 1_000_000, cachedRead: 0, output: 0 }
    const plan = (limit: number) => ({
      plans: { go: { windows: [{ name: 'w', kind: 'calendar', unit: 'week', limit }] } },
    })
    for (const [limit, expected] of [
      [99, 99],
      [100, 100],
      [101, 100],
      [119, 110],
      [9999, 9900],
      [0.5, 0],
    ] as const) {
      assert.deepEqual(requests({ input: 1, output: 1 }, 1, shape, plan(limit)), [expected])
    }
  })

  test('a long request is priced by its tier', () => {
    const price = { input: 1, cachedRead: 1, output: 1, tiers: [{ above: 1000, input: 12, output: 12 }] }
    assert.deepEqual(requests(price, 1, { input: 1000, cachedRead: 0, output: 0 })[0], 12_000)
    assert.deepEqual(requests(price, 1, { input: 1000, cachedRead: 1, output: 0 })[0], 990)
  })

  test('an observed shape replaces the default one and is said to', () => {
    const catalog = catalogOf({ input: 1, output: 1 }, 1, { input: 1000, cachedRead: 0, output: 0 })
    const model = catalog.models.go.get('x')
    assert.ok(model)
    assert.equal(estimateRequests(model, catalog.plans.values())?.shapeSource, 'default')
    const observed = estimateRequests(model, catalog.plans.values(), { input: 12_000, cachedRead: 0, output: 0 })
    assert.equal(observed?.shapeSource, 'observed')
    assert.equal(observed?.windows[0]?.requests, 1000)
  })

  test('there are none for free models, for products without a plan, and no limit for a request that costs nothing', () => {
    const catalog = catalogOf({ input: 1, output: 1 }, 1, { input: 1, cachedRead: 0, output: 0 })
    const free = catalog.models.go.get('sim/free')
    const payAsYouGo = catalog.models.zen.get('x')
    assert.ok(free && payAsYouGo)
    assert.equal(estimateRequests(free, catalog.plans.values()), null)
    assert.equal(estimateRequests(payAsYouGo, catalog.plans.values()), null)
    assert.deepEqual(requests({ input: 0, output: 1 }, 1, { input: 9, cachedRead: 0, output: 0 }), [null, null, null])
  })
})

/** The snapshot: what the operator's file changes and leaves, exact prices, and what is in use. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import { bareModelId, type Catalog, type Model } from './catalog.ts'
import { buildCatalog } from './catalog-build.ts'
import { buildForTest, modelIn, SIMULATED, targetsOf } from './test-catalog.ts'

const zen = (catalog: Catalog, id: string): Model => modelIn(catalog, 'zen', id)
const go = (catalog: Catalog, id: string): Model => modelIn(catalog, 'go', id)

/** A model `x` of the simulated provider with the given price. */
function priced(price: unknown): Model {
  return zen(buildForTest({ models: { x: { price, routes: [{ provider: 'sim' }] } } }), 'x')
}

describe('without a file', () => {
  const catalog = buildCatalog(BUILT_IN_CATALOG, null, new Map(), SIMULATED)

  test('only the simulated provider is in use, under the address given, on both protocols', () => {
    assert.deepEqual([...catalog.providers.keys()], ['sim'])
    const sim = catalog.providers.get('sim')
    assert.equal(sim?.simulated, true)
    assert.deepEqual(Object.fromEntries(sim?.endpoints ?? []), {
      'openai-chat': 'http://127.0.0.1:40001/v1',
      'anthropic-messages': 'http://127.0.0.1:40001/v1',
    })
  })

  test('real models are known, with their prices, but have no route', () => {
    const model = zen(catalog, 'claude-sonnet-4-5')
    assert.equal(model.routes.length, 0)
    assert.equal(model.price?.base.input, 3_000_000_000n)
  })

  test('simulated models are priced and lead to their scenario; sim/free is free and anonymous', () => {
    for (const product of ['zen', 'go'] as const) {
      const stall = catalog.models[product].get('sim/stall')
      assert.deepEqual(stall && targetsOf(stall), ['sim/stall 0'])
      assert.deepEqual(stall?.price?.base, {
        input: 1_000_000_000n,
        output: 5_000_000_000n,
        cachedRead: 100_000_000n,
        cacheWrite5m: 1_250_000_000n,
        cacheWrite1h: 2_000_000_000n,
      })
      assert.equal(stall?.context, 200_000)
      assert.equal(stall?.maxOutput, 8192)
      const free = catalog.models[product].get('sim/free')
      assert.deepEqual([free?.free, free?.anonymous, free?.price], [true, true, null])
      assert.deepEqual(free && targetsOf(free), ['sim/echo 0'])
    }
  })

  test('the Go plan has its three windows', () => {
    const plan = catalog.plans.get('go')
    assert.equal(plan?.price, 10_000_000_000n)
    assert.deepEqual(plan?.windows, [
      { name: '5 hour', kind: 'session', lengthMs: 18_000_000, unit: null, limit: 12_000_000_000n },
      { name: 'weekly', kind: 'calendar', lengthMs: 0, unit: 'week', limit: 30_000_000_000n },
      { name: 'monthly', kind: 'anchored', lengthMs: 0, unit: 'month', limit: 60_000_000_000n },
    ])
    assert.equal(catalog.anonymous.requestsPerDay, 200)
  })

  test('a silent stream gets a sign of life every 15 seconds, or as the file says', () => {
    const ms = (keepAliveSeconds: number) => buildForTest({ server: { keepAliveSeconds } }).keepAliveMs
    assert.deepEqual([catalog.keepAliveMs, ms(0), ms(0.05), ms(3600)], [15_000, 0, 50, 3_600_000])
  })
})

describe('models', () => {
  test('an entry overrides a built-in model field by field', () => {
    const before = zen(buildForTest({}), 'glm-5.2')
    const after = zen(
      buildForTest({ models: { 'glm-5.2': { name: 'Ours', capabilities: { images: true } } } }),
      'glm-5.2',
    )
    assert.equal(after.name, 'Ours')
    assert.deepEqual(after.capabilities, { ...before.capabilities, images: true })
    assert.equal(after.price?.version, before.price?.version)
    assert.equal(after.context, before.context)
    assert.equal(after.source, before.source)
  })

  test('what an entry says holds on both products, also where the built-in model differs', () => {
    const price = { input: 7, output: 8 }
    const catalog = buildForTest({ models: { 'minimax-m3': { price, protocol: 'openai-chat' } } })
    for (const model of [zen(catalog, 'minimax-m3'), go(catalog, 'minimax-m3')]) {
      assert.equal(model.price?.base.input, 7_000_000_000n)
      assert.equal(model.protocol, 'openai-chat')
      assert.equal(model.source, null)
    }
    assert.equal(go(catalog, 'minimax-m3').context, 1_000_000)
  })

  test('perProduct says it for one product only', () => {
    const entry = { perProduct: { go: { price: { input: 7, output: 8 }, weight: 3, status: 'beta' } } }
    const catalog = buildForTest({ models: { 'glm-5.2': entry } })
    assert.equal(go(catalog, 'glm-5.2').price?.base.input, 7_000_000_000n)
    assert.equal(go(catalog, 'glm-5.2').weightPpm, 3_000_000n)
    assert.equal(go(catalog, 'glm-5.2').source, null)
    assert.equal(zen(catalog, 'glm-5.2').price?.base.input, 1_400_000_000n)
    assert.equal(zen(catalog, 'glm-5.2').status, 'active')
    assert.notEqual(zen(catalog, 'glm-5.2').source, null)
  })

  test('routes replace the built-in ones as a whole', () => {
    const routes = [{ provider: 'sim', model: 'echo', weight: 3, priority: 2 }]
    const catalog = buildForTest({ providers: { zai: { apiKey: 'k' } }, models: { 'glm-5.2': { routes } } })
    assert.deepEqual(targetsOf(go(catalog, 'glm-5.2')), ['sim/echo 2'])
    assert.equal(go(catalog, 'glm-5.2').routes[0]?.weight, 3)
  })

  test('a price ends built-in free use, and free ends a built-in price', () => {
    const price = { input: 1, output: 1 }
    const catalog = buildForTest({ models: { 'sim/free': { price }, 'sim/echo': { free: true } } })
    const paid = zen(catalog, 'sim/free')
    assert.deepEqual([paid.free, paid.anonymous, paid.price?.base.input], [false, false, 1_000_000_000n])
    assert.deepEqual([zen(catalog, 'sim/echo').free, zen(catalog, 'sim/echo').price], [true, null])
  })

  test('a model may be free, also without a key, on one product and sold on the other', () => {
    const price = { input: 1, output: 1 }
    const routes = [{ provider: 'sim' }]
    const entry = { products: ['zen', 'go'], free: true, anonymous: true, perProduct: { go: { price } }, routes }
    const catalog = buildForTest({
      models: { mine: entry, 'glm-5.2': { free: true, perProduct: { go: { free: false } } } },
    })
    const paid = go(catalog, 'mine')
    assert.deepEqual([paid.free, paid.anonymous, paid.price?.base.input], [false, false, 1_000_000_000n])
    assert.deepEqual([zen(catalog, 'mine').free, zen(catalog, 'mine').anonymous], [true, true])
    assert.deepEqual([zen(catalog, 'glm-5.2').price, go(catalog, 'glm-5.2').price?.base.input], [null, 1_400_000_000n])
  })

  test('a model that only removed providers have is gone, unless the file gives it another', () => {
    const catalog = buildForTest({
      providers: { sim: null, opencode: null, zai: { apiKey: 'k' } },
      models: { 'sim/echo': { price: { input: 1, output: 1 }, routes: [{ provider: 'zai', model: 'glm-5' }] } },
    })
    assert.equal(catalog.models.zen.has('big-pickle'), false)
    assert.equal(catalog.models.zen.has('sim/long'), false)
    assert.equal(catalog.models.zen.has('glm-5.2'), true)
    assert.deepEqual(targetsOf(zen(catalog, 'sim/echo')), ['zai/glm-5 0'])
  })

  test('a model that is not built in takes the documented defaults', () => {
    const catalog = buildForTest({ models: { mine: { free: true, routes: [{ provider: 'sim' }] } } })
    assert.equal(catalog.models.go.has('mine'), false)
    const { routes, ...rest } = zen(catalog, 'mine')
    assert.deepEqual(rest, {
      id: 'mine',
      product: 'zen',
      name: 'mine',
      protocol: 'openai-chat',
      context: 131_072,
      maxOutput: 32_768,
      capabilities: { tools: true, reasoning: false, images: false },
      modalities: { input: ['text'], output: ['text'] },
      free: true,
      anonymous: false,
      price: null,
      weightPpm: 1_000_000n,
      status: 'active',
      deprecationDate: null,
      releaseDate: null,
      requestShape: { input: 800, cachedRead: 60_000, output: 220 },
      originateCacheMarks: false,
      source: null,
      ownRoutes: [],
    })
    assert.deepEqual(
      routes.map((route) => [route.upstreamModel, route.weight, route.priority]),
      [['mine', 1, 0]],
    )
  })

  test('null takes a model off both products', () => {
    const catalog = buildForTest({ models: { 'glm-5.2': null } })
    assert.equal(catalog.models.zen.has('glm-5.2') || catalog.models.go.has('glm-5.2'), false)
  })

  test('weights are exact parts per million', () => {
    const catalog = buildForTest({
      models: { 'glm-5.2': { weight: { go: '0.1' } }, 'kimi-k3': { weight: { zen: 0.000001 } } },
    })
    assert.equal(go(catalog, 'glm-5.2').weightPpm, 100_000n)
    assert.equal(zen(catalog, 'glm-5.2').weightPpm, 1_000_000n)
    assert.equal(zen(catalog, 'kimi-k3').weightPpm, 1n)
    assert.equal(go(catalog, 'kimi-k3').weightPpm, 4_000_000n)
  })
})

describe('prices', () => {
  test('numbers and decimal texts are read exactly', () => {
    const model = priced({ input: 0.0028, output: '0.000000001', cachedRead: 1e-7, cacheWrite5m: 0 })
    assert.deepEqual(model.price?.base, {
      input: 2_800_000n,
      output: 1n,
      cachedRead: 100n,
      cacheWrite5m: 0n,
      cacheWrite1h: 0n,
    })
  })

  test('a cache rate that is not stated is the dearer rate it stands in for', () => {
    const unstated = priced({ input: 2, output: 9, cachedRead: null })
    assert.equal(unstated.price?.base.cachedRead, 2_000_000_000n)
    assert.equal(unstated.price?.base.cacheWrite5m, 2_000_000_000n)
    assert.equal(unstated.price?.base.cacheWrite1h, 2_000_000_000n)
    const stated = priced({ input: 2, output: 9, cacheWrite5m: 2.5 })
    assert.equal(stated.price?.base.cacheWrite1h, 2_500_000_000n)
  })

  test('tiers ascend; one that omits a cache rate keeps the base one, and null means its own input rate', () => {
    const { price } = priced({
      input: 1.4,
      output: 4.4,
      cachedRead: 0.26,
      tiers: [
        { above: 400_000, input: 5, output: 10, cachedRead: null },
        { above: 200_000, input: 2.8, output: 8.8 },
      ],
    })
    assert.deepEqual(
      price?.tiers.map((tier) => [tier.above, tier.input, tier.cachedRead, tier.cacheWrite5m]),
      [
        [200_000, 2_800_000_000n, 260_000_000n, 2_800_000_000n],
        [400_000, 5_000_000_000n, 5_000_000_000n, 5_000_000_000n],
      ],
    )
  })

  test('the same rates have the same version however they are written; other rates have another', () => {
    const version = (price: unknown) => priced(price).price?.version
    const first = version({ input: 1.4, output: 4, cachedRead: 1.4 })
    assert.match(first ?? '', /^p_[0-9a-f]{12}$/)
    assert.equal(version({ output: '4.00', input: '1.40' }), first)
    assert.notEqual(version({ input: 1.4, output: 4, cachedRead: 1.3 }), first)
    assert.notEqual(version({ input: 1.4, output: 4, tiers: [{ above: 1, input: 1.4, output: 4 }] }), first)
  })
})

describe('plans and aliases', () => {
  test('a plan is overridden field by field', () => {
    const plan = buildForTest({ plans: { go: { price: '12.50' } } }).plans.get('go')
    assert.equal(plan?.price, 12_500_000_000n)
    assert.equal(plan?.windows.length, 3)
  })

  test('windows of every kind are built', () => {
    const windows = [
      { name: 'burst', kind: 'sliding', hours: 0.1, limit: 1 },
      { name: 'daily', kind: 'calendar', unit: 'day', limit: 2 },
      { name: 'seat day', kind: 'anchored', unit: 'day', limit: '2.5' },
    ] as const
    assert.deepEqual(buildForTest({ plans: { go: { windows: [...windows] } } }).plans.get('go')?.windows, [
      { name: 'burst', kind: 'sliding', lengthMs: 360_000, unit: null, limit: 1_000_000_000n },
      { name: 'daily', kind: 'calendar', lengthMs: 0, unit: 'day', limit: 2_000_000_000n },
      { name: 'seat day', kind: 'anchored', lengthMs: 0, unit: 'day', limit: 2_500_000_000n },
    ])
  })

  test('a chain of aliases is followed at once, and an alias wins over a model of its name', () => {
    const catalog = buildForTest({ aliases: { a: 'gpt-5.4-nano', 'gpt-5.4-nano': 'sim/echo' } })
    assert.equal(bareModelId(catalog, 'opencode/a'), 'sim/echo')
    assert.equal(bareModelId(catalog, 'gpt-5.4-nano'), 'sim/echo')
  })
})

describe('any file', () => {
  const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)

  test(`the same entries in another order build the same snapshot (seed ${seed})`, () => {
    const ids = fc.uniqueArray(fc.constantFrom('glm-5.2', 'kimi-k3', 'minimax-m3', 'mine', 'sim/echo'), {
      minLength: 1,
    })
    const dollars = fc.integer({ min: 1, max: 10 ** 9 }).map((nano) => (nano / 10 ** 6).toFixed(6))
    const entry = fc.record({
      price: fc.record({ input: dollars, output: dollars, cachedRead: fc.option(dollars) }),
      weight: fc.record({ go: fc.integer({ min: 1, max: 9 }) }),
      routes: fc.constant([{ provider: 'sim', model: 'echo' }]),
    })
    const entries = ids.chain((list) => fc.tuple(...list.map((id) => fc.tuple(fc.constant(id), entry))))
    fc.assert(
      fc.property(entries, (list) => {
        const forwards = buildForTest({ models: Object.fromEntries(list) })
        const backwards = buildForTest({ models: Object.fromEntries([...list].reverse()) })
        for (const product of ['zen', 'go'] as const) {
          const own = (catalog: Catalog) => new Map([...catalog.models[product]].sort(([a], [b]) => (a < b ? -1 : 1)))
          assert.deepEqual(own(forwards), own(backwards))
        }
      }),
      { seed, numRuns: 25 },
    )
  })

  test('a model speaks what its providers speak, when that is one protocol and it says nothing else', () => {
    const price = { input: 1, output: 2 }
    const { models } = buildForTest({
      providers: {
        one: { protocol: 'google-generate', baseUrl: 'https://one.example/v1beta' },
        two: {
          baseUrls: { 'anthropic-messages': 'https://two.example/v1', 'openai-responses': 'https://two.example/v1' },
        },
      },
      models: {
        silent: { products: ['zen'], price, routes: [{ provider: 'one' }] },
        said: { products: ['zen'], price, protocol: 'openai-chat', routes: [{ provider: 'one' }] },
        open: { products: ['zen'], price, routes: [{ provider: 'two' }] },
      },
    })
    assert.equal(models.zen.get('silent')?.protocol, 'google-generate')
    assert.equal(models.zen.get('said')?.protocol, 'openai-chat')
    assert.equal(models.zen.get('open')?.protocol, 'openai-chat')
  })
})

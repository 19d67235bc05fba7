/** The shipped data: complete, sourced, and by the same rules as an operator's file. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import type { Model } from './catalog.ts'
import { buildCatalog } from './catalog-build.ts'
import { checkConfig } from './config-check.ts'

const NOTHING = { providers: new Map(), models: new Map(), plans: new Map() }
const catalog = buildCatalog(BUILT_IN_CATALOG, null, new Map(), { simulatedBaseUrl: 'http://127.0.0.1:1/v1' })
const models = [...catalog.models.zen.values(), ...catalog.models.go.values()]
const real = models.filter((model) => !model.id.startsWith('sim/'))

function go(id: string): Model {
  const model = catalog.models.go.get(id)
  assert.ok(model, `${id} is not in the catalogue`)
  return model
}

describe('the built-in catalogue', () => {
  test('as a file of its own it would be accepted', () => {
    const { providers, models: entries, plans } = BUILT_IN_CATALOG
    const withKeys = [...providers].map(([id, { configured: _configured, ...entry }]) => [
      id,
      { apiKey: 'k', ...entry },
    ])
    const withoutSources = [...entries].map(([id, { source: _source, ...entry }]) => [id, entry])
    const config = {
      providers: Object.fromEntries(withKeys),
      models: Object.fromEntries(withoutSources),
      plans: Object.fromEntries(plans),
    }
    assert.deepEqual(checkConfig(config, NOTHING), [])
  })

  test('holds every model of the recorded lists: 112 of Zen, 42 of Go, 127 in all, and 11 simulated', () => {
    assert.equal(real.filter((model) => model.product === 'zen').length, 112)
    assert.equal(real.filter((model) => model.product === 'go').length, 42)
    assert.equal(new Set(real.map((model) => model.id)).size, 127)
    assert.equal(models.length - real.length, 2 * 11)
  })

  test('states a source with a date for every model', () => {
    for (const model of models) {
      assert.match(model.source ?? '', model.id.startsWith('sim/') ? /^simulated/ : /, \d{4}-\d{2}-\d{2}$/, model.id)
    }
  })

  test('prices every model that is not free, and anonymous use costs no operator anything unasked', () => {
    for (const model of models) {
      assert.equal(model.price === null, model.free, model.id)
      assert.equal(model.anonymous, model.id === 'sim/free', model.id)
    }
  })

  test('ships no credential and uses no real provider by itself', () => {
    for (const [id, provider] of BUILT_IN_CATALOG.providers) {
      assert.equal(provider.apiKey, undefined)
      assert.equal(provider.configured === true, id === 'sim')
    }
  })

  test('knows the public vendors', () => {
    const vendors =
      'openai anthropic google deepseek moonshotai zai minimax alibaba xai xiaomi mistral groq openrouter opencode opencode-go'
    for (const id of vendors.split(' ')) assert.ok(BUILT_IN_CATALOG.providers.has(id), id)
    for (const id of ['deepseek', 'moonshotai', 'zai', 'minimax']) {
      assert.match(BUILT_IN_CATALOG.providers.get(id)?.baseUrls?.['anthropic-messages'] ?? '', /\/v1$/, id)
    }
  })

  test('keeps the native protocol and price of each product', () => {
    const zen = catalog.models.zen.get('minimax-m2.7')
    assert.equal(zen?.protocol, 'openai-chat')
    assert.equal(go('minimax-m2.7').protocol, 'anthropic-messages')
    assert.equal(catalog.models.zen.get('deepseek-v4-pro')?.price?.base.input, 1_740_000_000n)
    assert.equal(go('deepseek-v4-pro').price?.base.input, 660_000_000n)
  })

  test('has the long-context tiers, and the cache writes of an hour at twice the input where the vendor says so', () => {
    const sonnet = catalog.models.zen.get('claude-sonnet-4-5')?.price
    assert.deepEqual(sonnet?.base, {
      input: 3_000_000_000n,
      output: 15_000_000_000n,
      cachedRead: 300_000_000n,
      cacheWrite5m: 3_750_000_000n,
      cacheWrite1h: 6_000_000_000n,
    })
    assert.equal(sonnet?.tiers[0]?.above, 200_000)
    assert.equal(sonnet?.tiers[0]?.cacheWrite1h, 12_000_000_000n)
    assert.equal(go('minimax-m3').price?.tiers[0]?.above, 512_000)
  })

  test('weighs on Go what the public plan weighs', () => {
    const weights = ['grok-4.5', 'gpt-5.6-luna', 'kimi-k3', 'deepseek-v4-flash', 'glm-5.2', 'hy3'].map(
      (id) => Number(go(id).weightPpm) / 1e6,
    )
    assert.deepEqual(weights, [4, 4, 4, 2, 1, 1])
    assert.equal(catalog.models.zen.get('kimi-k3')?.weightPpm, 1_000_000n)
  })

  test('has the published request shape, that of the family, or the stated default', () => {
    assert.deepEqual(go('kimi-k3').requestShape, { input: 1050, cachedRead: 76_500, output: 300 })
    assert.deepEqual(go('glm-5.3').requestShape, { input: 700, cachedRead: 52_000, output: 150 })
    assert.deepEqual(go('hy3').requestShape, { input: 800, cachedRead: 60_000, output: 220 })
  })
})

/** Model discovery: who is listed, and the three shapes clients read. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '../base/errors.ts'
import type { Catalog, Model } from './catalog.ts'
import {
  anthropicModel,
  anthropicModelList,
  googleModel,
  googleModelList,
  listedModels,
  openAiModel,
  openAiModelList,
} from './model-listing.ts'
import { buildForTest } from './test-catalog.ts'

const CONFIG = {
  providers: {
    zai: { apiKey: 'k' },
    minimax: { apiKey: 'k' },
    openai: { apiKey: 'k' },
    'opencode-go': { apiKey: 'k' },
  },
}

function listed(catalog: Catalog, product: 'zen' | 'go' = 'go'): Model[] {
  return listedModels(catalog, product)
}

function find(catalog: Catalog, id: string, product: 'zen' | 'go' = 'go'): Model {
  const model = listed(catalog, product).find((one) => one.id === id)
  assert.ok(model, `${id} is not listed`)
  return model
}

describe('which models are listed', () => {
  test('without a provider only the simulated ones', () => {
    const ids = listed(buildForTest({})).map((model) => model.id)
    assert.equal(ids.length, 11)
    assert.ok(ids.every((id) => id.startsWith('sim/')))
  })

  test('with providers those that have a route, newest first, simulated last', () => {
    const ids = listed(buildForTest(CONFIG), 'zen').map((model) => model.id)
    for (const id of ['glm-5.2', 'minimax-m3', 'gpt-5.4']) assert.ok(ids.includes(id), id)
    assert.equal(ids.includes('kimi-k3'), false, 'it has no provider')
    assert.ok(ids.indexOf('glm-5.3') < ids.indexOf('glm-5.2'))
    assert.equal(
      ids.findIndex((id) => id.startsWith('sim/')),
      ids.length - 11,
    )
  })

  test('a model is on offer whatever protocol its routes speak: it answers on each', () => {
    const routes = [{ provider: 'zai', protocols: ['anthropic-messages'] }]
    const catalog = buildForTest({ ...CONFIG, models: { 'glm-5.2': { routes } } })
    assert.equal(find(catalog, 'glm-5.2').protocol, 'openai-chat')
  })

  test('a route to which a moved provider has no address is none', () => {
    const openai = { apiKey: 'k', baseUrls: { 'openai-chat': 'http://10.0.0.1/v1' } }
    const ids = listed(buildForTest({ providers: { openai } }), 'zen').map((model) => model.id)
    assert.ok(ids.includes('gpt-5.1'))
    assert.equal(ids.includes('gpt-5.1-codex'), false, 'it is had by Responses only')
  })

  test('a model that an alias of the same name hides is not listed', () => {
    const catalog = buildForTest({ ...CONFIG, aliases: { 'glm-5.2': 'glm-5.3' } })
    const ids = listed(catalog).map((model) => model.id)
    assert.deepEqual([ids.includes('glm-5.2'), ids.includes('glm-5.3')], [false, true])
  })
})

describe('the OpenAI shape', () => {
  test('has the keys of a list, and the metadata of the contract', () => {
    const catalog = buildForTest(CONFIG)
    const list = openAiModelList(listed(catalog), { plans: catalog.plans })
    assert.deepEqual(Object.keys(list), ['object', 'data'])
    assert.equal(list.object, 'list')
    assert.deepEqual(openAiModel(find(catalog, 'minimax-m3'), { plans: catalog.plans }), {
      id: 'minimax-m3',
      object: 'model',
      created: 1_780_185_600,
      owned_by: 'zendo',
      name: 'MiniMax-M3',
      endpoint: '/zen/go/v1/messages',
      protocol: 'anthropic-messages',
      npm: '@ai-sdk/anthropic',
      context_window: 1_000_000,
      max_output_tokens: 131_072,
      modalities: { input: ['text', 'image', 'video'], output: ['text'] },
      capabilities: { tools: true, reasoning: true, images: true },
      pricing: {
        currency: 'USD',
        unit: '1M tokens',
        input: '0.30',
        output: '1.20',
        cached_read: '0.06',
        cache_write_5m: '0.30',
        cache_write_1h: '0.30',
        tiers: [
          {
            above_prompt_tokens: 512_000,
            input: '0.60',
            output: '2.40',
            cached_read: '0.12',
            cache_write_5m: '0.60',
            cache_write_1h: '0.60',
          },
        ],
      },
      weight: 1,
      free: false,
      status: 'active',
      deprecation_date: null,
      release_date: '2026-05-31',
      retention: null,
      training: null,
      regions: null,
      estimated_requests: {
        request_shape: { input: 510, cached_read: 56_000, output: 190, source: 'default' },
        windows: [
          { plan: 'go', window: '5 hour', requests: 3200 },
          { plan: 'go', window: 'weekly', requests: 8000 },
          { plan: 'go', window: 'monthly', requests: 16_000 },
        ],
      },
    })
  })

  test('says so when a shape was observed, a weight is not 1, a model is free or undated', () => {
    const catalog = buildForTest({ models: { 'sim/echo': { weight: { go: 2.5 } } } })
    const options = { plans: catalog.plans, observedShape: () => ({ input: 1000, cachedRead: 0, output: 0 }) }
    const echo = openAiModel(find(catalog, 'sim/echo'), options)
    assert.equal(echo.weight, 2.5)
    assert.equal(echo.created, 0)
    assert.equal(echo.estimated_requests?.request_shape.source, 'observed')
    const free = openAiModel(find(catalog, 'sim/free'), options)
    assert.deepEqual([free.free, free.pricing.input, free.estimated_requests], [true, '0.00', null])
  })

  test('each protocol has its endpoint and package', () => {
    const catalog = buildForTest({ providers: { opencode: { apiKey: 'k' } } })
    const shown = openAiModelList(listedModels(catalog, 'zen'), { plans: catalog.plans }).data
    const endpoints = new Map(shown.map((model) => [model.id, [model.endpoint, model.npm]]))
    assert.deepEqual(endpoints.get('glm-5.2'), ['/zen/v1/chat/completions', '@ai-sdk/openai-compatible'])
    assert.deepEqual(endpoints.get('gpt-5.4'), ['/zen/v1/responses', '@ai-sdk/openai'])
    assert.deepEqual(endpoints.get('claude-opus-4-8'), ['/zen/v1/messages', '@ai-sdk/anthropic'])
    assert.deepEqual(endpoints.get('gemini-3-flash'), [
      '/zen/v1/models/gemini-3-flash:generateContent',
      '@ai-sdk/google',
    ])
  })
})

describe('privacy claims', () => {
  const provider = (claims: object) => ({ protocol: 'openai-chat', baseUrl: 'http://10.0.0.1/v1', ...claims })
  function claimed(...claims: object[]): unknown[] {
    const providers = Object.fromEntries(claims.map((claim, index) => [`p${index}`, provider(claim)]))
    const routes = claims.map((_claim, index) => ({ provider: `p${index}` }))
    const catalog = buildForTest({ providers, models: { 'glm-5.2': { routes } } })
    const { retention, training, regions } = openAiModel(find(catalog, 'glm-5.2'), { plans: catalog.plans })
    return [retention, training, regions]
  }

  test('are the least private of all routes, and none when one route is silent', () => {
    const eu = { region: 'eu', retention: 'zero', training: false }
    assert.deepEqual(claimed(eu), ['zero', false, ['eu']])
    assert.deepEqual(claimed(eu, { region: 'us', retention: '30d', training: false }), ['30d', false, ['eu', 'us']])
    assert.deepEqual(claimed({ ...eu, retention: '7 days' }, { ...eu, retention: '30d' }), ['30d', false, ['eu']])
    assert.deepEqual(claimed({ ...eu, retention: 'for ever' }, { ...eu, retention: '999d' }), [
      'for ever',
      false,
      ['eu'],
    ])
    assert.deepEqual(claimed(eu, {}), [null, null, null])
    assert.deepEqual(claimed(eu, { training: true }), [null, true, null])
  })
})

describe('the Anthropic shape', () => {
  const models = listed(buildForTest({}))
  const ids = models.map((model) => model.id)

  test('has the keys that Anthropic sends', () => {
    const list = anthropicModelList(listed(buildForTest(CONFIG)))
    assert.deepEqual(Object.keys(list), ['data', 'has_more', 'first_id', 'last_id'])
    assert.deepEqual(anthropicModel(find(buildForTest(CONFIG), 'glm-5.2')), {
      type: 'model',
      id: 'glm-5.2',
      display_name: 'GLM-5.2',
      created_at: '2026-06-13T00:00:00Z',
      max_input_tokens: 1_000_000,
      max_tokens: 131_072,
      capabilities: null,
      lifecycle: 'active',
      line: null,
      deprecated_at: null,
      retires_at: null,
    })
    assert.equal(list.data.find((model) => model.id === 'sim/echo')?.created_at, '1970-01-01T00:00:00Z')
  })

  test('without a limit everything is on one page', () => {
    const list = anthropicModelList(models)
    assert.deepEqual([list.data.length, list.has_more, list.first_id, list.last_id], [11, false, ids[0], ids[10]])
  })

  test('pages forwards cover the list once, in order', () => {
    const seen: string[] = []
    let page = anthropicModelList(models, { limit: 4 })
    for (;;) {
      seen.push(...page.data.map((model) => model.id))
      if (!page.has_more || page.last_id === null) break
      page = anthropicModelList(models, { limit: 4, afterId: page.last_id })
    }
    assert.deepEqual(seen, ids)
  })

  test('a page backwards is what stands directly before the id', () => {
    const page = anthropicModelList(models, { limit: 3, beforeId: ids[5] ?? '' })
    assert.deepEqual(
      page.data.map((model) => model.id),
      ids.slice(2, 5),
    )
    assert.equal(page.has_more, true)
  })

  test('an empty page has no ids', () => {
    assert.deepEqual(anthropicModelList(models, { afterId: ids[10] ?? '' }), {
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    })
  })

  test('a limit or id that is none is the caller’s mistake', () => {
    for (const page of [
      { limit: 0 },
      { limit: 1001 },
      { limit: 1.5 },
      { afterId: 'x' },
      { afterId: 'sim/cut', beforeId: 'sim/cut' },
    ]) {
      assert.throws(
        () => anthropicModelList(models, page),
        (error) => error instanceof AppError && error.code === 'invalid_request' && error.param !== undefined,
      )
    }
  })

  test('aliases that Claude Code would show are entries of their own, after the models', () => {
    const aliases = {
      'claude-haiku-4-5': 'glm-5.2',
      'anthropic/big': 'side',
      side: 'glm-5.3',
      'claude-x': 'claude-opus-5',
    }
    const catalog = buildForTest({ ...CONFIG, aliases })
    const list = anthropicModelList(listed(catalog), {}, catalog.aliases)
    const shown = list.data.slice(-2).map(({ id, display_name, max_tokens }) => [id, display_name, max_tokens])
    assert.deepEqual(shown, [
      ['claude-haiku-4-5', 'GLM-5.2', 131_072],
      ['anthropic/big', 'GLM-5.3', 131_072],
    ])
    assert.equal(list.last_id, 'anthropic/big')
    const next = anthropicModelList(listed(catalog), { afterId: 'claude-haiku-4-5' }, catalog.aliases)
    assert.deepEqual(
      next.data.map((model) => model.id),
      ['anthropic/big'],
    )
  })
})

describe('the Google shape', () => {
  const models = listed(buildForTest({}))
  const names = models.map((model) => `models/${model.id}`)

  test('has the keys that Google sends', () => {
    assert.deepEqual(googleModel(find(buildForTest(CONFIG), 'glm-5.2')), {
      name: 'models/glm-5.2',
      baseModelId: 'glm-5.2',
      version: '2026-06-13',
      displayName: 'GLM-5.2',
      description: 'GLM-5.2',
      inputTokenLimit: 1_000_000,
      outputTokenLimit: 131_072,
      supportedGenerationMethods: ['generateContent', 'countTokens'],
      thinking: true,
    })
    assert.equal('thinking' in googleModel(find(buildForTest({}), 'sim/echo')), false)
  })

  test('without a size, with 0 or with a large one everything is on one page', () => {
    for (const page of [{}, { pageSize: 0 }, { pageSize: 11 }, { pageSize: 5000 }, { pageToken: '' }]) {
      const list = googleModelList(models, page)
      assert.deepEqual(Object.keys(list), ['models'])
      assert.equal(list.models.length, 11)
    }
    assert.deepEqual(googleModelList([], { pageSize: 3 }), { models: [] })
  })

  test('pages cover the list once, in order', () => {
    const seen: string[] = []
    let page = googleModelList(models, { pageSize: 4 })
    for (;;) {
      seen.push(...page.models.map((model) => model.name))
      if (page.nextPageToken === undefined) break
      page = googleModelList(models, { pageSize: 4, pageToken: page.nextPageToken })
    }
    assert.deepEqual(seen, names)
  })

  test('a size or token that is none is the caller’s mistake', () => {
    const unknown = Buffer.from('no-such-model').toString('base64url')
    for (const page of [{ pageSize: -1 }, { pageSize: 1.5 }, { pageSize: Number.NaN }, { pageToken: unknown }]) {
      assert.throws(
        () => googleModelList(models, page),
        (error) =>
          error instanceof AppError && error.code === 'invalid_request' && error.param === Object.keys(page)[0],
      )
    }
  })
})

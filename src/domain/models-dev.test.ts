/** The catalogue as opencode reads it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { listedModels } from './model-listing.ts'
import { modelsDevCatalog } from './models-dev.ts'
import { buildForTest } from './test-catalog.ts'

const CONFIG = { providers: { zai: { apiKey: 'k' }, minimax: { apiKey: 'k' } } }

describe('the models.dev shape', () => {
  test('has both providers under the ids opencode knows, with this server’s address', () => {
    const catalog = buildForTest(CONFIG)
    const { opencode, 'opencode-go': plan, ...others } = modelsDevCatalog(catalog, 'https://zendo.example/')
    assert.deepEqual(others, {})
    const { models, ...provider } = plan ?? {}
    assert.deepEqual(provider, {
      id: 'opencode-go',
      name: 'Zendo Go',
      env: ['OPENCODE_API_KEY'],
      npm: '@ai-sdk/openai-compatible',
      api: 'https://zendo.example/zen/go/v1',
      doc: 'https://zendo.example/',
    })
    assert.equal(opencode?.api, 'https://zendo.example/zen/v1')
    assert.deepEqual(
      Object.keys(models ?? {}),
      listedModels(catalog, 'go').map((model) => model.id),
    )
    assert.deepEqual(models?.['minimax-m3'], {
      id: 'minimax-m3',
      name: 'MiniMax-M3',
      family: 'minimax-m3',
      attachment: false,
      reasoning: true,
      reasoning_options: [{ type: 'toggle' }],
      tool_call: true,
      temperature: true,
      knowledge: '2025-01',
      release_date: '2026-05-31',
      last_updated: '2026-05-31',
      modalities: { input: ['text', 'image', 'video'], output: ['text'] },
      open_weights: true,
      limit: { context: 1_000_000, output: 131_072 },
      provider: { npm: '@ai-sdk/anthropic' },
      cost: {
        input: 0.3,
        output: 1.2,
        cache_read: 0.06,
        cache_write: 0.3,
        tiers: [
          { input: 0.6, output: 2.4, cache_read: 0.12, cache_write: 0.6, tier: { type: 'context', size: 512_000 } },
        ],
        context_over_200k: { input: 0.6, output: 2.4, cache_read: 0.12, cache_write: 0.6 },
      },
    })
  })

  test('tells opencode where reasoning is sent back, what is free, and what an unknown model can do', () => {
    const routes = [{ provider: 'sim', model: 'echo' }]
    const catalog = buildForTest({
      ...CONFIG,
      models: { mine: { products: ['go'], free: true, status: 'beta', routes } },
    })
    const models = modelsDevCatalog(catalog, 'http://127.0.0.1:7070')['opencode-go']?.models
    assert.deepEqual(models?.['glm-5.2']?.interleaved, { field: 'reasoning_content' })
    assert.equal('provider' in (models?.['glm-5.2'] ?? {}), false)
    assert.deepEqual(models?.mine, {
      id: 'mine',
      name: 'mine',
      attachment: false,
      reasoning: false,
      tool_call: true,
      temperature: true,
      open_weights: false,
      release_date: '1970-01-01',
      last_updated: '1970-01-01',
      modalities: { input: ['text'], output: ['text'] },
      limit: { context: 131_072, output: 32_768 },
      cost: { input: 0, output: 0, cache_read: 0, cache_write: 0 },
      status: 'beta',
    })
  })
})

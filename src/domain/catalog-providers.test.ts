/** Which providers are in use, where they are, and over which of them a model is had. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import { accountTag, type Catalog, type Model } from './catalog.ts'
import { buildCatalog } from './catalog-build.ts'
import { buildForTest, modelIn, targetsOf } from './test-catalog.ts'

const zen = (catalog: Catalog, id: string): Model => modelIn(catalog, 'zen', id)
const go = (catalog: Catalog, id: string): Model => modelIn(catalog, 'go', id)

describe('providers', () => {
  test('a key is all a built-in provider needs, and its models then have routes', () => {
    const catalog = buildForTest({ providers: { zai: { apiKey: 'env:ZAI_API_KEY' } } }, { zai: 'sk-zai' })
    const zai = catalog.providers.get('zai')
    assert.equal(zai?.apiKey, 'sk-zai')
    assert.equal(zai?.endpoints.get('anthropic-messages'), 'https://api.z.ai/api/anthropic/v1')
    assert.deepEqual(targetsOf(zen(catalog, 'glm-5.2')), ['zai/glm-5.2 0'])
    assert.equal(zen(catalog, 'kimi-k3').routes.length, 0)
  })

  test('the vendor comes before the public service, under the name each has for the model', () => {
    const catalog = buildForTest({
      providers: { minimax: { apiKey: 'a' }, opencode: { apiKey: 'b' }, 'opencode-go': { apiKey: 'c' } },
    })
    assert.deepEqual(targetsOf(zen(catalog, 'minimax-m3')), ['minimax/MiniMax-M3 0', 'opencode/minimax-m3 10'])
    assert.deepEqual(targetsOf(go(catalog, 'minimax-m3')), ['minimax/MiniMax-M3 0', 'opencode-go/minimax-m3 10'])
  })

  test('the public service is only asked for a model in the protocol it serves it in', () => {
    const catalog = buildForTest({ providers: { 'opencode-go': { apiKey: 'c' } } }, { 'opencode-go': 'c' })
    const [route] = go(catalog, 'minimax-m3').routes
    assert.deepEqual([...(route?.provider.endpoints.keys() ?? [])], ['anthropic-messages'])
    assert.equal(route?.provider.apiKey, 'c')
    const others = [...catalog.models.go.values()].flatMap((model) => model.routes)
    const sameLimits = others.filter((other) => other.provider.endpoints.has('anthropic-messages'))
    assert.ok(sameLimits.length > 1)
    assert.ok(
      sameLimits.filter((other) => other.provider.id === 'opencode-go').every((o) => o.provider === route?.provider),
    )
  })

  test('a moved provider keeps no built-in address; slashes at the end are cut off', () => {
    const catalog = buildForTest({
      providers: {
        openai: { baseUrl: 'https://proxy.example/openai//' },
        deepseek: { baseUrls: { 'openai-chat': 'http://10.0.0.1/v1' }, timeouts: { idleMs: 5 } },
      },
    })
    assert.deepEqual(Object.fromEntries(catalog.providers.get('openai')?.endpoints ?? []), {
      'openai-responses': 'https://proxy.example/openai',
      'openai-chat': 'https://proxy.example/openai',
    })
    assert.deepEqual(Object.fromEntries(catalog.providers.get('deepseek')?.endpoints ?? []), {
      'openai-chat': 'http://10.0.0.1/v1',
    })
    assert.deepEqual(catalog.providers.get('deepseek')?.timeouts, {
      connectMs: 5000,
      headersMs: 120_000,
      idleMs: 5,
      totalMs: 3_600_000,
    })
  })

  test('removing sim removes its models, and leaves the others', () => {
    const catalog = buildForTest({ providers: { sim: null } })
    assert.equal(catalog.providers.size, 0)
    for (const product of ['zen', 'go'] as const) {
      assert.deepEqual(
        [...catalog.models[product].keys()].filter((id) => id.startsWith('sim/')),
        [],
      )
    }
    assert.equal(zen(catalog, 'glm-5.2').routes.length, 0)
  })

  test('a credential shows neither in JSON nor in a dump of the snapshot', () => {
    const catalog = buildForTest(
      { providers: { 'opencode-go': { apiKey: 'sk-SECRET' } } },
      { 'opencode-go': 'sk-SECRET' },
    )
    const models = [...catalog.models.go.values()]
    const json = JSON.stringify([[...catalog.providers.values()], models], (_key, value) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    assert.equal(`${json}${inspect(catalog, { depth: 9 })}`.includes('SECRET'), false)
  })

  test('the tag of an account stays over restarts, keys and views, and changes with the addresses', () => {
    const tagOf = (catalog: Catalog, id: string): string | undefined => catalog.providers.get(id)?.tag
    const before = buildForTest({ providers: { zai: { apiKey: 'a' } } }, { zai: 'a' })
    assert.match(tagOf(before, 'zai') ?? '', /^[0-9a-f]{8}$/)
    const after = buildForTest({ providers: { zai: { apiKey: 'b', region: 'eu' } } }, { zai: 'b' })
    assert.equal(tagOf(after, 'zai'), tagOf(before, 'zai'))
    const moved = buildForTest({ providers: { zai: { baseUrls: { 'openai-chat': 'http://10.0.0.1/v1' } } } })
    assert.notEqual(tagOf(moved, 'zai'), tagOf(before, 'zai'))

    const go = buildForTest({ providers: { 'opencode-go': { apiKey: 'c' } } })
    const [route] = modelIn(go, 'go', 'minimax-m3').routes
    assert.equal(route && accountTag(route.provider), tagOf(go, 'opencode-go'))

    const atPort = (port: number) =>
      buildCatalog(BUILT_IN_CATALOG, null, new Map(), { simulatedBaseUrl: `http://127.0.0.1:${port}/v1` })
    assert.equal(tagOf(atPort(40_001), 'sim'), tagOf(atPort(40_002), 'sim'))
  })

  test('no two built-in accounts have the same tag', () => {
    const keyed = [...BUILT_IN_CATALOG.providers.keys()].filter((id) => id !== 'sim').map((id) => [id, { apiKey: 'k' }])
    const { providers } = buildForTest({ providers: Object.fromEntries(keyed) })
    assert.equal(new Set([...providers.values()].map(accountTag)).size, providers.size)
  })
})

/** What a route differs in: who declares it, who wins, and what the shipped data declares. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Quirks } from '../base/quirks.ts'
import { PROTOCOLS, type Product, type Protocol } from '../base/words.ts'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import { type Catalog, quirksOf, type Route } from './catalog.ts'
import providerData from './catalog-data/providers.json' with { type: 'json' }
import { configSchema } from './config-schema.ts'
import { buildForTest, modelIn } from './test-catalog.ts'

function routeOf(catalog: Catalog, id: string, provider: string, product: Product = 'zen'): Route {
  const route = modelIn(catalog, product, id).routes.find((one) => one.provider.id === provider)
  assert.ok(route, `${id} has no route to ${provider}`)
  return route
}

describe('declared quirks', () => {
  const acme = {
    baseUrls: { 'openai-chat': 'http://10.0.0.1/v1', 'anthropic-messages': 'http://10.0.0.1/anthropic/v1' },
    quirks: { 'openai-chat': { maxTokensField: 'max_completion_tokens', strictTools: false, dropFields: ['store'] } },
  }

  function quirksWith(model: object, route: object): { chat: Quirks; messages: Quirks } {
    const entry = { free: true, ...model, routes: [{ provider: 'acme', ...route }] }
    const built = routeOf(buildForTest({ providers: { acme }, models: { mine: entry } }), 'mine', 'acme')
    return { chat: quirksOf(built, 'openai-chat'), messages: quirksOf(built, 'anthropic-messages') }
  }

  test('those of a provider hold for the protocol they are declared for', () => {
    const { chat, messages } = quirksWith({}, {})
    assert.deepEqual(chat, acme.quirks['openai-chat'])
    assert.deepEqual(messages, {})
  })

  test('the model goes before the provider, the route before both, member by member; a list is replaced', () => {
    const { chat, messages } = quirksWith(
      { quirks: { strictTools: true, efforts: ['low', 'high'] } },
      { quirks: { efforts: ['max'], dropFields: [] } },
    )
    assert.deepEqual(chat, {
      maxTokensField: 'max_completion_tokens',
      strictTools: true,
      efforts: ['max'],
      dropFields: [],
    })
    assert.deepEqual(messages, { strictTools: true, efforts: ['max'], dropFields: [] })
  })

  test('a protocol that the route does not speak has none', () => {
    const built = routeOf(buildForTest({ providers: { zai: { apiKey: 'k' } } }), 'glm-5.2', 'zai')
    assert.deepEqual(quirksOf(built, 'google-generate'), {})
    assert.deepEqual([...built.quirks.keys()].sort(), [...built.provider.endpoints.keys()].sort())
  })

  test('nobody can change them', () => {
    const built = routeOf(buildForTest({ providers: { zai: { apiKey: 'k' } } }), 'glm-5.2', 'zai')
    for (const protocol of PROTOCOLS) assert.ok(Object.isFrozen(quirksOf(built, protocol)), protocol)
  })

  test('an entry for a built-in provider or model corrects one member and keeps the others', () => {
    const plain = buildForTest({ providers: { deepseek: { apiKey: 'k' } } })
    const catalog = buildForTest({
      providers: { deepseek: { apiKey: 'k', quirks: { 'openai-chat': { strictTools: true } } } },
      models: { 'deepseek-v4-pro': { quirks: { forcedToolChoice: true } } },
    })
    const before = quirksOf(routeOf(plain, 'deepseek-v4-pro', 'deepseek'), 'openai-chat')
    const after = quirksOf(routeOf(catalog, 'deepseek-v4-pro', 'deepseek'), 'openai-chat')
    assert.deepEqual(after, { ...before, strictTools: true, forcedToolChoice: true })
    assert.deepEqual([before.strictTools, before.forcedToolChoice], [false, false])
    const messages: Protocol = 'anthropic-messages'
    assert.equal(quirksOf(routeOf(catalog, 'deepseek-v4-pro', 'deepseek'), messages).cacheMarks, 'none')
  })

  test('perProduct says it for one product only', () => {
    const entry = { perProduct: { go: { quirks: { efforts: ['low'] }, originateCacheMarks: true } } }
    const catalog = buildForTest({ providers: { zai: { apiKey: 'k' } }, models: { 'glm-5.2': entry } })
    assert.deepEqual(quirksOf(routeOf(catalog, 'glm-5.2', 'zai', 'go'), 'openai-chat').efforts, ['low'])
    assert.deepEqual(quirksOf(routeOf(catalog, 'glm-5.2', 'zai'), 'openai-chat').efforts, ['high', 'max'])
    assert.equal(modelIn(catalog, 'go', 'glm-5.2').originateCacheMarks, true)
    assert.equal(modelIn(catalog, 'zen', 'glm-5.2').originateCacheMarks, false)
  })
})

describe('what a file may not declare', () => {
  const refusals: [object, string][] = [
    [{ thinkingform: 'none' }, 'Unrecognized key: "thinkingform"'],
    [{ thinkingForm: 'always' }, 'expected one of budget, adaptive, none'],
    [{ efforts: ['low', 'extreme'] }, 'expected one of none, minimal, low, medium, high, xhigh, max'],
    [{ betas: ['a', 'a'] }, 'must not name the same thing twice'],
    [
      { dropSettings: ['top_p'] },
      'expected one of temperature, topP, topK, seed, presencePenalty, frequencyPenalty, stop',
    ],
    [{ ownVendor: 'yes' }, 'expected true or false'],
  ]
  for (const [quirks, reason] of refusals) {
    test(reason, () => {
      const parsed = configSchema.safeParse({ models: { m: { quirks } } })
      assert.equal(parsed.error?.issues[0]?.message, reason)
    })
  }

  test('quirks of a provider without naming the protocol', () => {
    assert.equal(configSchema.safeParse({ providers: { p: { quirks: { ownVendor: true } } } }).success, false)
  })
})

describe('the shipped quirks', () => {
  const keyed = [...BUILT_IN_CATALOG.providers.keys()].filter((id) => id !== 'sim').map((id) => [id, { apiKey: 'k' }])
  const catalog = buildForTest({ providers: Object.fromEntries(keyed) })
  const at = (id: string, provider: string, protocol: Protocol, product: Product = 'zen') =>
    quirksOf(routeOf(catalog, id, provider, product), protocol)

  test('are declared only for protocols that the provider has an address for', () => {
    for (const [id, { quirks, baseUrls }] of BUILT_IN_CATALOG.providers) {
      for (const protocol of Object.keys(quirks ?? {})) assert.ok(baseUrls?.[protocol as Protocol], `${id} ${protocol}`)
    }
  })

  test('say where each provider’s are stated', () => {
    for (const [id, entry] of Object.entries(providerData.providers)) {
      assert.equal('quirksSource' in entry, 'quirks' in entry, id)
    }
  })

  test('leave its own vendor every member, and nobody else', () => {
    const own = [...BUILT_IN_CATALOG.providers].flatMap(([id, { quirks }]) =>
      Object.entries(quirks ?? {}).flatMap(([protocol, entry]) => (entry.ownVendor ? [`${id} ${protocol}`] : [])),
    )
    assert.deepEqual(own.sort(), [
      'anthropic anthropic-messages',
      'google google-generate',
      'openai openai-chat',
      'openai openai-responses',
    ])
  })

  test('send an endpoint that imitates Messages no beta it is not known to take, and count no tokens there', () => {
    for (const [id, { quirks, baseUrls }] of BUILT_IN_CATALOG.providers) {
      if (id === 'anthropic' || baseUrls?.['anthropic-messages'] === undefined) continue
      const entry = quirks?.['anthropic-messages']
      assert.equal(entry?.countTokens, false, id)
      if (id !== 'opencode') assert.ok(entry.betas, id)
    }
  })

  test('bring the reasoning of DeepSeek, Kimi and MiMo back at every upstream (PP-09)', () => {
    for (const [id, provider, product] of [
      ['deepseek-v4-pro', 'deepseek', 'go'],
      ['deepseek-v4-flash', 'opencode-go', 'go'],
      ['kimi-k2.6', 'moonshotai', 'zen'],
      ['kimi-k3', 'opencode-go', 'go'],
      ['mimo-v2.5', 'xiaomi', 'go'],
    ] as const) {
      assert.equal(at(id, provider, 'openai-chat', product).reasoningRequired, true, id)
    }
    assert.equal(at('glm-5.2', 'zai', 'openai-chat').reasoningRequired, undefined)
  })

  test('ask each Claude for thinking in the form that it takes', () => {
    const forms = ['claude-3-5-haiku', 'claude-haiku-4-5', 'claude-opus-4-5', 'claude-opus-4-6', 'claude-opus-5-5'].map(
      (id) => at(id, 'anthropic', 'anthropic-messages').thinkingForm ?? 'budget',
    )
    assert.deepEqual(forms, ['none', 'budget', 'budget', 'adaptive', 'adaptive'])
    assert.deepEqual(at('claude-opus-5', 'opencode', 'anthropic-messages').efforts, [
      'low',
      'medium',
      'high',
      'xhigh',
      'max',
    ])
  })

  test('ask by the vendor’s own member where efforts have none', () => {
    assert.equal(at('glm-5.2', 'zai', 'openai-chat').reasoningControl, 'thinking')
    assert.equal(at('glm-5.3', 'zai', 'openai-chat').reasoningControl, 'effort')
    assert.equal(at('qwen3.7-max', 'alibaba', 'openai-chat', 'go').reasoningControl, 'enable_thinking')
    assert.deepEqual(at('kimi-k3', 'moonshotai', 'openai-chat').efforts, ['low', 'high', 'max'])
    assert.equal(at('kimi-k2.6', 'opencode', 'openai-chat').reasoningControl, 'none')
    assert.equal(at('glm-5.2', 'opencode', 'openai-chat').reasoningControl, undefined)
  })

  test('have OpenAI’s newer models answer by Responses, where tools and reasoning go together', () => {
    assert.deepEqual([...routeOf(catalog, 'gpt-5.6-sol', 'openai').provider.endpoints.keys()], ['openai-responses'])
    assert.deepEqual(at('gpt-5.1', 'openai', 'openai-chat').maxTokensField, 'max_completion_tokens')
  })
})

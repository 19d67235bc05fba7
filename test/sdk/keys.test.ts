/** Every way in which client libraries send a key is taken, on every route. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { startWorld, type World } from './world.ts'

const MESSAGES = [{ role: 'user' as const, content: 'one two three' }]
const DUMMY = 'left-at-its-default'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())

interface KeyForm {
  readonly name: string
  /** What carries the key; the library's own key is a dummy. */
  readonly headers: (key: string) => Record<string, string | null>
  readonly query?: (key: string) => Record<string, string>
}

const keyForms: readonly KeyForm[] = [
  { name: 'Authorization: Bearer', headers: (key) => ({ authorization: `Bearer ${key}` }) },
  { name: 'x-api-key', headers: (key) => ({ authorization: null, 'x-api-key': key }) },
  { name: 'x-goog-api-key', headers: (key) => ({ authorization: null, 'x-goog-api-key': key }) },
  { name: '?key=', headers: () => ({ authorization: null }), query: (key) => ({ key }) },
  { name: 'x-api-key beside a dummy bearer', headers: (key) => ({ 'x-api-key': key }) },
]

for (const { name, headers, query } of keyForms) {
  const options = () => ({
    defaultHeaders: headers(world.key),
    ...(query && { defaultQuery: query(world.key) }),
    apiKey: DUMMY,
    maxRetries: 0,
  })

  test(`the openai library gets in with ${name}`, async () => {
    for (const baseURL of [world.zen, world.go]) {
      const client = new OpenAI({ baseURL, ...options() })
      const answer = await client.chat.completions.create({ model: 'sim/echo', messages: MESSAGES })
      assert.equal(answer.choices[0]?.message.content, '[simulated] one two three')
      assert.ok((await Array.fromAsync(client.models.list())).some(({ id }) => id === 'reasoner-chat'))
    }
  })

  test(`the anthropic library gets in with ${name}`, async () => {
    for (const base of [world.zen, world.go]) {
      const client = new Anthropic({ baseURL: base.replace(/\/v1$/, ''), ...options() })
      const answer = await client.messages.create({ model: 'sim/echo', max_tokens: 100, messages: MESSAGES })
      assert.deepEqual(answer.content, [{ type: 'text', text: '[simulated] one two three' }])
      const counted = await client.messages.countTokens({ model: 'sim/echo', messages: MESSAGES })
      assert.ok(counted.input_tokens > 0)
      assert.ok((await Array.fromAsync(client.models.list())).some(({ id }) => id === 'reasoner-messages'))
    }
  })
}

test('the anthropic library gets in with an auth token', async () => {
  const client = new Anthropic({ baseURL: `${world.gateway.baseUrl}/zen/go`, authToken: world.key, apiKey: null })
  const answer = await client.messages.create({ model: 'sim/echo', max_tokens: 100, messages: MESSAGES })
  assert.equal(answer.stop_reason, 'end_turn')
})

test('prefixed model ids mean the same model', async () => {
  const client = new OpenAI({ baseURL: world.go, apiKey: world.key })
  for (const prefix of ['opencode-go/', 'opencode/', 'zendo/']) {
    const answer = await client.chat.completions.create({ model: `${prefix}reasoner-chat`, messages: MESSAGES })
    assert.equal(answer.model, 'reasoner')
  }
})

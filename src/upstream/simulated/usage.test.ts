/** Simulated token counts, and what the simulated prompt cache remembers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HOUR_MS, MINUTE_MS } from '../../base/time.ts'
import { promptTokens } from '../../base/usage.ts'
import { decodeChatRequest } from './chat-request.ts'
import { decodeMessagesRequest } from './messages-request.ts'
import type { CacheLifetime, SimulatedRequest } from './request.ts'
import { MIN_CACHED_PROMPT_TOKENS, type PromptCache, simulateUsage, touchPrompt } from './usage.ts'

const LONG_TEXT = 'word '.repeat(1000)

function chat(system: string, ...userTexts: string[]): SimulatedRequest {
  const messages = userTexts.map((content) => ({ role: 'user', content }))
  return decodeChatRequest({ model: 'echo', messages: [{ role: 'system', content: system }, ...messages] })
}

function touch(cache: PromptCache, request: SimulatedRequest, nowMs = 0, maxEntries = 10): boolean {
  return touchPrompt(cache, 'test', request, nowMs, maxEntries)
}

test('four bytes of messages, calls and tools are one token, rounded up, at least one', () => {
  const tokens = (body: object) => decodeChatRequest({ model: 'echo', ...body }).promptTokens
  assert.equal(tokens({ messages: [{ role: 'user' }] }), 1)
  assert.equal(tokens({ messages: [{ role: 'user', content: '12345' }] }), 2)
  assert.equal(tokens({ messages: [{ role: 'user', content: [{ type: 'text', text: '坐坐坐坐' }] }] }), 3)
  const call = { id: 'call_1', type: 'function', function: { name: 'a', arguments: '{}' } }
  const messages = [{ role: 'assistant', content: null, tool_calls: [call], reasoning_content: 'abcd' }]
  assert.equal(tokens({ messages }), Math.ceil((JSON.stringify(call.function).length + 4) / 4))
  const tools = [{ type: 'function', function: { name: 'a' } }]
  assert.equal(tokens({ messages: [{ role: 'user' }], tools }), Math.ceil(JSON.stringify(tools).length / 4))
})

test('thinking, calls and results of a Messages conversation count, images do not', () => {
  const tokens = (content: object[]) =>
    decodeMessagesRequest({ model: 'echo', max_tokens: 1, messages: [{ role: 'user', content }] }).promptTokens
  assert.equal(tokens([{ type: 'thinking', thinking: 'x'.repeat(40) }]), 10)
  assert.equal(tokens([{ type: 'tool_use', input: { a: 'x'.repeat(32) } }]), 10)
  assert.equal(tokens([{ type: 'tool_result', content: 'x'.repeat(40) }]), 10)
  assert.equal(tokens([{ type: 'tool_result', content: [{ type: 'text', text: 'x'.repeat(40) }] }]), 10)
  assert.equal(tokens([{ type: 'image', source: { data: 'x'.repeat(4000) } }]), 1)
})

test('a prompt is known for five minutes after it was last seen', () => {
  const cache: PromptCache = new Map()
  const request = chat(LONG_TEXT, 'hello')
  assert.equal(touch(cache, request, 0), false)
  assert.equal(touch(cache, request, 4 * MINUTE_MS), true)
  assert.equal(touch(cache, request, 9 * MINUTE_MS - 1), true)
  assert.equal(touch(cache, request, 14 * MINUTE_MS), false)
})

test('a prompt marked for an hour is known for an hour', () => {
  const cache: PromptCache = new Map()
  const system = [{ type: 'text', text: LONG_TEXT, cache_control: { type: 'ephemeral', ttl: '1h' } }]
  const body = { model: 'echo', max_tokens: 1, system, messages: [{ role: 'user', content: 'hello' }] }
  const request = decodeMessagesRequest(body)
  assert.equal(touch(cache, request, 0), false)
  assert.equal(touch(cache, request, HOUR_MS - 1), true)
})

test('a conversation that grows keeps its prefix; another system text or model is another prompt', () => {
  const cache: PromptCache = new Map()
  assert.equal(touch(cache, chat('short', LONG_TEXT)), false)
  assert.equal(touch(cache, chat('short', LONG_TEXT, 'and then?')), true)
  assert.equal(touch(cache, chat('other', LONG_TEXT)), false)
  assert.equal(touch(cache, { ...chat('short', LONG_TEXT), model: 'long' }), false)
  assert.equal(touchPrompt(cache, 'elsewhere', chat('short', LONG_TEXT), 0, 10), false)
})

test('prompts under 1,024 tokens are never known nor remembered', () => {
  const cache: PromptCache = new Map()
  const small = chat('', 'x'.repeat(4 * (MIN_CACHED_PROMPT_TOKENS - 1)))
  assert.equal(touch(cache, small), false)
  assert.equal(touch(cache, small), false)
  assert.equal(cache.size, 0)
})

test('the cache is bounded, forgets the least recently used, and holds no prompt', () => {
  const cache: PromptCache = new Map()
  const prompts = [1, 2, 3].map((n) => chat(`${n} ${LONG_TEXT}`, 'hello'))
  const [first, second, third] = prompts as [SimulatedRequest, SimulatedRequest, SimulatedRequest]
  touch(cache, first, 0, 2)
  touch(cache, second, 0, 2)
  touch(cache, first, 0, 2)
  touch(cache, third, 0, 2)
  assert.equal(cache.size, 2)
  assert.equal(touch(cache, first, 0, 2), true)
  assert.equal(touch(cache, second, 0, 2), false)
  assert.ok([...cache.keys()].every((key) => /^[A-Za-z0-9+/]{43}=$/.test(key)))
})

test('the buckets are never negative and always add up to the prompt', () => {
  const marks = fc.uniqueArray(fc.constantFrom<CacheLifetime>('5m', '1h')).map((each) => new Set(each))
  const sizes = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 2 ** 30 }))
  fc.assert(
    fc.property(sizes, marks, fc.boolean(), fc.nat(1000), (size, cacheMarks, known, output) => {
      const request = { ...chat('', 'hello'), promptTokens: size, cacheMarks }
      const usage = simulateUsage(request, output, known)
      assert.equal(promptTokens(usage), size)
      assert.ok(Object.values(usage).every((count) => Number.isInteger(count) && count >= 0))
      assert.equal(usage.output, output)
      if (known && size >= MIN_CACHED_PROMPT_TOKENS) assert.equal(usage.cachedRead, Math.floor(size / 2))
    }),
    { verbose: true },
  )
})

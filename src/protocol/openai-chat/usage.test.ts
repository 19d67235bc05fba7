import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Usage } from '../../base/usage.ts'
import { readChatUsage } from './usage.ts'

type Row = [input: number, cachedRead: number, write5m: number, write1h: number, output: number, reasoning: number]

const row = (usage: Usage | null): Row | null =>
  usage && [usage.input, usage.cachedRead, usage.cacheWrite5m, usage.cacheWrite1h, usage.output, usage.reasoning]

/** One line per dialect: what the wire says, and the buckets it means. */
const DIALECTS: Record<string, [wire: object, expected: Row]> = {
  'plain counters': [{ prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 }, [20, 0, 0, 0, 5, 0]],
  'OpenAI: cached and reasoning tokens are inside': [
    {
      prompt_tokens: 2000,
      completion_tokens: 300,
      total_tokens: 2300,
      prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 256, audio_tokens: 0 },
    },
    [80, 1920, 0, 0, 300, 256],
  ],
  'details that are null': [
    { prompt_tokens: 7, completion_tokens: 1, prompt_tokens_details: null, completion_tokens_details: null },
    [7, 0, 0, 0, 1, 0],
  ],
  'Moonshot, Together: cached_tokens at the top': [
    { prompt_tokens: 100, completion_tokens: 9, total_tokens: 109, cached_tokens: 64 },
    [36, 64, 0, 0, 9, 0],
  ],
  'DeepSeek: hits and misses': [
    {
      prompt_tokens: 500,
      completion_tokens: 40,
      total_tokens: 540,
      prompt_tokens_details: { cached_tokens: 384 },
      prompt_cache_hit_tokens: 384,
      prompt_cache_miss_tokens: 116,
    },
    [116, 384, 0, 0, 40, 0],
  ],
  'DeepSeek: hits without details': [
    { prompt_tokens: 500, completion_tokens: 40, prompt_cache_hit_tokens: 384, prompt_cache_miss_tokens: 116 },
    [116, 384, 0, 0, 40, 0],
  ],
  'Venice: cache_read_input_tokens, inside the prompt': [
    {
      prompt_tokens: 5000,
      completion_tokens: 10,
      cache_read_input_tokens: 4096,
      prompt_tokens_details: { cached_tokens: 4096 },
    },
    [904, 4096, 0, 0, 10, 0],
  ],
  'xAI: reasoning is not in completion_tokens, the total shows it': [
    {
      prompt_tokens: 400,
      completion_tokens: 50,
      total_tokens: 650,
      prompt_tokens_details: { cached_tokens: 150 },
      completion_tokens_details: { reasoning_tokens: 200 },
    },
    [250, 150, 0, 0, 250, 200],
  ],
  'Google: thinking shows in the total only': [
    { prompt_tokens: 60, completion_tokens: 8, total_tokens: 100 },
    [60, 0, 0, 0, 40, 32],
  ],
  'a total that says less than its parts is not believed': [
    { prompt_tokens: 60, completion_tokens: 8, total_tokens: 10 },
    [60, 0, 0, 0, 8, 0],
  ],
  'a total that does not fit the reasoning is not believed': [
    { prompt_tokens: 60, completion_tokens: 8, total_tokens: 1000, completion_tokens_details: { reasoning_tokens: 2 } },
    [60, 0, 0, 0, 8, 2],
  ],
  'Grok on Azure: more cached than prompt tokens': [
    { prompt_tokens: 220, completion_tokens: 40, total_tokens: 260, prompt_tokens_details: { cached_tokens: 360 } },
    [0, 360, 0, 0, 40, 0],
  ],
  'OpenRouter: cache writes in the details': [
    {
      prompt_tokens: 2500,
      completion_tokens: 60,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 2490 },
    },
    [10, 0, 2490, 0, 60, 0],
  ],
  'OpenRouter: the same tokens read and written': [
    {
      prompt_tokens: 2100,
      completion_tokens: 9,
      prompt_tokens_details: { cached_tokens: 2090, cache_write_tokens: 2090 },
    },
    [0, 2090, 2090, 0, 9, 0],
  ],
  'OpenRouter and others: more reasoning than output': [
    { prompt_tokens: 5, completion_tokens: 10, total_tokens: 15, completion_tokens_details: { reasoning_tokens: 37 } },
    [5, 0, 0, 0, 10, 10],
  ],
  'Vercel: cache_creation_input_tokens': [
    { prompt_tokens: 900, completion_tokens: 3, cache_creation_input_tokens: 800 },
    [100, 0, 800, 0, 3, 0],
  ],
  'Doubleword: writes split by lifetime': [
    {
      prompt_tokens: 1000,
      completion_tokens: 3,
      cache_creation: {
        ephemeral_5m_input_tokens: 100,
        ephemeral_1h_input_tokens: 300,
        ephemeral_24h_input_tokens: 50,
      },
      cache_creation_input_tokens: 450,
      cache_read_input_tokens: 200,
    },
    [350, 200, 100, 350, 3, 0],
  ],
  'a total of writes larger than its split': [
    {
      prompt_tokens: 1000,
      completion_tokens: 3,
      cache_creation: { ephemeral_1h_input_tokens: 300 },
      cache_creation_input_tokens: 450,
    },
    [550, 0, 150, 300, 3, 0],
  ],
  'Copilot, Azure: reasoning_tokens at the top': [
    { prompt_tokens: 19, completion_tokens: 50, total_tokens: 69, reasoning_tokens: 20 },
    [19, 0, 0, 0, 50, 20],
  ],
  'counters beside the known ones': [
    { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6, cost: 0.002, queue_time: 0.1, cost_details: { a: 1 } },
    [4, 0, 0, 0, 2, 0],
  ],
  'names of the Responses API': [{ input_tokens: 4, output_tokens: 2 }, [4, 0, 0, 0, 2, 0]],
  'one counter missing': [{ completion_tokens: 2 }, [0, 0, 0, 0, 2, 0]],
  'negative, fractional and absurd counters': [
    { prompt_tokens: 10.7, completion_tokens: -4, prompt_tokens_details: { cached_tokens: -1 }, total_tokens: 'many' },
    [10, 0, 0, 0, 0, 0],
  ],
}

describe('readChatUsage', () => {
  for (const [name, [wire, expected]] of Object.entries(DIALECTS)) {
    it(`reads ${name}`, () => assert.deepEqual(row(readChatUsage(wire)), expected))
  }

  it('gives null when nothing is counted', () => {
    for (const wire of [
      null,
      undefined,
      'x',
      7,
      [],
      {},
      { total_tokens: 5 },
      { prompt_tokens: null },
      { prompt_tokens: '5' },
    ]) {
      assert.equal(readChatUsage(wire), null)
    }
  })

  it('never gives anything but whole numbers from 0 to 2^53 - 1, and no more reasoning than output', () => {
    const counter = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.constantFrom(null, '5', {}, true, 1e308),
    )
    const wire = fc.record(
      {
        prompt_tokens: counter,
        completion_tokens: counter,
        total_tokens: counter,
        cached_tokens: counter,
        reasoning_tokens: counter,
        cache_creation_input_tokens: counter,
        prompt_tokens_details: fc.record({ cached_tokens: counter, cache_write_tokens: counter }, { requiredKeys: [] }),
        completion_tokens_details: fc.record({ reasoning_tokens: counter }),
        cache_creation: fc.record({ ephemeral_1h_input_tokens: counter, ephemeral_24h_input_tokens: counter }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(wire, (usage) => {
        const read = readChatUsage(usage)
        if (!read) return
        for (const count of Object.values(read))
          assert.ok(Number.isSafeInteger(count) && count >= 0, JSON.stringify(read))
        assert.ok(read.reasoning <= read.output)
      }),
      { numRuns: 1000 },
    )
  })
})

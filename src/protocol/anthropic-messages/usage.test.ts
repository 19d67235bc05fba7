import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { mergeUsage, NO_COUNTERS, readMessagesUsage } from './usage.ts'

type Row = [input: number, cachedRead: number, write5m: number, write1h: number, output: number, reasoning: number]

function read(...wires: readonly unknown[]): Row | null {
  const usage = readMessagesUsage(wires.reduce(mergeUsage, NO_COUNTERS) as typeof NO_COUNTERS)
  return usage && [usage.input, usage.cachedRead, usage.cacheWrite5m, usage.cacheWrite1h, usage.output, usage.reasoning]
}

/** What message_start and message_delta say, one after the other, and the buckets it means. */
const DIALECTS: Record<string, [wires: object[], expected: Row]> = {
  'an answer without caches': [[{ input_tokens: 12, output_tokens: 30 }], [12, 0, 0, 0, 30, 0]],
  'input without both caches, writes split by lifetime': [
    [
      {
        input_tokens: 4,
        cache_read_input_tokens: 1000,
        cache_creation_input_tokens: 700,
        cache_creation: { ephemeral_5m_input_tokens: 200, ephemeral_1h_input_tokens: 500 },
        output_tokens: 9,
        output_tokens_details: { thinking_tokens: 3 },
      },
    ],
    [4, 1000, 200, 500, 9, 3],
  ],
  'writes without a split count as five minutes': [
    [{ input_tokens: 4, cache_creation_input_tokens: 700, output_tokens: 9 }],
    [4, 0, 700, 0, 9, 0],
  ],
  'a split without a total': [
    [
      {
        input_tokens: 4,
        cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
        output_tokens: 9,
      },
    ],
    [4, 0, 20, 30, 9, 0],
  ],
  'older API: the end counts output only': [
    [{ input_tokens: 50, cache_read_input_tokens: 10, output_tokens: 1 }, { output_tokens: 77 }],
    [50, 10, 0, 0, 77, 0],
  ],
  'server tools: input has grown at the end': [
    [
      { input_tokens: 1100, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 2 },
      { input_tokens: 2400, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 140 },
    ],
    [2400, 0, 0, 0, 140, 0],
  ],
  'web search: the total of writes grows, the split stays at the start': [
    [
      {
        input_tokens: 4,
        cache_creation_input_tokens: 2400,
        cache_creation: { ephemeral_5m_input_tokens: 2400, ephemeral_1h_input_tokens: 0 },
        output_tokens: 1,
      },
      { input_tokens: 17, cache_creation_input_tokens: 23000, cache_read_input_tokens: 16000, output_tokens: 500 },
    ],
    [17, 16000, 23000, 0, 500, 0],
  ],
  'a total of writes that shrinks below its split': [
    [
      { input_tokens: 4, cache_creation: { ephemeral_1h_input_tokens: 900 }, output_tokens: 1 },
      { cache_creation_input_tokens: 300, output_tokens: 2 },
    ],
    [4, 0, 0, 300, 2, 0],
  ],
  'Kimi: the whole prompt at the start with explicit zeros, the truth at the end': [
    [
      { input_tokens: 170000, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
      {
        input_tokens: 250,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 169750,
        output_tokens: 166,
        prompt_tokens: 170000,
        cached_tokens: 169750,
      },
    ],
    [250, 169750, 0, 0, 166, 0],
  ],
  'Qwen: the whole prompt at the start, the split at the end': [
    [
      { input_tokens: 8800, output_tokens: 0 },
      {
        input_tokens: 18,
        cache_read_input_tokens: 8782,
        cache_creation: { ephemeral_5m_input_tokens: 0 },
        output_tokens: 400,
      },
    ],
    [18, 8782, 0, 0, 400, 0],
  ],
  'MiniMax, OpenRouter: zeros at the start': [
    [
      { input_tokens: 0, output_tokens: 0 },
      { input_tokens: 1, cache_read_input_tokens: 9000, output_tokens: 2 },
    ],
    [1, 9000, 0, 0, 2, 0],
  ],
  'a later zero replaces an earlier count': [
    [
      { input_tokens: 10, cache_read_input_tokens: 99, output_tokens: 1 },
      { cache_read_input_tokens: 0, output_tokens: 0 },
    ],
    [10, 0, 0, 0, 0, 0],
  ],
  'later nulls and nonsense replace nothing': [
    [
      { input_tokens: 10, cache_read_input_tokens: 99, output_tokens: 1 },
      { input_tokens: null, cache_read_input_tokens: 'x', output_tokens: 5 },
    ],
    [10, 99, 0, 0, 5, 0],
  ],
  'more thinking than output': [
    [{ input_tokens: 1, output_tokens: 5, output_tokens_details: { thinking_tokens: 8 } }],
    [1, 0, 0, 0, 5, 5],
  ],
  'negative and fractional counters': [[{ input_tokens: -5, output_tokens: 3.9 }], [0, 0, 0, 0, 3, 0]],
}

describe('readMessagesUsage', () => {
  for (const [name, [wires, expected]] of Object.entries(DIALECTS)) {
    it(`reads ${name}`, () => assert.deepEqual(read(...wires), expected))
  }

  it('gives null when nothing was counted', () => {
    for (const wire of [undefined, null, [], 'x', {}, { service_tier: 'standard' }]) assert.equal(read(wire), null)
  })

  it('never gives anything but whole numbers from 0 to 2^53 - 1', () => {
    const counter = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(null, '5', {}, 1e308))
    const wire = fc.record(
      {
        input_tokens: counter,
        output_tokens: counter,
        cache_creation_input_tokens: counter,
        cache_read_input_tokens: counter,
        cache_creation: fc.record({ ephemeral_5m_input_tokens: counter, ephemeral_1h_input_tokens: counter }),
        output_tokens_details: fc.record({ thinking_tokens: counter }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(wire, { maxLength: 3 }), (wires) => {
        for (const count of read(...wires) ?? []) assert.ok(Number.isSafeInteger(count) && count >= 0)
      }),
      { numRuns: 1000 },
    )
  })
})

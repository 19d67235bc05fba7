import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readResponsesUsage, writeResponsesUsage } from './usage.ts'

type Row = [input: number, cachedRead: number, write5m: number, write1h: number, output: number, reasoning: number]

function read(wire: unknown): Row | null {
  const usage = readResponsesUsage(wire)
  return usage && [usage.input, usage.cachedRead, usage.cacheWrite5m, usage.cacheWrite1h, usage.output, usage.reasoning]
}

const DIALECTS: Record<string, [wire: object, expected: Row]> = {
  'input with its cached part, output with reasoning': [
    {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 60 },
      output_tokens: 30,
      output_tokens_details: { reasoning_tokens: 10 },
      total_tokens: 130,
    },
    [40, 60, 0, 0, 30, 10],
  ],
  'cache writes beside cache reads (OpenAI, Azure)': [
    { input_tokens: 100, input_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 }, output_tokens: 5 },
    [10, 60, 30, 0, 5, 0],
  ],
  'cache writes by lifetime': [
    {
      input_tokens: 100,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      cache_creation_input_tokens: 30,
      output_tokens: 5,
    },
    [70, 0, 10, 20, 5, 0],
  ],
  'no details (LM Studio)': [{ input_tokens: 7, output_tokens: 3, total_tokens: 10 }, [7, 0, 0, 0, 3, 0]],
  'chat names': [{ prompt_tokens: 7, completion_tokens: 3 }, [7, 0, 0, 0, 3, 0]],
  'a token that is both read and written': [
    { input_tokens: 100, input_tokens_details: { cached_tokens: 90, cache_write_tokens: 90 }, output_tokens: 1 },
    [0, 90, 90, 0, 1, 0],
  ],
  'more reasoning than output': [
    { input_tokens: 1, output_tokens: 5, output_tokens_details: { reasoning_tokens: 8 } },
    [1, 0, 0, 0, 5, 5],
  ],
  'negative and fractional counters': [{ input_tokens: -5, output_tokens: 3.9 }, [0, 0, 0, 0, 3, 0]],
}

describe('readResponsesUsage', () => {
  for (const [name, [wire, expected]] of Object.entries(DIALECTS)) {
    it(`reads ${name}`, () => assert.deepEqual(read(wire), expected))
  }

  it('gives null when nothing was counted', () => {
    for (const wire of [undefined, null, [], 'x', {}, { total_tokens: 4 }]) assert.equal(read(wire), null)
  })

  it('reads what is written', () => {
    const count = fc.nat(1_000_000)
    const counters = fc.record({
      input: count,
      cachedRead: count,
      cacheWrite5m: count,
      output: count,
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(counters, ({ part, ...counts }) => {
        const usage = { ...counts, cacheWrite1h: 0, reasoning: Math.floor(counts.output * part) }
        const wire = writeResponsesUsage(usage, null)
        assert.deepEqual(readResponsesUsage(wire), usage)
        assert.equal(wire.total_tokens, Number(wire.input_tokens) + usage.output)
      }),
    )
  })

  it('never gives anything but whole numbers from 0 to 2^53 - 1', () => {
    const counter = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(null, '5', {}, 1e308))
    const wire = fc.record(
      {
        input_tokens: counter,
        output_tokens: counter,
        input_tokens_details: fc.record({ cached_tokens: counter, cache_write_tokens: counter }),
        output_tokens_details: fc.record({ reasoning_tokens: counter }),
        cache_creation: fc.record({ ephemeral_5m_input_tokens: counter, ephemeral_1h_input_tokens: counter }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(wire, (value) => {
        for (const count of read(value) ?? []) assert.ok(Number.isSafeInteger(count) && count >= 0)
      }),
      { numRuns: 1000 },
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { mergeGoogleUsage, readGoogleUsage, writeGoogleUsage } from './usage.ts'

const NONE = { input: 0, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0, reasoning: 0 }

describe('usage of a Google reply', () => {
  it('takes the cache out of the prompt, adds thoughts to the output and what tools read to the input', () => {
    const usage = readGoogleUsage({
      promptTokenCount: 100,
      cachedContentTokenCount: 60,
      toolUsePromptTokenCount: 7,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      totalTokenCount: 157,
    })
    assert.deepEqual(usage, { ...NONE, input: 47, cachedRead: 60, output: 50, reasoning: 30 })
  })

  it('is unknown until prompt or output is counted', () => {
    for (const wire of [null, {}, [], { trafficType: 'ON_DEMAND' }, { promptTokenCount: 'x' }])
      assert.equal(readGoogleUsage(wire), null)
    assert.deepEqual(readGoogleUsage({ thoughtsTokenCount: 3 }), { ...NONE, output: 3, reasoning: 3 })
  })

  it('never goes below zero', () => {
    const usage = readGoogleUsage({ promptTokenCount: 5, cachedContentTokenCount: 9, candidatesTokenCount: -4 })
    assert.deepEqual(usage, { ...NONE, cachedRead: 9 })
  })

  it('keeps the counters that a later chunk does not name', () => {
    let counters = mergeGoogleUsage(null, { promptTokenCount: 5, thoughtsTokenCount: 2 })
    counters = mergeGoogleUsage(counters, { promptTokenCount: 6, thoughtsTokenCount: null, candidatesTokenCount: 1 })
    counters = mergeGoogleUsage(counters, undefined)
    assert.deepEqual(readGoogleUsage(counters), { ...NONE, input: 6, output: 3, reasoning: 2 })
  })

  it('reads back what it writes, cache writes as full-price prompt', () => {
    const count = fc.nat(1e6)
    const counts = fc.record({
      input: count,
      cachedRead: count,
      cacheWrite5m: count,
      cacheWrite1h: count,
      answer: count,
      reasoning: count,
    })
    fc.assert(
      fc.property(counts, ({ answer, ...rest }) => {
        const usage = { ...rest, output: answer + rest.reasoning }
        const input = usage.input + usage.cacheWrite5m + usage.cacheWrite1h
        assert.deepEqual(readGoogleUsage(writeGoogleUsage(usage, null)), {
          ...usage,
          input,
          cacheWrite5m: 0,
          cacheWrite1h: 0,
        })
      }),
    )
  })

  it('carries the charge when there is one', () => {
    assert.deepEqual(writeGoogleUsage({ ...NONE, input: 3, output: 2 }, '0.01'), {
      promptTokenCount: 3,
      candidatesTokenCount: 2,
      totalTokenCount: 5,
      cost: '0.01',
    })
  })
})

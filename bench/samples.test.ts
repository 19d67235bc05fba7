import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addSample, createSamples, medianOf, percentilesOf } from './samples.ts'

test('percentiles are nearest-rank and survive growth', () => {
  const samples = createSamples()
  for (let value = 100_000; value >= 1; value--) addSample(samples, value)
  assert.deepEqual(percentilesOf(samples), { count: 100_000, p50: 50_000, p99: 99_000, max: 100_000 })
})

test('nothing collected is zero, not an error', () => {
  assert.deepEqual(percentilesOf(createSamples()), { count: 0, p50: 0, p99: 0, max: 0 })
})

test('the median does not mind order or an even count', () => {
  assert.equal(medianOf([9, 1, 5]), 5)
  assert.equal(medianOf([4, 1, 3, 2]), 2.5)
  assert.ok(Number.isNaN(medianOf([])))
})

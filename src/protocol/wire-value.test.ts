import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asCount, largestCount, parseJson } from './wire-value.ts'

describe('asCount', () => {
  it('brings every number to a whole one from 0 to 2^53 - 1', () => {
    const cases: [unknown, number | null][] = [
      [0, 0],
      [12, 12],
      [12.9, 12],
      [-3, 0],
      [-0.5, 0],
      [1e300, 1_000_000_000],
      [Number.POSITIVE_INFINITY, 1_000_000_000],
      [Number.NaN, null],
      ['12', null],
      [null, null],
      [undefined, null],
      [{}, null],
    ]
    for (const [value, expected] of cases) assert.ok(Object.is(asCount(value), expected), `${String(value)}`)
  })
})

describe('largestCount', () => {
  it('is null only when no spelling is a number', () => {
    assert.equal(largestCount(undefined, 3, '9', 5), 5)
    assert.equal(largestCount(0, null), 0)
    assert.equal(largestCount(null, 'x'), null)
  })
})

describe('parseJson', () => {
  it('gives undefined for what is no JSON', () => {
    assert.deepEqual(parseJson(Buffer.from('x{"a":1}x'), 1, 8), { a: 1 })
    assert.equal(parseJson(Buffer.from('{"a":')), undefined)
  })
})

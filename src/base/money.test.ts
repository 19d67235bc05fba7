import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  formatUsd,
  nanoUsd,
  parseUsd,
  parseWeight,
  priceTokens,
  roundCharge,
  roundHoldUp,
  toUsdNumber,
  weighUsd,
} from './money.ts'

describe('money', () => {
  it('reads decimal dollars exactly, whether text or number', () => {
    const cases: readonly (readonly [string | number, bigint])[] = [
      ['1.40', 1_400_000_000n],
      [1.4, 1_400_000_000n],
      [0.0028, 2_800_000n],
      [2.8e-7, 280n],
      ['0.000000001', 1n],
      [1e-9, 1n],
      ['-3', -3_000_000_000n],
      [5, 5_000_000_000n],
      ['1.4000000000', 1_400_000_000n],
    ]
    for (const [text, expected] of cases) assert.equal(parseUsd(text), expected, String(text))
  })

  it('refuses what is not a plain decimal or would have to be rounded', () => {
    for (const text of [
      '',
      'abc',
      '1e5',
      '1,5',
      '0x10',
      '1.',
      '.5',
      '0.0000000001',
      1e-10,
      Number.NaN,
      Infinity,
      1e21,
    ]) {
      assert.throws(() => parseUsd(text), RangeError, String(text))
    }
  })

  it('formatting and reading back is the identity', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 26n), max: 10n ** 26n }), (amount) => {
        assert.equal(parseUsd(formatUsd(amount)), amount)
      }),
    )
  })

  it('shows dollars with at least two decimals', () => {
    assert.equal(formatUsd(0n), '0.00')
    assert.equal(formatUsd(1_500_000_000n), '1.50')
    assert.equal(formatUsd(-1n), '-0.000000001')
    assert.equal(toUsdNumber(12_340_000_000n), 12.34)
  })

  it('a charge is rounded once, to the nearest, halves up; a hold always upwards', () => {
    assert.equal(roundCharge(499_999n), 0n)
    assert.equal(roundCharge(500_000n), 1n)
    assert.equal(roundHoldUp(1n), 1n)
    assert.equal(roundHoldUp(1_000_000n), 1n)
    assert.equal(priceTokens(3, parseUsd('0.10')), 300_000_000n)
  })

  it('a hold rounds to no less than the charge of the same tokens', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 24n }), (exact) => {
        assert.ok(roundHoldUp(exact) >= roundCharge(exact))
      }),
    )
  })

  it('a weight of one changes nothing, and weighing keeps order', () => {
    const half = parseWeight('0.5')
    assert.equal(weighUsd(nanoUsd(3n), half), 2n)
    assert.equal(weighUsd(nanoUsd(3n), parseWeight(4)), 12n)
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.bigInt({ min: 0n, max: 10n ** 18n }), (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a]
        assert.ok(weighUsd(nanoUsd(low), half) <= weighUsd(nanoUsd(high), half))
        assert.equal(weighUsd(nanoUsd(a), parseWeight(1)), a)
      }),
    )
  })
})

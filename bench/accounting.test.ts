/** The accounting check is worth what it catches: each planted loss must be named. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AccountingInput, checkAccounting } from './accounting.ts'
import { expectedCharge } from './zendo.ts'

const mock = { requests: 3, promptTokens: 300, cachedTokens: 200, completionTokens: 30 }
const ledger = {
  ...{ settled: 3, open: 0, released: 0, promptTokens: 300, cachedTokens: 200, completionTokens: 30 },
  chargedNano: expectedCharge(mock),
}
const good: AccountingInput = {
  ...{ subject: 'zendo-balance', answered: 3, mock, ledger, auditDifferences: 0 },
  expectedNano: expectedCharge(mock),
}

test('equal counts have no mismatch', () => {
  assert.deepEqual(checkAccounting(good).mismatches, [])
})

test('the price is exact: 100 fresh, 200 cached and 30 output tokens', () => {
  assert.equal(expectedCharge(mock), 100n * 1400n + 200n * 260n + 30n * 4400n)
})

const planted: [string, AccountingInput, RegExp][] = [
  ['a lost row', { ...good, ledger: { ...ledger, settled: 2 } }, /requests answered 3, rows settled 2/],
  ['a retried request', { ...good, mock: { ...mock, requests: 4 } }, /requests at the mock 4/],
  ['a lost token', { ...good, ledger: { ...ledger, completionTokens: 29 } }, /completion tokens sent 30, booked 29/],
  ['a miscounted cache', { ...good, ledger: { ...ledger, cachedTokens: 0 } }, /cached tokens sent 200, booked 0/],
  ['a wrong charge', { ...good, ledger: { ...ledger, chargedNano: 1n } }, /nano-dollars expected \d+, charged 1/],
  ['a hold left open', { ...good, ledger: { ...ledger, open: 1 } }, /rows left held 1/],
  ['a release', { ...good, ledger: { ...ledger, released: 1 } }, /rows released 1/],
  ['an audit difference', { ...good, auditDifferences: 2 }, /differences found by the audit 2/],
]

for (const [name, input, expected] of planted) {
  test(`${name} is found`, () => {
    const { mismatches } = checkAccounting(input)
    assert.equal(mismatches.length, 1, mismatches.join('; '))
    assert.match(mismatches[0] ?? '', expected)
  })
}

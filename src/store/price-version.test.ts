import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import type { Price } from '../domain/catalog.ts'
import { listPriceVersions, loadPriceVersion, parsePriceVersion, savePriceVersions } from './price-version.ts'
import { openTestDatabase } from './test-database.ts'

const RATES = {
  input: parseUsd('1.40'),
  output: parseUsd('4.40'),
  cachedRead: parseUsd('0.26'),
  cacheWrite5m: parseUsd('1.75'),
  cacheWrite1h: parseUsd('2.80'),
}
const PRICE: Price = { version: 'v1', base: RATES, tiers: [{ above: 200_000, ...RATES, output: parseUsd('8.80') }] }

describe('price versions', () => {
  it('are written once, in the documented shape, and read back the same', async (t) => {
    const db = await openTestDatabase(t)
    await savePriceVersions(db, [PRICE, PRICE], 5)
    await savePriceVersions(db, [PRICE], 6)
    const [row, ...others] = await listPriceVersions(db)
    assert.ok(row)
    assert.deepEqual(others, [])
    const base =
      '"output":"4400000000","cachedRead":"260000000","cacheWrite5m":"1750000000","cacheWrite1h":"2800000000"'
    assert.equal(
      row.rates,
      `{"base":{"input":"1400000000",${base}},"tiers":[{"above":200000,"input":"1400000000",${base.replace('44', '88')}}]}`,
    )
    assert.deepEqual(parsePriceVersion(row), PRICE)
  })

  it('never change: other rates under a known version are refused', async (t) => {
    const db = await openTestDatabase(t)
    await savePriceVersions(db, [PRICE], 5)
    const changed = [
      { ...PRICE, base: { ...RATES, cacheWrite1h: parseUsd('2.81') } },
      { ...PRICE, tiers: [] },
      { ...PRICE, tiers: PRICE.tiers.map((tier) => ({ ...tier, above: 200_001 })) },
    ]
    for (const price of changed) await assert.rejects(savePriceVersions(db, [price], 6), /v1 is already recorded/)
    assert.deepEqual(parsePriceVersion((await loadPriceVersion(db, 'v1')) ?? { version: '', rates: '' }), PRICE)
  })

  it('of a damaged row are refused, not read as free', () => {
    const good = '{"input":"1","output":"1","cachedRead":"1","cacheWrite5m":"1","cacheWrite1h":"1"}'
    const damaged = [
      'null',
      '{}',
      `{"base":${good}}`,
      `{"base":${good},"tiers":[{}]}`,
      `{"base":${good},"tiers":[{"above":-1,${good.slice(1)}]}`,
      `{"base":${good.replace('"input":"1"', '"input":1')},"tiers":[]}`,
      `{"base":${good.replace('"output":"1"', '"output":"-1"')},"tiers":[]}`,
      `{"base":${good.replace('"cachedRead":"1",', '')},"tiers":[]}`,
    ]
    for (const rates of damaged) assert.throws(() => parsePriceVersion({ version: 'v', rates }), rates)
    assert.equal(parsePriceVersion({ version: 'v', rates: `{"base":${good},"tiers":[]}` }).base.input, 1n)
  })
})

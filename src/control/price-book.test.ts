import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nanoUsd } from '../base/money.ts'
import type { Catalog, Model } from '../domain/catalog.ts'
import { buildForTest, modelIn } from '../domain/test-catalog.ts'
import { type Database, storageFailure } from '../store/database.ts'
import { listPriceVersions, parsePriceVersion } from '../store/price-version.ts'
import { openTestDatabase } from '../store/test-database.ts'
import { recordPrices } from './price-book.ts'
import { NOON_MS } from './test-instance.ts'

const CATALOG = buildForTest({})

/** A catalogue of one model, with another input rate under the same version. */
function repriced(id: string): Catalog {
  const model = modelIn(CATALOG, 'zen', id)
  assert.ok(model.price)
  const base = { ...model.price.base, input: nanoUsd(1) }
  const changed: Model = { ...model, price: { ...model.price, base } }
  return { ...CATALOG, models: { go: new Map(), zen: new Map([[id, changed]]) } }
}

function failingFirst(db: Database, times: number): Database {
  let left = times
  return {
    ...db,
    write(work, options) {
      if (left-- > 0) return Promise.reject(storageFailure('locked'))
      return db.write(work, options)
    },
  }
}

describe('recording prices', () => {
  it('writes every version down once, to the nano-dollar', async (t) => {
    const db = await openTestDatabase(t)
    await recordPrices(db, CATALOG, NOON_MS)
    await recordPrices(db, CATALOG, NOON_MS + 1)
    const price = modelIn(CATALOG, 'zen', 'glm-5.2').price
    const row = (await listPriceVersions(db)).find(({ version }) => version === price?.version)
    assert.deepEqual(row && parsePriceVersion(row), price)
  })

  it('waits for a database that cannot be written now', async (t) => {
    const db = await openTestDatabase(t)
    await recordPrices(failingFirst(db, 1), CATALOG, NOON_MS)
    assert.ok((await listPriceVersions(db)).length > 0)
  })

  it('refuses at once a version that stands with other rates, and writes nothing', async (t) => {
    const db = await openTestDatabase(t)
    await recordPrices(db, CATALOG, NOON_MS)
    const before = await listPriceVersions(db)
    await assert.rejects(recordPrices(db, repriced('glm-5.2'), NOON_MS), /already recorded with other rates/)
    assert.deepEqual(await listPriceVersions(db), before)
  })
})

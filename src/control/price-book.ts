/** Writes the prices of a catalogue down before it comes into force, so that every charge can be recomputed for ever. */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../base/errors.ts'
import { PRODUCTS } from '../base/words.ts'
import type { Catalog, Price } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { savePriceVersions } from '../store/price-version.ts'

/** A database that cannot be written now is waited for: a catalogue that was accepted must not be lost to it. */
const RETRY_DELAYS_MS = [100, 1000, 5000, 15_000]

/**
 * @throws AppError storage_unavailable after about a minute; the catalogue must then not be used.
 * @throws Error when a version is on record with other rates.
 */
export async function recordPrices(db: Database, catalog: Catalog, nowMs: number): Promise<void> {
  const prices = new Map<string, Price>()
  for (const product of PRODUCTS) {
    for (const { price } of catalog.models[product].values()) if (price) prices.set(price.version, price)
  }
  const record = (): Promise<void> => db.write((sql) => savePriceVersions(sql, prices.values(), nowMs))
  for (const delayMs of RETRY_DELAYS_MS) {
    try {
      await record()
      return
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage_unavailable') throw error
      await delay(delayMs)
    }
  }
  await record()
}

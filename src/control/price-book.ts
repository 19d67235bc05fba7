/** Writes the prices of a catalogue down before it comes into force, so that every charge can be recomputed for ever. */
import { PRODUCTS } from '../base/words.ts'
import type { Catalog, Price } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { savePriceVersions } from '../store/price-version.ts'
import { writeTransaction } from '../store/transaction.ts'

/** @throws AppError storage_unavailable; the catalogue must then not be used. */
export function recordPrices(db: Database, catalog: Catalog, nowMs: number): void {
  const prices = new Map<string, Price>()
  for (const product of PRODUCTS) {
    for (const { price } of catalog.models[product].values()) if (price) prices.set(price.version, price)
  }
  writeTransaction(db, () => savePriceVersions(db, prices.values(), nowMs))
}

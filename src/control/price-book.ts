/** Writes the prices of a catalogue down before it comes into force, so that every charge can be recomputed for ever. */
import { setTimeout as delay } from 'node:timers/promises'
import { PRODUCTS } from '../base/words.ts'
import type { Catalog, Price } from '../domain/catalog.ts'
import type { CommitQueue } from '../store/commit-queue.ts'
import type { Database } from '../store/database.ts'
import { savePriceVersions } from '../store/price-version.ts'

/** Other processes' writes are waited out: a catalogue that was accepted must not be lost to one. */
const RETRY_DELAYS_MS = [100, 1000, 5000, 15_000]

/** @throws AppError storage_unavailable after about a minute; the catalogue must then not be used. */
export async function recordPrices(commits: CommitQueue, db: Database, catalog: Catalog, nowMs: number): Promise<void> {
  const prices = new Map<string, Price>()
  for (const product of PRODUCTS) {
    for (const { price } of catalog.models[product].values()) if (price) prices.set(price.version, price)
  }
  const record = (): void => savePriceVersions(db, prices.values(), nowMs)
  for (const delayMs of RETRY_DELAYS_MS) {
    try {
      await commits.run(record)
      return
    } catch {
      await delay(delayMs)
    }
  }
  await commits.run(record)
}

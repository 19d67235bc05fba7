/** SQL of the rates that requests were charged at: one row per price version, kept for ever. */
import { nanoUsd } from '../base/money.ts'
import type { Price, PriceRates } from '../domain/catalog.ts'
import type { Sql } from './database.ts'

export interface PriceVersionRow {
  readonly version: string
  /** JSON: `{"base": {"input": "1400000000", …}, "tiers": [{"above": 200000, "input": …}]}`, nano-dollars per 1M tokens. */
  readonly rates: string
}

/**
 * Records the rates of each price that is not yet known. Call it in a transaction, before a request can name a version.
 * @throws Error when a version is known with other rates: then requests charged before could no longer be recomputed.
 */
export async function savePriceVersions(sql: Sql, prices: Iterable<Price>, nowMs: number): Promise<void> {
  for (const price of prices) {
    const rates = formatRates(price)
    const known = await loadPriceVersion(sql, price.version)
    if (known === undefined) {
      const insert = 'INSERT INTO price_version (version, rates, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'
      await sql.run(insert, price.version, rates, nowMs)
    } else if (known.rates !== rates) {
      throw new Error(`price version ${price.version} is already recorded with other rates`)
    }
  }
}

export function loadPriceVersion(sql: Sql, version: string): Promise<PriceVersionRow | undefined> {
  return sql.get<PriceVersionRow>('SELECT version, rates FROM price_version WHERE version = ?', version)
}

export function listPriceVersions(sql: Sql): Promise<PriceVersionRow[]> {
  return sql.all<PriceVersionRow>('SELECT version, rates FROM price_version ORDER BY version')
}

function formatRates(price: Price): string {
  const tiers = price.tiers.map((tier) => ({ above: tier.above, ...ratesText(tier) }))
  return JSON.stringify({ base: ratesText(price.base), tiers })
}

/** The fields by name, so that their order and number never depend on how the price was built. */
function ratesText(rates: PriceRates): Record<keyof PriceRates, string> {
  return {
    input: String(rates.input),
    output: String(rates.output),
    cachedRead: String(rates.cachedRead),
    cacheWrite5m: String(rates.cacheWrite5m),
    cacheWrite1h: String(rates.cacheWrite1h),
  }
}

/** Reads a row back into a price. @throws Error when the JSON is not of the documented shape. */
export function parsePriceVersion(row: PriceVersionRow): Price {
  const rates: unknown = JSON.parse(row.rates)
  const tiers = member(rates, 'tiers')
  if (!Array.isArray(tiers)) throw new Error(`price version ${row.version} has no tiers`)
  return {
    version: row.version,
    base: parseRates(member(rates, 'base')),
    tiers: tiers.map((tier) => ({ above: parseAbove(tier), ...parseRates(tier) })),
  }
}

function parseRates(value: unknown): PriceRates {
  return {
    input: parseRate(value, 'input'),
    output: parseRate(value, 'output'),
    cachedRead: parseRate(value, 'cachedRead'),
    cacheWrite5m: parseRate(value, 'cacheWrite5m'),
    cacheWrite1h: parseRate(value, 'cacheWrite1h'),
  }
}

function parseRate(value: unknown, name: keyof PriceRates) {
  const text = member(value, name)
  if (typeof text !== 'string' || !/^\d{1,18}$/.test(text)) throw new Error(`${name} is not a whole number`)
  return nanoUsd(BigInt(text))
}

function parseAbove(tier: unknown): number {
  const above = member(tier, 'above')
  if (typeof above !== 'number' || !Number.isSafeInteger(above) || above < 0) throw new Error('above is not a count')
  return above
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/** SQL of the average request per model, from recent metered traffic. */
import type { Product } from '../base/words.ts'
import type { RequestShape } from '../domain/catalog.ts'
import type { Sql } from './database.ts'

/** Bounds the work, and with it how long the event loop is held: some five milliseconds. */
const RECENT_REQUESTS = 5000

/** The averages of the models with at least `minRequests` among the recent requests, by `product model`. */
export async function loadObservedShapes(sql: Sql, minRequests: number): Promise<Map<string, RequestShape>> {
  const rows = await sql.all<{
    product: Product
    model: string
    input: number | bigint
    cached: number | bigint
    output: number | bigint
  }>(
    'SELECT product, model, AVG(input_tokens + cache_write_5m_tokens + cache_write_1h_tokens) AS input,' +
      ' AVG(cached_read_tokens) AS cached, AVG(output_tokens) AS output' +
      " FROM (SELECT * FROM request WHERE state = 'settled' AND estimated = 0 ORDER BY id DESC LIMIT ?) AS recent" +
      ' GROUP BY product, model HAVING COUNT(*) >= ?',
    RECENT_REQUESTS,
    minRequests,
  )
  return new Map(
    rows.map(({ product, model, input, cached, output }) => [
      `${product} ${model}`,
      { input: Math.round(Number(input)), cachedRead: Math.round(Number(cached)), output: Math.round(Number(output)) },
    ]),
  )
}

/** Exports requests as CSV, one row each, and the rates of their price versions as a second file. */
import type { Database } from '../store/database.ts'
import type { RequestFilter } from '../store/request-list.ts'
import { listPriceVersionsUsed } from '../store/usage-cube.ts'
import { type Cell, formatRow } from './csv.ts'
import { readBatches, viewPrice } from './request-export.ts'
import type { RequestView } from './request-view.ts'
import { walkRequests } from './request-walk.ts'

/** Rows looked at between two turns of the event loop. */
const ROWS_PER_STEP = 2000

/** Names of the columns, and what stands in them. `counted` is JSON: what each window and cap counted. */
const REQUEST_COLUMNS: readonly (readonly [string, (request: RequestView) => Cell])[] = [
  ['id', (r) => r.id],
  ['created_at', (r) => r.created_at],
  ['ended_at', (r) => r.ended_at],
  ['state', (r) => r.state],
  ['outcome', (r) => r.outcome],
  ['funding', (r) => r.funding],
  ['product', (r) => r.product],
  ['model', (r) => r.model],
  ['protocol', (r) => r.protocol],
  ['stream', (r) => r.stream],
  ['member', (r) => r.member],
  ['key', (r) => r.key],
  ['seat', (r) => r.seat],
  ['session', (r) => r.session],
  ['tags', (r) => r.tags.join(',')],
  ['provider', (r) => r.provider],
  ['region', (r) => r.region],
  ['attempts', (r) => r.attempts.length],
  ['status', (r) => r.status],
  ['error_code', (r) => r.error_code],
  ['policy_version', (r) => r.policy_version],
  ['estimated', (r) => r.estimated],
  ['price_version', (r) => r.price_version],
  ['weight_ppm', (r) => r.weight_ppm],
  ['input_tokens', (r) => r.tokens.input],
  ['cached_read_tokens', (r) => r.tokens.cached_read],
  ['cache_write_5m_tokens', (r) => r.tokens.cache_write_5m],
  ['cache_write_1h_tokens', (r) => r.tokens.cache_write_1h],
  ['output_tokens', (r) => r.tokens.output],
  ['reasoning_tokens', (r) => r.tokens.reasoning],
  ['hold_nano', (r) => r.hold_nano],
  ['cost_nano', (r) => r.cost_nano],
  ['charged_nano', (r) => r.charged_nano],
  ['charged', (r) => r.charged],
  ['counted', (r) => JSON.stringify(r.counted.map(({ scope, name, counted_nano }) => ({ scope, name, counted_nano })))],
  ['warnings', (r) => r.warnings],
  ['idempotency_key', (r) => r.idempotency_key],
]

export async function* exportCsv(db: Database, filter: RequestFilter): AsyncGenerator<string, void> {
  // Goes out with the first batch, so that a database that cannot be read is noticed before anything has.
  let opening = formatRow(REQUEST_COLUMNS.map(([name]) => name))
  for await (const batch of readBatches(db, filter)) {
    yield opening + batch.map((request) => formatRow(REQUEST_COLUMNS.map(([, cell]) => cell(request)))).join('')
    opening = ''
  }
  if (opening !== '') yield opening
}

const RATE_COLUMNS = ['input', 'cached_read', 'cache_write_5m', 'cache_write_1h', 'output'] as const

/** The price versions that the requests name: a row for the base rates, and one for each tier with what it is above. */
export async function* exportPricesCsv(db: Database, filter: RequestFilter): AsyncGenerator<string, void> {
  const versions = new Set<string>()
  for await (const range of walkRequests(db, filter, { direction: 'oldest_first', rows: ROWS_PER_STEP })) {
    for (const version of await listPriceVersionsUsed(db, filter, range)) versions.add(version)
  }
  yield formatRow(['version', 'above', ...RATE_COLUMNS])
  for (const version of [...versions].sort()) {
    const price = await viewPrice(db, version)
    if (!price) continue
    for (const rates of [{ above: null, ...price.base }, ...price.tiers]) {
      yield formatRow([version, rates.above, ...RATE_COLUMNS.map((name) => rates[name])])
    }
  }
}

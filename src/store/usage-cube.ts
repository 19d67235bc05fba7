/** SQL that sums request rows by what they have in common; nothing here changes any. */
import type { NanoUsd } from '../base/money.ts'
import type { Sql } from './database.ts'
import { FILTER_SQL, filterValues, type IdRange, type RequestFilter } from './request-list.ts'

/** What rows can be put together by. `quarter`: quarter hours since the epoch; `tags`: whole sets, as stored. */
export type CubeColumn =
  | 'quarter'
  | 'key'
  | 'member'
  | 'model'
  | 'session'
  | 'tags'
  | 'product'
  | 'funding'
  | 'provider'

const COLUMN_SQL: Readonly<Record<CubeColumn, string>> = {
  quarter: 'r.created_at / 900000',
  key: 'r.key_id',
  member: 'r.member_id',
  model: 'r.model',
  session: 'r.session',
  tags: 'r.tags',
  product: 'r.product',
  funding: 'r.funding',
  provider: 'r.provider',
}

/** Counts and amounts of ended requests. Tokens of released ones are not in it: they were not sold. */
export interface CubeSums {
  readonly requests: bigint
  /** Of these: charged nothing, because nothing usable was delivered. */
  readonly released: bigint
  /** Of these: charged by an estimate of their tokens. */
  readonly estimated: bigint
  readonly input: bigint
  readonly cachedRead: bigint
  readonly cacheWrite5m: bigint
  readonly cacheWrite1h: bigint
  readonly output: bigint
  /** The part of `output` that was reasoning. */
  readonly reasoning: bigint
  /** Charged to the balance. */
  readonly balance: NanoUsd
  /** List price of what plans paid for. */
  readonly plan: NanoUsd
  /** What that counted in the windows of seats: list price times weight. */
  readonly counted: NanoUsd
  /** List price of what workspaces' own provider keys paid for, elsewhere. */
  readonly byok: NanoUsd
  /** Cost above what was held: borne by the operator. */
  readonly writtenOff: NanoUsd
}

const SUM_NAMES = [
  ...(['requests', 'released', 'estimated', 'input', 'cachedRead', 'cacheWrite5m', 'cacheWrite1h', 'output'] as const),
  ...(['reasoning', 'balance', 'plan', 'counted', 'byok', 'writtenOff'] as const),
] as const satisfies readonly (keyof CubeSums)[]

const sold = (column: string): string => `SUM(CASE WHEN r.state = 'settled' THEN r.${column} ELSE 0 END)`
const paidBy = (funding: string): string => `SUM(CASE WHEN r.funding = '${funding}' THEN r.charged ELSE 0 END)`

/** Every window of a seat counts the same amount of a request: the largest is that one, not a sum over windows. */
const COUNTED =
  "SUM(CASE WHEN r.funding <> 'plan' THEN 0 ELSE COALESCE((SELECT MAX(c.counted) FROM request_meter c" +
  " JOIN meter m ON m.id = c.meter_id WHERE c.request_id = r.id AND m.scope = 'seat'), 0) END)"

const SUM_SQL: Readonly<Record<(typeof SUM_NAMES)[number], string>> = {
  requests: 'COUNT(*)',
  released: "SUM(CASE WHEN r.state = 'released' THEN 1 ELSE 0 END)",
  estimated: "SUM(CASE WHEN r.state = 'settled' AND r.estimated = 1 THEN 1 ELSE 0 END)",
  input: sold('input_tokens'),
  cachedRead: sold('cached_read_tokens'),
  cacheWrite5m: sold('cache_write_5m_tokens'),
  cacheWrite1h: sold('cache_write_1h_tokens'),
  output: sold('output_tokens'),
  reasoning: sold('reasoning_tokens'),
  balance: paidBy('balance'),
  plan: paidBy('plan'),
  counted: COUNTED,
  byok: "SUM(CASE WHEN r.funding = 'byok' THEN r.cost ELSE 0 END)",
  writtenOff: "SUM(CASE WHEN r.funding = 'byok' THEN 0 ELSE r.cost - r.charged END)",
}
const SUMS = SUM_NAMES.map((name) => `${SUM_SQL[name]} AS "${name}"`).join(', ')

type GroupValue = string | bigint | null

export interface CubeCell extends CubeSums {
  readonly group: Readonly<Partial<Record<CubeColumn, GroupValue>>>
}

/** Sums of the ended requests with ids in the range, one for each group, in no order. */
export async function sumRequests(
  sql: Sql,
  filter: RequestFilter,
  { above, upTo }: IdRange,
  columns: readonly CubeColumn[],
): Promise<CubeCell[]> {
  // In one order, so that the same columns are the same statement.
  const groups = [...columns].sort()
  const selected = groups.map((column) => `${COLUMN_SQL[column]} AS "by_${column}"`)
  const query = ['SELECT', [...selected, SUMS].join(', ')]
  query.push("FROM request r WHERE r.id > ? AND r.id <= ? AND r.state <> 'held' AND", FILTER_SQL)
  if (groups.length > 0) query.push('GROUP BY', groups.map((_, index) => String(index + 1)).join(', '))
  const rows = await sql.all<CubeSums & Readonly<Record<`by_${CubeColumn}`, GroupValue>>>(
    query.join(' '),
    above,
    upTo,
    ...filterValues(filter),
  )
  return rows
    .filter(({ requests }) => requests > 0n)
    .map((row) => ({ ...row, group: Object.fromEntries(groups.map((column) => [column, row[`by_${column}`]])) }))
}

/** The price versions that requests of the filter with ids in the range name. */
export async function listPriceVersionsUsed(
  sql: Sql,
  filter: RequestFilter,
  { above, upTo }: IdRange,
): Promise<string[]> {
  const rows = await sql.all<{ version: string }>(
    'SELECT DISTINCT r.price_version AS version FROM request r WHERE r.id > ? AND r.id <= ?' +
      ` AND r.price_version IS NOT NULL AND ${FILTER_SQL}`,
    above,
    upTo,
    ...filterValues(filter),
  )
  return rows.map(({ version }) => version)
}

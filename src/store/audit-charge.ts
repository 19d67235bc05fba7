/**
 * SQL that re-derives what each request cost and was charged. The cost is computed here a second time, by the database
 * and by another route than `domain/price.ts`, so that a slip in one shows against the other.
 */
import type { Price, PriceRates } from '../domain/catalog.ts'
import { find, findAll, type Mismatch, wide } from './audit.ts'
import type { Sql } from './database.ts'

const BUCKETS: readonly { readonly rate: keyof PriceRates; readonly column: string }[] = [
  { rate: 'input', column: 'input_tokens' },
  { rate: 'cachedRead', column: 'cached_read_tokens' },
  { rate: 'cacheWrite5m', column: 'cache_write_5m_tokens' },
  { rate: 'cacheWrite1h', column: 'cache_write_1h_tokens' },
  { rate: 'output', column: 'output_tokens' },
]
const PROMPT = `${wide('r.input_tokens')} + r.cached_read_tokens + r.cache_write_5m_tokens + r.cache_write_1h_tokens`
const TOKENS_PER_PRICE = 1_000_000n
const NO_UPPER_BOUND = 9_223_372_036_854_775_807n
/** Rate rows in one statement, twelve parameters and a version each. */
const MAX_RATE_ROWS = 200

/** Settled requests whose cost is not what their tokens cost at the rates they name. */
export async function findWrongCosts(sql: Sql, prices: readonly Price[]): Promise<Mismatch[]> {
  const rows = prices.flatMap(rateRows)
  const mismatches: Mismatch[] = []
  for (let i = 0; i < rows.length; i += MAX_RATE_ROWS) {
    mismatches.push(...(await findWrongCostsAmong(sql, rows.slice(i, i + MAX_RATE_ROWS))))
  }
  return mismatches
}

type RateRow = readonly (string | bigint)[]

/** Rates by range of prompt size, each rate as whole nano-dollars a token and millionths: products then fit 64 bits. */
function rateRows(price: Price): RateRow[] {
  const steps = [{ above: -1, ...price.base }, ...price.tiers]
  return steps.map((rates, index) => {
    const next = steps[index + 1]
    const upTo = next === undefined ? NO_UPPER_BOUND : BigInt(next.above)
    const parts = BUCKETS.flatMap(({ rate }) => [rates[rate] / TOKENS_PER_PRICE, rates[rate] % TOKENS_PER_PRICE])
    return [price.version, BigInt(rates.above), upTo, ...parts]
  })
}

function findWrongCostsAmong(sql: Sql, rows: readonly RateRow[]): Promise<Mismatch[]> {
  const columns = BUCKETS.flatMap(({ rate }) => [`${rate}_whole`, `${rate}_part`])
  const row = `(CAST(? AS TEXT)${', CAST(? AS BIGINT)'.repeat(2 + columns.length)})`
  const sum = (part: string): string =>
    BUCKETS.map(({ rate, column }) => `${wide(`r.${column}`)} * p.${rate}_${part}`).join(' + ')
  const millionths = `(${sum('part')} + 500000)`
  // PostgreSQL divides such numbers with a remainder.
  const cost = wide(`${sum('whole')} + (${millionths} - ${millionths} % 1000000) / 1000000`)
  return find(
    sql,
    `WITH p (version, above, up_to, ${columns.join(', ')}) AS (VALUES ${rows.map(() => row).join(', ')})` +
      ` SELECT r.id AS subject, ${cost} AS expected, COALESCE(r.cost, -1) AS found FROM request r` +
      ` JOIN p ON p.version = r.price_version AND ${PROMPT} > p.above AND ${PROMPT} <= p.up_to` +
      ` WHERE r.state = 'settled' AND COALESCE(r.cost, -1) <> ${cost}`,
    ...rows.flat(),
  )
}

/** More tokens than any answer has; what is far beyond cannot be computed with. */
const MAX_TOKENS = 1_000_000_000_000_000n

/**
 * Requests that cost something without a cause: free ones and released ones cost nothing, nor do those without a price.
 * And counts of tokens that cannot be: below zero they would make others cheaper.
 */
export async function findCostsWithoutCause(sql: Sql): Promise<Mismatch[]> {
  const counts = [...BUCKETS.map(({ column }) => column), 'reasoning_tokens']
  return await findAll(sql, [
    'SELECT id AS subject, 0 AS expected, COALESCE(cost, -1) AS found FROM request' +
      " WHERE state <> 'held' AND COALESCE(cost, -1) <> 0" +
      " AND (state = 'released' OR price_version IS NULL OR funding = 'free')",
    `SELECT id AS subject, 'counts of tokens' AS expected, ${counts.join(" || ', ' || ")} AS found FROM request` +
      ` WHERE ${counts.map((column) => `${column} NOT BETWEEN 0 AND ${MAX_TOKENS}`).join(' OR ')}`,
  ])
}

/** Price versions that requests name and nobody recorded. */
export function findUnknownPriceVersions(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT r.price_version AS subject, 'recorded rates' AS expected, COUNT(*) || ' requests' AS found FROM request r" +
      ' WHERE r.price_version IS NOT NULL' +
      ' AND NOT EXISTS (SELECT 1 FROM price_version p WHERE p.version = r.price_version) GROUP BY r.price_version',
  )
}

/** Charged is the cost, but never more than was held; released requests are charged nothing. */
export function findWrongCharges(sql: Sql): Promise<Mismatch[]> {
  const expected = "CASE WHEN state = 'released' THEN 0 WHEN cost > hold THEN hold ELSE cost END"
  return find(
    sql,
    `SELECT id AS subject, ${expected} AS expected, COALESCE(charged, -1) AS found FROM request` +
      ` WHERE state <> 'held' AND (charged IS NULL OR charged <> ${expected})`,
  )
}

export function findChargesAboveHold(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    "SELECT id AS subject, '0 to ' || hold AS expected, charged AS found FROM request" +
      ' WHERE charged < 0 OR charged > hold',
  )
}

/** The outcomes of the charge policy, by whether they are charged at all. */
export interface OutcomeRules {
  readonly charged: readonly string[]
  readonly neverCharged: readonly string[]
}

/**
 * Ended requests whose state the charge policy does not have for their outcome, and outcomes it does not know. One that
 * is charged may have been released only if there was nothing to charge: no token reported or delivered.
 */
export function findWrongOutcomes(sql: Sql, rules: OutcomeRules): Promise<Mismatch[]> {
  const marks = (outcomes: readonly string[]): string => outcomes.map(() => '?').join(', ')
  return find(
    sql,
    "SELECT r.id AS subject, 'a state that the charge policy has for the outcome' AS expected," +
      " r.state || ' ' || COALESCE(r.outcome, 'without an outcome') AS found FROM request r WHERE NOT (r.state = 'held'" +
      ` OR (r.state = 'settled' AND COALESCE(r.outcome, '') IN (${marks(rules.charged)}))` +
      ` OR (r.state = 'released' AND COALESCE(r.outcome, '') IN (${marks(rules.neverCharged)}))` +
      ` OR (r.state = 'released' AND COALESCE(r.outcome, '') IN (${marks(rules.charged)})` +
      ` AND ${PROMPT} + r.output_tokens = 0))`,
    ...rules.charged,
    ...rules.neverCharged,
    ...rules.charged,
  )
}

/** Free requests and those with an own provider key hold and are charged nothing, and their holds cannot grow. */
export function findPaidFreeRequests(sql: Sql): Promise<Mismatch[]> {
  return find(
    sql,
    `SELECT id AS subject, 0 AS expected, ${wide('hold')} + COALESCE(max_hold, 0) + COALESCE(charged, 0) AS found FROM request` +
      " WHERE funding IN ('free', 'byok') AND (hold <> 0 OR COALESCE(max_hold, 0) <> 0 OR COALESCE(charged, 0) <> 0)",
  )
}

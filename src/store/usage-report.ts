/** SQL that sums and shows the request rows; nothing here changes any. */
import type { NanoUsd } from '../base/money.ts'
import type { Usage } from '../base/usage.ts'
import type { Funding } from '../base/words.ts'
import type { Database } from './database.ts'

export type UsageGrouping = 'day' | 'model' | 'key'

/** The sums of one day (UTC, `2026-11-20`), model or key id (null without a key). Counts and amounts of ended requests. */
export interface UsageSum {
  readonly group: string | null
  readonly requests: bigint
  /** Of these: charged nothing, because nothing usable was delivered. */
  readonly released: bigint
  readonly input: bigint
  readonly cachedRead: bigint
  readonly cacheWrite5m: bigint
  readonly cacheWrite1h: bigint
  readonly output: bigint
  /** Charged to the balance. */
  readonly balance: NanoUsd
  /** List price of what plans paid for. */
  readonly plan: NanoUsd
  /** What that counted in plan windows: list price times weight. */
  readonly counted: NanoUsd
}

const GROUP_SQL: Readonly<Record<UsageGrouping, string>> = {
  day: 'r.created_at / 86400000',
  model: 'r.model',
  key: 'r.key_id',
}

/** Groups in ascending order. Tokens of released requests are not summed: they were not sold. */
export function sumUsage(
  db: Database,
  query: { readonly workspaceId: string; readonly by: UsageGrouping; readonly sinceMs: number },
): UsageSum[] {
  const sold = (column: string): string => `SUM(CASE WHEN r.state = 'settled' THEN r.${column} ELSE 0 END)`
  const paidBy = (funding: Funding): string => `SUM(CASE WHEN r.funding = '${funding}' THEN r.charged ELSE 0 END)`
  const rows = db.all<Omit<UsageSum, 'group'> & { group: string | bigint | null }>(
    `SELECT ${GROUP_SQL[query.by]} AS "group", COUNT(*) AS requests,` +
      " SUM(CASE WHEN r.state = 'released' THEN 1 ELSE 0 END) AS released," +
      ` ${sold('input_tokens')} AS input, ${sold('cached_read_tokens')} AS "cachedRead",` +
      ` ${sold('cache_write_5m_tokens')} AS "cacheWrite5m", ${sold('cache_write_1h_tokens')} AS "cacheWrite1h",` +
      ` ${sold('output_tokens')} AS output, ${paidBy('balance')} AS balance, ${paidBy('plan')} AS plan,` +
      // Every window of a request counts the same amount: the largest is that one, not a sum over windows.
      ' SUM(COALESCE((SELECT MAX(w.counted) FROM request_window w WHERE w.request_id = r.id), 0)) AS counted' +
      " FROM request r WHERE r.workspace_id = ? AND r.created_at >= ? AND r.state <> 'held'" +
      ' GROUP BY 1 ORDER BY 1',
    query.workspaceId,
    query.sinceMs,
  )
  return rows.map((row) => ({ ...row, group: typeof row.group === 'bigint' ? formatDay(row.group) : row.group }))
}

function formatDay(day: bigint): string {
  return new Date(Number(day) * 86_400_000).toISOString().slice(0, 10)
}

/** A request row as it stands, to be explained. */
export interface RequestRow {
  readonly id: string
  readonly workspaceId: string | null
  readonly keyId: string | null
  readonly product: string
  readonly protocol: string
  readonly model: string
  readonly funding: Funding
  readonly state: 'held' | 'settled' | 'released'
  readonly priceVersion: string | null
  readonly weightPpm: bigint
  readonly hold: NanoUsd
  readonly cost: NanoUsd | null
  readonly charged: NanoUsd | null
  readonly outcome: string | null
  readonly policyVersion: bigint | null
  readonly estimated: boolean
  readonly status: bigint | null
  readonly errorCode: string | null
  readonly provider: string | null
  readonly usage: Usage
  readonly createdAtMs: number
  readonly endedAtMs: number | null
}

interface RawRequestRow extends Omit<RequestRow, 'estimated' | 'usage' | 'createdAtMs' | 'endedAtMs'> {
  estimated: bigint
  created_at: bigint
  ended_at: bigint | null
  input_tokens: bigint
  cached_read_tokens: bigint
  cache_write_5m_tokens: bigint
  cache_write_1h_tokens: bigint
  output_tokens: bigint
  reasoning_tokens: bigint
}

export function loadRequest(db: Database, id: string): RequestRow | undefined {
  const row = db.get<RawRequestRow>(
    'SELECT id, workspace_id AS "workspaceId", key_id AS "keyId", product, protocol, model, funding, state,' +
      ' price_version AS "priceVersion", weight_ppm AS "weightPpm", hold, cost, charged, outcome,' +
      ' policy_version AS "policyVersion", estimated, status, error_code AS "errorCode", provider, created_at, ended_at,' +
      ' input_tokens, cached_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens' +
      ' FROM request WHERE id = ?',
    id,
  )
  if (!row) return undefined
  return {
    ...row,
    estimated: row.estimated === 1n,
    createdAtMs: Number(row.created_at),
    endedAtMs: row.ended_at === null ? null : Number(row.ended_at),
    usage: {
      input: Number(row.input_tokens),
      cachedRead: Number(row.cached_read_tokens),
      cacheWrite5m: Number(row.cache_write_5m_tokens),
      cacheWrite1h: Number(row.cache_write_1h_tokens),
      output: Number(row.output_tokens),
      reasoning: Number(row.reasoning_tokens),
    },
  }
}

export interface RequestWindowRow {
  readonly name: string
  readonly held: NanoUsd
  readonly counted: NanoUsd
  readonly startsAtMs: number
  readonly endsAtMs: number
}

/** The windows a request holds of or counted in, shortest first. */
export function listRequestWindows(db: Database, requestId: string): RequestWindowRow[] {
  const rows = db.all<Omit<RequestWindowRow, 'startsAtMs' | 'endsAtMs'> & { starts_at: bigint; ends_at: bigint }>(
    'SELECT w.name, rw.held, rw.counted, w.starts_at, w.ends_at FROM request_window rw' +
      ' JOIN plan_window w ON w.id = rw.window_id WHERE rw.request_id = ? ORDER BY w.ends_at - w.starts_at, w.name',
    requestId,
  )
  return rows.map(({ starts_at, ends_at, ...row }) => ({
    ...row,
    startsAtMs: Number(starts_at),
    endsAtMs: Number(ends_at),
  }))
}

export interface AttemptRow {
  readonly n: bigint
  readonly provider: string
  readonly status: bigint | null
  readonly outcome: string
}

export function listAttempts(db: Database, requestId: string): AttemptRow[] {
  return db.all<AttemptRow>(
    'SELECT n, provider, status, outcome FROM attempt WHERE request_id = ? ORDER BY n',
    requestId,
  )
}

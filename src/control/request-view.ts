/** A request as its owner may see it: the row, its attempts and what it counted, as the API and the export show it. */
import { formatUsd, type NanoUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import type { Usage } from '../base/usage.ts'
import { parseTags } from '../domain/tags.ts'
import type { Sql } from '../store/database.ts'
import { listAttempts, listCounts, type RequestAttempt, type RequestCount } from '../store/request-detail.ts'
import type { RequestRecord } from '../store/request-list.ts'
import { formatWeight } from './exact-text.ts'

/** Disjoint buckets; `reasoning` is a part of `output`. */
export interface TokensView {
  readonly input: number
  readonly cached_read: number
  readonly cache_write_5m: number
  readonly cache_write_1h: number
  readonly output: number
  readonly reasoning: number
}

export interface AttemptView {
  readonly n: number
  readonly provider: string
  readonly status: number | null
  readonly outcome: string
  readonly started_at: string
  readonly ended_at: string
}

/** What a request holds of, or counted in, one window or cap. Dollars as exact text, and whole nano-dollars in text. */
export interface CountView {
  /** `seat`: a window of its plan; else a cap of the workspace, member or key. */
  readonly scope: RequestCount['scope']
  readonly subject: string
  readonly name: string
  readonly kind: RequestCount['kind']
  readonly starts_at: string
  readonly ends_at: string
  readonly held: string
  readonly held_nano: string
  readonly counted: string
  readonly counted_nano: string
}

export interface RequestView {
  readonly id: string
  readonly created_at: string
  readonly first_byte_at: string | null
  readonly ended_at: string | null
  readonly member: string | null
  readonly key: string | null
  readonly seat: string | null
  readonly session: string | null
  readonly tags: readonly string[]
  readonly product: RequestRecord['product']
  readonly model: string
  readonly protocol: RequestRecord['protocol']
  /** What was spoken to the provider; null when nothing was sent. */
  readonly upstream_protocol: RequestRecord['upstreamProtocol']
  readonly stream: boolean
  readonly state: RequestRecord['state']
  readonly outcome: string | null
  readonly status: number | null
  readonly error_code: string | null
  readonly provider: string | null
  /** Where that provider processes requests, as it said then. */
  readonly region: string | null
  /** The provider's own name of its answer. */
  readonly upstream_id: string | null
  readonly attempts: readonly AttemptView[]
  readonly funding: RequestRecord['funding']
  readonly tokens: TokensView
  readonly estimated: boolean
  readonly price_version: string | null
  /** Dollars of window per dollar of list price, and the same in parts per million. */
  readonly weight: string
  readonly weight_ppm: string
  readonly hold: string
  readonly hold_nano: string
  /** How far the hold could grow in slices; null on rows from before there were any. */
  readonly max_hold: string | null
  readonly max_hold_nano: string | null
  /** List price; null while under way. */
  readonly cost: string | null
  readonly cost_nano: string | null
  readonly charged: string | null
  readonly charged_nano: string | null
  readonly counted: readonly CountView[]
  readonly policy_version: number | null
  /** The cap on output that was sent instead of the client's, which was not affordable. */
  readonly clamped_output: number | null
  readonly warnings: string | null
  readonly idempotency_key: string | null
}

/** Completes rows with what hangs on them, in the same order. At most `MAX_IDS` rows. */
export async function viewRequests(sql: Sql, records: readonly RequestRecord[]): Promise<RequestView[]> {
  const ids = records.map(({ id }) => id)
  const [attempts, counts] = await Promise.all([listAttempts(sql, ids), listCounts(sql, ids)])
  const attemptsOf = Map.groupBy(attempts, ({ requestId }) => requestId)
  const countsOf = Map.groupBy(counts, ({ requestId }) => requestId)
  return records.map((record) => viewRequest(record, attemptsOf.get(record.id) ?? [], countsOf.get(record.id) ?? []))
}

function viewRequest(
  record: RequestRecord,
  attempts: readonly RequestAttempt[],
  counts: readonly RequestCount[],
): RequestView {
  return {
    id: record.id,
    created_at: formatInstant(record.createdAtMs),
    first_byte_at: instantOrNull(record.firstByteAtMs),
    ended_at: instantOrNull(record.endedAtMs),
    member: record.memberId,
    key: record.keyId,
    seat: record.seatId,
    session: record.session,
    tags: parseTags(record.tags),
    product: record.product,
    model: record.model,
    protocol: record.protocol,
    upstream_protocol: record.upstreamProtocol,
    stream: record.stream,
    state: record.state,
    outcome: record.outcome,
    status: record.status,
    error_code: record.errorCode,
    provider: record.provider,
    region: record.region,
    upstream_id: record.upstreamId,
    attempts: attempts.map(viewAttempt),
    funding: record.funding,
    tokens: viewTokens(record.usage),
    estimated: record.estimated,
    price_version: record.priceVersion,
    ...viewAmounts(record),
    counted: counts.map(viewCount),
    policy_version: record.policyVersion,
    clamped_output: record.clampedOutput,
    warnings: record.warnings,
    idempotency_key: record.idempotencyKey,
  }
}

type Amounts = 'weight' | 'hold' | 'max_hold' | 'cost' | 'charged'

function viewAmounts(
  record: RequestRecord,
): Pick<RequestView, Amounts | 'weight_ppm' | `${Exclude<Amounts, 'weight'>}_nano`> {
  const { hold, maxHold, cost, charged, weightPpm } = record
  return {
    weight: formatWeight(weightPpm),
    weight_ppm: String(weightPpm),
    hold: formatUsd(hold),
    hold_nano: String(hold),
    max_hold: usdOrNull(maxHold),
    max_hold_nano: nanoOrNull(maxHold),
    cost: usdOrNull(cost),
    cost_nano: nanoOrNull(cost),
    charged: usdOrNull(charged),
    charged_nano: nanoOrNull(charged),
  }
}

export function viewTokens(usage: Usage): TokensView {
  return {
    input: usage.input,
    cached_read: usage.cachedRead,
    cache_write_5m: usage.cacheWrite5m,
    cache_write_1h: usage.cacheWrite1h,
    output: usage.output,
    reasoning: usage.reasoning,
  }
}

export function viewAttempt(attempt: RequestAttempt): AttemptView {
  const { n, provider, status, outcome, startedAtMs, endedAtMs } = attempt
  return { n, provider, status, outcome, started_at: formatInstant(startedAtMs), ended_at: formatInstant(endedAtMs) }
}

export function viewCount(count: RequestCount): CountView {
  return {
    scope: count.scope,
    subject: count.subjectId,
    name: count.name,
    kind: count.kind,
    starts_at: formatInstant(count.startsAtMs),
    ends_at: formatInstant(count.endsAtMs),
    held: formatUsd(count.held),
    held_nano: String(count.held),
    counted: formatUsd(count.counted),
    counted_nano: String(count.counted),
  }
}

export function usdOrNull(amount: NanoUsd | null): string | null {
  return amount === null ? null : formatUsd(amount)
}

export function nanoOrNull(amount: NanoUsd | null): string | null {
  return amount === null ? null : String(amount)
}

export function instantOrNull(atMs: number | null): string | null {
  return atMs === null ? null : formatInstant(atMs)
}

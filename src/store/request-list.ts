/**
 * SQL that reads request rows: of one workspace or one of its members, filtered, in the order of their ids, which is that
 * of their age. Nothing here changes any.
 *
 * Reading goes in steps along the index of workspace and id, each so short that on an embedded database nothing else is
 * held up; `findIdAt` says where one ends.
 */
import { newId } from '../base/ids.ts'
import type { NanoUsd } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import type { Usage } from '../base/usage.ts'
import type { Funding, Product, Protocol } from '../base/words.ts'
import { storedTag } from '../domain/tags.ts'
import type { Sql, SqlValue } from './database.ts'

/** Which requests: those that meet every member that is not null. */
export interface RequestFilter {
  readonly workspaceId: string
  /** Only this member's are seen at all; null: the whole workspace's. */
  readonly visibleTo: string | null
  /** By the time of admission. */
  readonly sinceMs: number | null
  /** Exclusive. */
  readonly untilMs: number | null
  readonly model: string | null
  readonly key: string | null
  readonly member: string | null
  readonly session: string | null
  readonly tag: string | null
  readonly state: RequestRecord['state'] | null
  readonly outcome: string | null
  readonly funding: Funding | null
  readonly product: Product | null
  readonly provider: string | null
}

/** All of a workspace's requests, to be narrowed. */
export function allRequestsOf(workspaceId: string, visibleTo: string | null): RequestFilter {
  return {
    ...{ workspaceId, visibleTo, sinceMs: null, untilMs: null, model: null, key: null, member: null },
    ...{ session: null, tag: null, state: null, outcome: null, funding: null, product: null, provider: null },
  }
}

/** The condition on `request r`; always the same text, so that it is prepared once. */
export const FILTER_SQL = [
  'r.workspace_id = ?',
  'r.created_at >= ?',
  'r.created_at < ?',
  ...[
    'r.member_id',
    'r.model',
    'r.key_id',
    'r.member_id',
    'r.session',
    'r.state',
    'r.outcome',
    'r.funding',
    'r.product',
    'r.provider',
  ].map((column) => `(CAST(? AS TEXT) IS NULL OR ${column} = ?)`),
  "(CAST(? AS TEXT) IS NULL OR REPLACE(r.tags, ?, '') <> r.tags)",
].join(' AND ')

/** The year 10000; ids have room for it. */
const END_OF_TIME_MS = 253_402_300_800_000

export function filterValues(filter: RequestFilter): SqlValue[] {
  const tag = filter.tag === null ? null : storedTag(filter.tag)
  const wanted = [
    ...[filter.visibleTo, filter.model, filter.key, filter.member, filter.session, filter.state],
    ...[filter.outcome, filter.funding, filter.product, filter.provider],
    tag,
  ]
  return [
    filter.workspaceId,
    filter.sinceMs ?? 0,
    filter.untilMs ?? END_OF_TIME_MS,
    ...wanted.flatMap((value) => [value, value]),
  ]
}

/** Ids among which a step looks: `above < id <= upTo`. */
export interface IdRange {
  readonly above: string
  readonly upTo: string
}

const BELOW_ALL = ''
const ABOVE_ALL = `req_${'z'.repeat(26)}`
/** A request is admitted, and so dated, after it got its id: its body takes a while to come, and clocks are set. */
const DATE_SLACK_MS = HOUR_MS

/** The ids that requests of the filter's time can have. */
export function idRangeOf({ sinceMs, untilMs }: RequestFilter): IdRange {
  return {
    above: sinceMs === null || sinceMs <= DATE_SLACK_MS ? BELOW_ALL : firstIdAt(sinceMs - DATE_SLACK_MS),
    upTo: untilMs === null || untilMs > END_OF_TIME_MS - DATE_SLACK_MS ? ABOVE_ALL : firstIdAt(untilMs + DATE_SLACK_MS),
  }
}

/** Sorts before every id of that time: the prefix and the ten characters of the time. */
function firstIdAt(atMs: number): string {
  return newId('req', atMs).slice(0, 'req_'.length + 10)
}

export type Direction = 'oldest_first' | 'newest_first'

/**
 * The id of the row of the workspace that has `offset` others before it in the range, in that direction; undefined when
 * there are not so many.
 */
export async function findIdAt(
  sql: Sql,
  workspaceId: string,
  { above, upTo }: IdRange,
  place: { readonly direction: Direction; readonly offset: number },
): Promise<string | undefined> {
  const where = 'SELECT id FROM request WHERE workspace_id = ? AND id > ? AND id <= ? ORDER BY id'
  const query = `${where}${place.direction === 'newest_first' ? ' DESC' : ''} LIMIT 1 OFFSET ?`
  return (await sql.get<{ id: string }>(query, workspaceId, above, upTo, place.offset))?.id
}

/** What a request row says, less what is nobody's business outside of the operator's own. */
export interface RequestRecord {
  readonly id: string
  readonly workspaceId: string | null
  readonly memberId: string | null
  readonly keyId: string | null
  readonly seatId: string | null
  readonly session: string | null
  readonly tags: string | null
  readonly product: Product
  readonly protocol: Protocol
  readonly upstreamProtocol: Protocol | null
  readonly model: string
  readonly stream: boolean
  readonly funding: Funding
  readonly state: 'held' | 'settled' | 'released'
  readonly priceVersion: string | null
  readonly weightPpm: bigint
  readonly hold: NanoUsd
  /** How far the hold could have grown in slices; null on rows from before there were any. */
  readonly maxHold: NanoUsd | null
  readonly cost: NanoUsd | null
  readonly charged: NanoUsd | null
  /** What a node reported after the request had been ended without it: never charged. */
  readonly lateCost: NanoUsd | null
  readonly outcome: string | null
  readonly policyVersion: number | null
  readonly estimated: boolean
  readonly status: number | null
  readonly errorCode: string | null
  /** Where it was sent first, and once it has ended where its answer came from. */
  readonly provider: string | null
  /** Where that provider processes requests, as it said then. */
  readonly region: string | null
  readonly upstreamId: string | null
  readonly clampedOutput: number | null
  readonly idempotencyKey: string | null
  readonly warnings: string | null
  readonly usage: Usage
  readonly createdAtMs: number
  readonly firstByteAtMs: number | null
  readonly endedAtMs: number | null
}

type Counts = 'policyVersion' | 'status' | 'clampedOutput' | 'firstByteAtMs' | 'endedAtMs'

interface RawRecord extends Omit<RequestRecord, Counts | 'stream' | 'estimated' | 'usage' | 'createdAtMs'> {
  policyVersion: bigint | null
  status: bigint | null
  clampedOutput: bigint | null
  firstByteAtMs: bigint | null
  endedAtMs: bigint | null
  createdAtMs: bigint
  stream: bigint
  estimated: bigint
  input: bigint
  cachedRead: bigint
  cacheWrite5m: bigint
  cacheWrite1h: bigint
  output: bigint
  reasoning: bigint
}

const COLUMNS =
  'r.id, r.workspace_id AS "workspaceId", r.member_id AS "memberId", r.key_id AS "keyId", r.seat_id AS "seatId",' +
  ' r.session, r.tags, r.product, r.protocol, r.upstream_protocol AS "upstreamProtocol", r.model, r.stream, r.funding,' +
  ' r.state, r.price_version AS "priceVersion", r.weight_ppm AS "weightPpm", r.hold, r.max_hold AS "maxHold", r.cost,' +
  ' r.charged, r.late_cost AS "lateCost", r.outcome, r.policy_version AS "policyVersion", r.estimated, r.status,' +
  ' r.error_code AS "errorCode", r.provider, r.region, r.upstream_id AS "upstreamId", r.clamped_output AS "clampedOutput",' +
  ' r.idempotency_key AS "idempotencyKey", r.warnings, r.input_tokens AS input, r.cached_read_tokens AS "cachedRead",' +
  ' r.cache_write_5m_tokens AS "cacheWrite5m", r.cache_write_1h_tokens AS "cacheWrite1h", r.output_tokens AS output,' +
  ' r.reasoning_tokens AS reasoning, r.created_at AS "createdAtMs", r.first_byte_at AS "firstByteAtMs",' +
  ' r.ended_at AS "endedAtMs"'

/** Requests of the filter with ids in the range, `limit` at most. */
export async function listRequests(
  sql: Sql,
  filter: RequestFilter,
  { above, upTo }: IdRange,
  page: { readonly direction: Direction; readonly limit: number },
): Promise<RequestRecord[]> {
  const rows = await sql.all<RawRecord>(
    `SELECT ${COLUMNS} FROM request r WHERE r.id > ? AND r.id <= ? AND ${FILTER_SQL}` +
      ` ORDER BY r.id${page.direction === 'newest_first' ? ' DESC' : ''} LIMIT ?`,
    above,
    upTo,
    ...filterValues(filter),
    page.limit,
  )
  return rows.map(recordOf)
}

/** One request, whoever's it is. */
export async function loadRequest(sql: Sql, id: string): Promise<RequestRecord | undefined> {
  const row = await sql.get<RawRecord>(`SELECT ${COLUMNS} FROM request r WHERE r.id = ?`, id)
  return row && recordOf(row)
}

/** Member by member: an export does this for every row there is, and spreading the rows took a fifth of its time. */
function recordOf(row: RawRecord): RequestRecord {
  return {
    id: row.id,
    workspaceId: row.workspaceId,
    memberId: row.memberId,
    keyId: row.keyId,
    seatId: row.seatId,
    session: row.session,
    tags: row.tags,
    product: row.product,
    protocol: row.protocol,
    upstreamProtocol: row.upstreamProtocol,
    model: row.model,
    stream: row.stream === 1n,
    funding: row.funding,
    state: row.state,
    priceVersion: row.priceVersion,
    weightPpm: row.weightPpm,
    hold: row.hold,
    maxHold: row.maxHold,
    cost: row.cost,
    charged: row.charged,
    lateCost: row.lateCost,
    outcome: row.outcome,
    policyVersion: numberOrNull(row.policyVersion),
    estimated: row.estimated === 1n,
    status: numberOrNull(row.status),
    errorCode: row.errorCode,
    provider: row.provider,
    region: row.region,
    upstreamId: row.upstreamId,
    clampedOutput: numberOrNull(row.clampedOutput),
    idempotencyKey: row.idempotencyKey,
    warnings: row.warnings,
    usage: usageOf(row),
    createdAtMs: Number(row.createdAtMs),
    firstByteAtMs: numberOrNull(row.firstByteAtMs),
    endedAtMs: numberOrNull(row.endedAtMs),
  }
}

function usageOf(row: RawRecord): Usage {
  return {
    input: Number(row.input),
    cachedRead: Number(row.cachedRead),
    cacheWrite5m: Number(row.cacheWrite5m),
    cacheWrite1h: Number(row.cacheWrite1h),
    output: Number(row.output),
    reasoning: Number(row.reasoning),
  }
}

function numberOrNull(value: bigint | null): number | null {
  return value === null ? null : Number(value)
}

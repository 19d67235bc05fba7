/** Sums of what was used, across up to three of its sides at once, as `GET /api/usage` and `zendo usage --by` show them. */
import { AppError } from '../base/errors.ts'
import { addUsd, formatUsd, ZERO_USD } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { isTag, parseTags, tagValue } from '../domain/tags.ts'
import { createZoneBuckets, isTimeZone, QUARTER_MS, type ZoneBuckets } from '../domain/zone-bucket.ts'
import type { Database } from '../store/database.ts'
import type { RequestFilter } from '../store/request-list.ts'
import { type CubeCell, type CubeColumn, type CubeSums, sumRequests } from '../store/usage-cube.ts'
import type { TokensView } from './request-view.ts'
import { walkRequests } from './request-walk.ts'

const SIDES = ['hour', 'day', 'key', 'member', 'model', 'session', 'tag', 'product', 'funding', 'provider'] as const

/** `tag` is all tags of a request together; `tag:team` the value of its tag of that name. */
export type UsageSide = (typeof SIDES)[number] | `tag:${string}`

const MAX_SIDES = 3
const MAX_ROWS = 10_000
/** Rows summed between two turns of the event loop. */
const ROWS_PER_STEP = 500

/** Counts and amounts of ended requests; tokens of released ones are not in it, because they were not sold. */
export interface UsageTotal {
  readonly requests: number
  /** Of these, ended without a charge because nothing usable was delivered. */
  readonly released: number
  /** Of these, charged by an estimate of their tokens. */
  readonly estimated: number
  readonly tokens: TokensView
  /** Charged to the balance. */
  readonly balance: string
  readonly balance_nano: string
  /** List price of what a plan paid for, and what it counted in the plan's windows. */
  readonly plan: string
  readonly plan_nano: string
  readonly counted: string
  readonly counted_nano: string
  /** List price of what workspaces' own provider keys paid for, elsewhere. */
  readonly byok: string
  readonly byok_nano: string
  /** Cost above what was held, which the operator bears. */
  readonly written_off: string
  readonly written_off_nano: string
}

/** One member for each side, by its name; null where requests have no such thing. */
export type UsageGroup = Readonly<Record<string, string | null>>

export interface UsageTotals {
  readonly workspaceID: string
  readonly by: readonly UsageSide[]
  /** Of hours and days. */
  readonly zone: string
  readonly since: string | null
  readonly until: string | null
  /** In the order of their sides, as `by` has them. */
  readonly rows: readonly (UsageGroup & UsageTotal)[]
  /** Of the rows, whatever they are by: the same requests make the same total. */
  readonly total: UsageTotal
}

/** Reads `day,model`: one to three sides. @throws AppError invalid_request */
export function parseSides(text: string): readonly UsageSide[] {
  const sides = text.split(',').map((name) => name.trim())
  const unknown = sides.find((side) => !isSide(side))
  if (unknown !== undefined) {
    throw invalid('by', `${JSON.stringify(unknown.slice(0, 80))} is none of ${SIDES.join(', ')}, tag:<name>.`)
  }
  if (sides.length > MAX_SIDES || new Set(sides).size < sides.length) {
    throw invalid('by', `Sums are by one to ${MAX_SIDES} different sides.`)
  }
  return sides.filter(isSide)
}

function isSide(text: string): text is UsageSide {
  return SIDES.some((side) => side === text) || (text.startsWith('tag:') && isTag(text.slice('tag:'.length)))
}

/** @throws AppError invalid_request */
export function checkZone(zone: string): string {
  if (isTimeZone(zone)) return zone
  throw invalid('zone', 'The zone is no name of the IANA database, as Europe/Berlin is.')
}

function invalid(param: string, message: string): AppError {
  return new AppError('invalid_request', message, { param })
}

export interface UsageQuestion {
  readonly filter: RequestFilter
  readonly by: readonly UsageSide[]
  readonly zone: string
}

/** @throws AppError invalid_request when there are too many groups to show. */
export async function totalUsage(db: Database, { filter, by, zone }: UsageQuestion): Promise<UsageTotals> {
  const columns = [...new Set(by.map(columnOf))]
  const label = labeller(by, createZoneBuckets(zone))
  const groups = new Map<string, { readonly labels: readonly (string | null)[]; sums: CubeSums }>()
  for await (const range of walkRequests(db, filter, { direction: 'oldest_first', rows: ROWS_PER_STEP })) {
    for (const cell of await sumRequests(db, filter, range, columns)) {
      const labels = label(cell)
      const key = JSON.stringify(labels)
      const known = groups.get(key)
      if (known) known.sums = addSums(known.sums, cell)
      else groups.set(key, { labels, sums: cell })
      if (groups.size > MAX_ROWS) throw invalid('by', `There are more than ${MAX_ROWS} groups. Narrow time or filter.`)
    }
  }
  const sorted = [...groups.values()].sort((a, b) => compareLabels(by, a.labels, b.labels))
  return {
    workspaceID: filter.workspaceId,
    by,
    zone,
    since: filter.sinceMs === null ? null : formatInstant(filter.sinceMs),
    until: filter.untilMs === null ? null : formatInstant(filter.untilMs),
    rows: sorted.map(({ labels, sums }) => Object.assign(nameLabels(by, labels), viewTotal(sums))),
    total: viewTotal(sorted.reduce((total, { sums }) => addSums(total, sums), NO_SUMS)),
  }
}

function columnOf(side: UsageSide): CubeColumn {
  if (side === 'hour' || side === 'day') return 'quarter'
  return isTagSide(side) ? 'tags' : side
}

function isTagSide(side: UsageSide): side is 'tag' | `tag:${string}` {
  return side === 'tag' || side.startsWith('tag:')
}

/** What a cell is called on each side; several cells may be called the same. */
function labeller(by: readonly UsageSide[], zone: ZoneBuckets): (cell: CubeCell) => (string | null)[] {
  return ({ group }) =>
    by.map((side) => {
      const value = group[columnOf(side)] ?? null
      if (side === 'hour' || side === 'day') return zone[side](Number(value) * QUARTER_MS)
      if (value === null || !isTagSide(side)) return value === null ? null : String(value)
      return side === 'tag' ? parseTags(String(value)).join(',') : tagValue(String(value), side.slice('tag:'.length))
    })
}

function nameLabels(by: readonly UsageSide[], labels: readonly (string | null)[]): Record<string, string | null> {
  return Object.fromEntries(by.map((side, index) => [side, labels[index] ?? null]))
}

/** By the code units of the labels, without one first; hours by time, since the one that comes twice has two offsets. */
function compareLabels(by: readonly UsageSide[], a: readonly (string | null)[], b: readonly (string | null)[]): number {
  for (const [index, side] of by.entries()) {
    const [left, right] = [a[index] ?? null, b[index] ?? null]
    if (left === right) continue
    if (left === null || right === null) return left === null ? -1 : 1
    if (side === 'hour') return Date.parse(left) - Date.parse(right)
    return left < right ? -1 : 1
  }
  return 0
}

const NO_SUMS: CubeSums = {
  ...{ requests: 0n, released: 0n, estimated: 0n, input: 0n, cachedRead: 0n, cacheWrite5m: 0n, cacheWrite1h: 0n },
  ...{
    output: 0n,
    reasoning: 0n,
    balance: ZERO_USD,
    plan: ZERO_USD,
    counted: ZERO_USD,
    byok: ZERO_USD,
    writtenOff: ZERO_USD,
  },
}

function addSums(a: CubeSums, b: CubeSums): CubeSums {
  return {
    requests: a.requests + b.requests,
    released: a.released + b.released,
    estimated: a.estimated + b.estimated,
    input: a.input + b.input,
    cachedRead: a.cachedRead + b.cachedRead,
    cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
    cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
    balance: addUsd(a.balance, b.balance),
    plan: addUsd(a.plan, b.plan),
    counted: addUsd(a.counted, b.counted),
    byok: addUsd(a.byok, b.byok),
    writtenOff: addUsd(a.writtenOff, b.writtenOff),
  }
}

function viewTotal(sums: CubeSums): UsageTotal {
  return {
    requests: Number(sums.requests),
    released: Number(sums.released),
    estimated: Number(sums.estimated),
    tokens: {
      input: Number(sums.input),
      cached_read: Number(sums.cachedRead),
      cache_write_5m: Number(sums.cacheWrite5m),
      cache_write_1h: Number(sums.cacheWrite1h),
      output: Number(sums.output),
      reasoning: Number(sums.reasoning),
    },
    balance: formatUsd(sums.balance),
    balance_nano: String(sums.balance),
    plan: formatUsd(sums.plan),
    plan_nano: String(sums.plan),
    counted: formatUsd(sums.counted),
    counted_nano: String(sums.counted),
    byok: formatUsd(sums.byok),
    byok_nano: String(sums.byok),
    written_off: formatUsd(sums.writtenOff),
    written_off_nano: String(sums.writtenOff),
  }
}

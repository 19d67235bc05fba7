/**
 * Compares three accounts of the same run: what the upstream wrote down, what the clients saw, and what stands in the
 * books. The audit looks at the books alone; here they are held against those who have no reason to agree.
 */
import type { Tokens } from '../../support/dialect.ts'
import type { Seen } from './client.ts'
import type { Hit } from './truth.ts'

/** A request as it stands in the books, under the id that its client gave it. Amounts are nano-dollars. */
export interface Row {
  readonly id: string
  readonly funding: 'free' | 'plan' | 'balance'
  readonly state: 'held' | 'settled' | 'released'
  readonly outcome: string | null
  readonly estimated: boolean
  readonly cost: bigint | null
  readonly charged: bigint | null
  readonly hold: bigint
  readonly attempts: number
  readonly endedBy: string | null
  /** What it would have cost, as its own process said after others had ended it. */
  readonly lateCost: bigint | null
}

export interface Evidence {
  readonly rows: readonly Row[]
  readonly seen: readonly Seen[]
  readonly hits: ReadonlyMap<string, readonly Hit[]>
  readonly priceOf: (usage: Tokens) => bigint
}

type Rule = (evidence: Evidence) => string[]

/** What the gateway tries at most for one request. */
const MAX_ATTEMPTS = 3

const rules = {
  'one row for a request': ({ rows }) => {
    const byId = Map.groupBy(rows, ({ id }) => id)
    return [...byId].filter(([, own]) => own.length > 1).map(([id, own]) => `${id} has ${own.length} rows`)
  },
  'I12 nothing is held after recovery': ({ rows }) =>
    rows.filter(({ state }) => state === 'held').map(({ id }) => `${id} is still held`),
  'I14 a charge is the price of what the upstream told': (evidence) =>
    evidence.rows.filter(({ state }) => state === 'settled').flatMap((row) => wrongCharge(evidence, row)),
  'I14 what was released costs nothing': ({ rows }) =>
    rows
      .filter(({ state, cost, charged }) => state === 'released' && (cost !== 0n || charged !== 0n))
      .map(({ id, cost, charged }) => `${id} was released and costs ${cost}, charged ${charged}`),
  'I16 who saw the end is charged': (evidence) => {
    const byId = new Map(evidence.rows.map((row) => [row.id, row]))
    return evidence.seen
      .filter(({ terminal }) => terminal)
      .flatMap(({ id }) => {
        const row = byId.get(id)
        if (row?.state === 'settled' && row.outcome === 'complete' && !row.estimated) return []
        return [`${id} was seen to its end and is ${row ? `${row.state} ${row.outcome}` : 'not in the books'}`]
      })
  },
  'I17 no more was sent upstream than was tried, and one answer delivered': (evidence) =>
    evidence.rows.flatMap((row) => wrongAttempts(row, evidence.hits.get(row.id) ?? [])),
  'I17 no client gets two beginnings': ({ seen }) =>
    seen.filter(({ beginnings }) => beginnings > 1).map(({ id, beginnings }) => `${id} got ${beginnings} beginnings`),
  'no client waits for ever': ({ seen }) =>
    seen.filter(({ hasHung }) => hasHung).map(({ id }) => `${id} got neither an answer nor the end of its connection`),
  'I18 nothing is sent upstream without a hold': ({ rows, hits }) => {
    const known = new Set(rows.map(({ id }) => id))
    return [...hits.keys()].filter((id) => !known.has(id)).map((id) => `${id} reached the upstream and has no row`)
  },
} as const satisfies Record<string, Rule>

export type JudgeRule = keyof typeof rules
export const JUDGE_RULES = Object.keys(rules) as readonly JudgeRule[]

/** What contradicts another account, each with the rule it breaks; empty when all agree. */
export function judge(evidence: Evidence): string[] {
  return JUDGE_RULES.flatMap((name) => rules[name](evidence).map((violation) => `${name}: ${violation}`))
}

function wrongCharge({ hits, seen, priceOf }: Evidence, row: Row): string[] {
  const { id, funding, cost, charged, hold, estimated } = row
  if (funding === 'free') return charged === 0n && cost === 0n ? [] : [`${id} is free and charged ${charged}`]
  if (charged === null || cost === null || charged < 0n || charged > hold || charged > cost) {
    return [`${id} is charged ${charged} of a cost of ${cost}, with ${hold} held`]
  }
  const told = (hits.get(id) ?? []).flatMap(({ usage }) => (usage ? [priceOf(usage)] : []))
  if (!estimated)
    return told.includes(cost) ? [] : [`${id} costs ${cost}, and the upstream told ${told.join(', ') || 'nothing'}`]
  const planned = seen.find((one) => one.id === id)?.script.usage
  const most = planned ? priceOf(planned) : 0n
  return cost <= most ? [] : [`${id} is estimated at ${cost}, above the ${most} of a whole answer`]
}

function wrongAttempts({ id, attempts, state, outcome }: Row, hits: readonly Hit[]): string[] {
  const answering = hits.filter(({ usage }) => usage !== null).length
  if (answering > 1) return [`${id} was answered ${answering} times`]
  // Whoever gave its hold back without having served it does not know what was tried.
  const isKnown = state !== 'held' && (attempts > 0 || outcome !== 'operator_fault')
  const most = isKnown ? attempts : MAX_ATTEMPTS
  return hits.length <= most
    ? []
    : [`${id} (${outcome}) reached the upstream ${hits.length} times in ${attempts} attempts`]
}

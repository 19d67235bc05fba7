/** Random trees of limits on one request, and what should be said of them: each limit alone, and the word of all of them. */
import { nanoUsd } from '../../src/base/money.ts'
import type { Cap } from '../../src/domain/cap.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import { Books } from '../../src/ledger/books.ts'
import type { HoldCommand, Source } from '../../src/ledger/command.ts'
import type { AccountRow } from '../../src/store/account.ts'
import type { MeterRow } from '../../src/store/meter.ts'
import type { Random } from './random.ts'
import { type Buyer, capOf, holdCommand, makeBuyer, windowOf } from './world.ts'

/** Friday noon: ends of the day, the week and the month, worked out by hand. */
const ENDS = {
  day: Date.UTC(2026, 10, 21),
  week: Date.UTC(2026, 10, 23),
  month: Date.UTC(2026, 11, 1),
} as const
const STARTS = { day: Date.UTC(2026, 10, 20), week: Date.UTC(2026, 10, 16), month: Date.UTC(2026, 10, 1) } as const

/** One limit as the oracle sees it: plain numbers. */
export interface PlainLimit {
  readonly name: string
  readonly limit: number
  readonly settled: number
  readonly held: number
  /** When all of it is free again; never, for a balance. */
  readonly endsAtMs: number | null
  /** Of what a request costs, as this limit counts it: thousandths. */
  readonly weight: number
}

export interface Tree {
  readonly buyer: Buyer
  /** By source, in the order of the command. */
  readonly limits: readonly (readonly PlainLimit[])[]
  readonly sources: readonly Source[]
  readonly caps: readonly Cap[]
  readonly weight: number
  books(): Books
  command(amount: bigint): HoldCommand
}

interface Counters {
  readonly limit: number
  readonly settled: number
  readonly held: number
}

function countersOf(random: Random): Counters {
  const limit = random.below(60)
  const settled = random.below(limit + 1)
  // A limit that was lowered may stand below what it has counted.
  const excess = random.below(8) === 0 ? random.below(10) : 0
  return { limit, settled: settled + excess, held: random.below(Math.max(1, limit - settled + 1)) }
}

export function createTree(random: Random): Tree {
  const buyer = makeBuyer()
  const weight = random.pick([1000, 1000, 500, 2000, 333])
  const rows: MeterRow[] = []
  const [balance, caps, capLimits] = balanceSide(buyer, random, rows)
  const [windows, windowLimits] = planSide(buyer, random, rows, weight)
  const plan: Source = { kind: 'plan', seatId: seatOf(buyer), anchorMs: STARTS.month, windows }
  const shape = random.pick(['balance', 'plan', 'both'] as const)
  const sources: Source[] = [
    ...(shape === 'balance' ? [] : [plan]),
    ...(shape === 'plan' ? [] : [{ kind: 'balance' as const }]),
  ]
  const byBalance = [{ ...balance, name: 'balance', endsAtMs: null, weight: 1000 }, ...capLimits]
  const limits = [...(shape === 'balance' ? [] : [windowLimits]), ...(shape === 'plan' ? [] : [byBalance])]
  return {
    ...{ buyer, limits, sources, caps, weight },
    books: () => new Books({ accounts: [accountOf(buyer, balance)], meters: rows, lots: new Map() }),
    command: (amount) => holdCommand(buyer, { amount, sources, caps, weightPpm: BigInt(weight) * 1000n }),
  }
}

function seatOf({ memberId }: Buyer): string {
  return `seat_${memberId}`
}

function accountOf({ accountId, workspaceId }: Buyer, { limit, held }: Counters): AccountRow {
  const posted = nanoUsd(limit)
  return {
    ...{ id: accountId, workspaceId, posted, held: nanoUsd(held), nextExpiryMs: null, credited: posted, told: 0 },
  }
}

const NAMES = { day: 'daily', week: 'weekly', month: 'monthly' } as const

function balanceSide(buyer: Buyer, random: Random, rows: MeterRow[]): [Counters, Cap[], PlainLimit[]] {
  const caps: Cap[] = []
  const limits: PlainLimit[] = []
  for (const scope of ['key', 'member', 'workspace'] as const) {
    for (const unit of ['day', 'week', 'month'] as const) {
      if (random.below(3) > 0) continue
      const counters = countersOf(random)
      const cap = capOf(buyer, scope, unit, BigInt(counters.limit))
      const name = `${NAMES[unit]} ${scope} cap`
      caps.push(cap)
      const used = pushMeter(
        rows,
        random,
        buyer,
        { scope, subjectId: cap.subjectId, name, kind: 'calendar' },
        unit,
        counters,
      )
      limits.push({ ...used, name, endsAtMs: ENDS[unit], weight: 1000 })
    }
  }
  const { limit, held } = countersOf(random)
  return [{ limit, settled: 0, held: Math.min(held, limit) }, caps, limits]
}

function planSide(buyer: Buyer, random: Random, rows: MeterRow[], weight: number): [WindowSpec[], PlainLimit[]] {
  const windows: WindowSpec[] = []
  const limits: PlainLimit[] = []
  for (const unit of ['day', 'week', 'month'] as const) {
    if (windows.length > 0 && random.below(2) === 0) continue
    const counters = countersOf(random)
    const name = `${unit} window`
    windows.push({ ...windowOf('calendar', BigInt(counters.limit)), unit, name })
    const of = { scope: 'seat' as const, subjectId: seatOf(buyer), name, kind: 'calendar' as const }
    const used = pushMeter(rows, random, buyer, of, unit, counters)
    limits.push({ ...used, name, endsAtMs: ENDS[unit], weight })
  }
  return [windows, limits]
}

/** Some windows were not opened yet: nothing is used of them. */
function pushMeter(
  rows: MeterRow[],
  random: Random,
  { workspaceId }: Buyer,
  of: Pick<MeterRow, 'scope' | 'subjectId' | 'name' | 'kind'>,
  unit: keyof typeof ENDS,
  counters: Counters,
): Counters {
  if (random.below(4) === 0) return { limit: counters.limit, settled: 0, held: 0 }
  const bounds = { startsAtMs: STARTS[unit], endsAtMs: ENDS[unit] }
  const amounts = { limit: nanoUsd(counters.limit), settled: nanoUsd(counters.settled), held: nanoUsd(counters.held) }
  rows.push({ id: `${of.subjectId}:${of.name}`, workspaceId, ...of, ...bounds, ...amounts, told: 0 })
  return counters
}

/** What the limit counts of an amount: to the nearest, halves up, in whole numbers. */
export function countedBy({ weight }: PlainLimit, amount: number): number {
  return Math.floor((2 * amount * weight + 1000) / 2000)
}

export function hasRoom(limit: PlainLimit, amount: number): boolean {
  return limit.settled + limit.held + countedBy(limit, amount) <= limit.limit || countedBy(limit, amount) === 0
}

/** Until when it refuses: 0 while only what others hold is in the way. */
export function refusesUntil(limit: PlainLimit, amount: number): number {
  if (limit.settled + countedBy(limit, amount) <= limit.limit) return 0
  if (limit.endsAtMs === null || countedBy(limit, amount) > limit.limit) return Number.POSITIVE_INFINITY
  return limit.endsAtMs
}

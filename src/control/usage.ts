/** What is left: the balance, every window of every seat, and caps, as `GET P/usage` and `zendo usage` show it. */
import { subtractUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import type { Product } from '../base/words.ts'
import type { Plan } from '../domain/catalog.ts'
import { seatFor } from '../domain/seat.ts'
import { roomOf, type WindowState, windowStateOf } from '../domain/window.ts'
import type { Books } from '../ledger/books.ts'
import type { Source } from '../ledger/command.ts'
import { loadBalance } from '../store/account.ts'
import { listCaps } from '../store/cap.ts'
import type { Database, Sql } from '../store/database.ts'
import type { Lot } from '../store/lot.ts'
import { listSeats, type Seat } from '../store/workspace.ts'
import { balanceLeft, balanceSource, capState, largestHold, type Payer, readLeft, sortCaps } from './left.ts'
import { type EffectiveReport, reportEffective } from './usage-effective.ts'
import {
  amountOf,
  type CapReport,
  reportCap,
  reportWindow,
  type WindowReport,
  type WindowStatus,
} from './usage-window.ts'
import { findWorkspace } from './workspace.ts'

export type { WindowReport } from './usage-window.ts'

/** Amounts stand twice: as exact decimal dollars, and as whole nano-dollars in text, for programs. */
export interface BalanceReport {
  /** What may still be spent: posted less held. */
  readonly available: string
  readonly available_nano: string
  readonly held: string
  readonly held_nano: string
  /** Without credit that has expired. */
  readonly posted: string
  readonly posted_nano: string
  /** Those with something left, in the order in which they are spent. */
  readonly lots: readonly LotReport[]
}

export interface LotReport {
  readonly id: string
  readonly source: Lot['source']
  readonly remaining: string
  readonly remaining_nano: string
  readonly amount: string
  readonly amount_nano: string
  /** Lower is spent first. */
  readonly priority: number
  /** Null: never. */
  readonly expires_at: string | null
}

export interface SeatReport {
  readonly id: string
  readonly member: string
  readonly plan: string
  /** Whether requests go on from the balance when a window is full. */
  readonly use_balance: boolean
  readonly started_at: string
  /** Empty when the plan is no longer in the catalogue; the seat then pays for nothing. */
  readonly windows: readonly WindowReport[]
  /** The window with the least left: the one that refuses first. Null when there are none. */
  readonly binding: string | null
}

/** The public service's shape of one window. */
export interface CompatibleWindow {
  readonly status: WindowStatus
  readonly percent: number
  /** Of a window that is not open: when it would end if it opened now, as the public service has it. */
  readonly resetsAt: string
}

export interface CompatibleUsage {
  readonly rolling?: CompatibleWindow
  readonly weekly?: CompatibleWindow
  readonly monthly?: CompatibleWindow
}

export interface UsageReport {
  readonly workspaceID: string
  /** Null when the report is of a whole workspace. */
  readonly userID: string | null
  readonly as_of: string
  /** Of the first seat; null without one. */
  readonly usage: CompatibleUsage | null
  readonly balance: BalanceReport
  readonly seats: readonly SeatReport[]
  /** Those that apply: of the key, of its member, of the workspace. */
  readonly caps: readonly CapReport[]
  /** Per product; null where nothing can pay. */
  readonly effective: Readonly<Record<Product, EffectiveReport | null>>
}

/** The owner of a key (whose revocation or exhaustion does not matter here), or with `memberId: null` a workspace. */
export interface UsageScope {
  readonly workspaceId: string
  readonly memberId: string | null
  /** Adds the caps of this key. */
  readonly keyId?: string | null
}

/** All of one instant. @throws AppError invalid_request when there is no such workspace. */
export function reportUsage(
  db: Database,
  plans: ReadonlyMap<string, Plan>,
  scope: UsageScope,
  nowMs: number,
): Promise<UsageReport> {
  return db.read(async (sql) => {
    const payer = await readPayer(sql, scope)
    const all = await listSeats(sql, scope.workspaceId)
    const seats = all.filter((seat) => scope.memberId === null || seat.memberId === scope.memberId)
    const sources = [...balanceSource(payer), ...seats.flatMap((seat) => planSource(plans, seat))]
    const books = await readLeft(sql, payer, sources, nowMs)
    return report({ books, payer, plans, seats, nowMs }, scope)
  })
}

/** Seats with their windows, all of one instant. */
export function reportSeats(
  db: Database,
  plans: ReadonlyMap<string, Plan>,
  { workspaceId, seats, nowMs }: { workspaceId: string; seats: readonly Seat[]; nowMs: number },
): Promise<SeatReport[]> {
  return db.read(async (sql) => {
    const payer = await readPayer(sql, { workspaceId, memberId: null })
    const sources = seats.flatMap((seat) => planSource(plans, seat))
    const books = await readLeft(sql, payer, sources, nowMs)
    const facts: Facts = { books, payer, plans, seats, nowMs }
    return seats.map((seat) => reportSeat(seat, windowsOf(facts, seat)))
  })
}

async function readPayer(sql: Sql, { workspaceId, memberId, keyId = null }: UsageScope): Promise<Payer> {
  const [calendar, balance, caps] = await Promise.all([
    findWorkspace(sql, workspaceId),
    loadBalance(sql, workspaceId),
    listCaps(sql, workspaceId),
  ])
  const subjects = [keyId, memberId, workspaceId]
  return {
    workspaceId,
    accountId: balance?.id ?? null,
    caps: sortCaps(caps.filter(({ subjectId }) => subjects.includes(subjectId))),
    calendar,
  }
}

function planSource(plans: ReadonlyMap<string, Plan>, { id, planId, startedAtMs }: Seat): Source[] {
  const windows = plans.get(planId)?.windows
  return windows === undefined ? [] : [{ kind: 'plan', seatId: id, anchorMs: startedAtMs, windows }]
}

/** Everything that a report is made from. */
interface Facts {
  readonly books: Books
  readonly payer: Payer
  readonly plans: ReadonlyMap<string, Plan>
  readonly seats: readonly Seat[]
  readonly nowMs: number
}

function report(facts: Facts, { workspaceId, memberId }: UsageScope): UsageReport {
  const seats = facts.seats.map((seat) => ({ seat, windows: windowsOf(facts, seat) }))
  const [first] = seats
  const seatReports = seats.map(({ seat, windows }) => reportSeat(seat, windows))
  const caps = facts.payer.caps.map((cap) => reportCap(cap, capState(facts.books, cap, facts.payer, facts.nowMs)))
  return {
    workspaceID: workspaceId,
    userID: memberId,
    as_of: formatInstant(facts.nowMs),
    usage: first === undefined ? null : compatibleUsage(first.windows),
    balance: reportBalance(facts),
    seats: seatReports,
    caps,
    effective: {
      zen: effectiveOf(facts, balanceSource(facts.payer), caps),
      go: effectiveOnPlan(facts, seatReports, caps),
    },
  }
}

function windowsOf({ books, payer, plans, nowMs }: Facts, { id, planId, startedAtMs }: Seat): WindowState[] {
  const windows = plans.get(planId)?.windows ?? []
  return windows.map((spec) => windowStateOf(spec, books.metersOf(id, spec.name), nowMs, startedAtMs, payer.calendar))
}

function reportBalance({ books, payer }: Facts): BalanceReport {
  const { posted, held, lots } = balanceLeft(books, payer)
  return {
    ...amountOf('available', subtractUsd(posted, held)),
    ...amountOf('held', held),
    ...amountOf('posted', posted),
    lots: lots.map(reportLot),
  }
}

export function reportLot({ id, source, remaining, amount, priority, expiresAtMs }: Lot): LotReport {
  return {
    id,
    source,
    ...amountOf('remaining', remaining),
    ...amountOf('amount', amount),
    priority,
    expires_at: expiresAtMs === null ? null : formatInstant(expiresAtMs),
  }
}

function reportSeat(seat: Seat, windows: readonly WindowState[]): SeatReport {
  return {
    id: seat.id,
    member: seat.memberId,
    plan: seat.planId,
    use_balance: seat.useBalance,
    started_at: formatInstant(seat.startedAtMs),
    windows: windows.map(reportWindow),
    binding: tightest(windows)?.spec.name ?? null,
  }
}

function tightest(windows: readonly WindowState[]): WindowState | undefined {
  let least: WindowState | undefined
  for (const window of windows) if (least === undefined || roomOf(window) < roomOf(least)) least = window
  return least
}

/** As the gateway goes about it: the first seat whose plan covers the product, then the balance where it may. */
function effectiveOnPlan(
  facts: Facts,
  seatReports: readonly SeatReport[],
  caps: readonly CapReport[],
): EffectiveReport | null {
  const seat = seatFor(facts.seats, facts.plans, 'go')?.seat
  if (!seat) return null
  const sources = [...planSource(facts.plans, seat), ...(seat.useBalance ? balanceSource(facts.payer) : [])]
  const windows = seatReports.find(({ id }) => id === seat.id)?.windows ?? []
  return effectiveOf(facts, sources, [...windows, ...caps])
}

/** `limits`: what may turn out to bind, by name. */
function effectiveOf(
  { books, payer, nowMs }: Facts,
  sources: readonly Source[],
  limits: readonly WindowReport[],
): EffectiveReport | null {
  const largest = largestHold(books, payer, sources, nowMs)
  return largest && reportEffective(largest, limits)
}

function compatibleUsage(windows: readonly WindowState[]): CompatibleUsage {
  const rolling = windows.find(({ spec }) => spec.kind === 'session' || spec.kind === 'sliding')
  const weekly = windows.find(({ spec }) => spec.unit === 'week')
  const monthly = windows.find(({ spec }) => spec.unit === 'month')
  return {
    ...(rolling && { rolling: compatibleWindow(rolling) }),
    ...(weekly && { weekly: compatibleWindow(weekly) }),
    ...(monthly && { monthly: compatibleWindow(monthly) }),
  }
}

function compatibleWindow(window: WindowState): CompatibleWindow {
  const { resets_at, status, percent } = reportWindow(window)
  return { status, percent, resetsAt: resets_at ?? formatInstant(window.current.endsAtMs) }
}

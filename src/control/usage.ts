/** What is left: the balance, and every window of every seat, as `GET P/usage` and `zendo usage` show it. */
import { formatUsd, type NanoUsd, nanoUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import type { Plan } from '../domain/catalog.ts'
import { windowRemaining } from '../domain/window.ts'
import { loadBalance } from '../store/account.ts'
import { type CurrentWindow, loadCurrentWindows } from '../store/current-window.ts'
import type { Database } from '../store/database.ts'
import { listSeats, type Seat } from '../store/workspace.ts'

/** `ok`, or `rate-limited` once nothing is left. Compatible words. */
export type WindowStatus = 'ok' | 'rate-limited'

/** Amounts stand twice: as exact decimal dollars, and as whole nano-dollars in text, for programs. */
export interface BalanceReport {
  /** What may still be spent: posted less held. */
  readonly available: string
  readonly available_nano: string
  readonly held: string
  readonly held_nano: string
  readonly posted: string
  readonly posted_nano: string
}

export interface WindowReport {
  readonly name: string
  readonly kind: CurrentWindow['spec']['kind']
  readonly limit: string
  readonly limit_nano: string
  /** Counted by requests that ended. */
  readonly settled: string
  readonly settled_nano: string
  /** Reserved by requests under way. */
  readonly held: string
  readonly held_nano: string
  /** Settled and held. */
  readonly used: string
  readonly used_nano: string
  readonly remaining: string
  readonly remaining_nano: string
  /** Used of limit, whole percent, rounded down, 100 at most. */
  readonly percent: number
  readonly status: WindowStatus
  /** Both null for a session window that no request has opened. */
  readonly starts_at: string | null
  readonly resets_at: string | null
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
  /** Of a session window that is not open: when it would end if it opened now, as the public service has it. */
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
}

/** The owner of a key (whose revocation or exhaustion does not matter here), or with `memberId: null` a workspace. */
export interface UsageScope {
  readonly workspaceId: string
  readonly memberId: string | null
}

export function reportUsage(
  db: Database,
  plans: ReadonlyMap<string, Plan>,
  scope: UsageScope,
  nowMs: number,
): UsageReport {
  const seats = listSeats(db, scope.workspaceId)
    .filter((seat) => scope.memberId === null || seat.memberId === scope.memberId)
    .map((seat) => ({ seat, windows: windowsOf(db, plans, seat, nowMs) }))
  const [first] = seats
  return {
    workspaceID: scope.workspaceId,
    userID: scope.memberId,
    as_of: formatInstant(nowMs),
    usage: first === undefined ? null : compatibleUsage(first.windows),
    balance: reportBalance(db, scope.workspaceId),
    seats: seats.map(({ seat, windows }) => reportSeat(seat, windows)),
  }
}

function windowsOf(db: Database, plans: ReadonlyMap<string, Plan>, seat: Seat, nowMs: number): CurrentWindow[] {
  const plan = plans.get(seat.planId)
  return plan === undefined ? [] : loadCurrentWindows(db, seat, plan, nowMs)
}

function reportBalance(db: Database, workspaceId: string): BalanceReport {
  const { posted, held } = loadBalance(db, workspaceId) ?? { posted: nanoUsd(0), held: nanoUsd(0) }
  return {
    ...amount('available', nanoUsd(posted - held)),
    ...amount('held', held),
    ...amount('posted', posted),
  }
}

function reportSeat(seat: Seat, windows: readonly CurrentWindow[]): SeatReport {
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

function tightest(windows: readonly CurrentWindow[]): CurrentWindow | undefined {
  let least: CurrentWindow | undefined
  for (const window of windows) {
    if (least === undefined || windowRemaining(window) < windowRemaining(least)) least = window
  }
  return least
}

function reportWindow(window: CurrentWindow): WindowReport {
  const { spec, settled, held } = window
  const unopened = isUnopenedSession(window)
  return {
    name: spec.name,
    kind: spec.kind,
    ...amount('limit', spec.limit),
    ...amount('settled', settled),
    ...amount('held', held),
    ...amount('used', usedOf(window)),
    ...amount('remaining', windowRemaining(window)),
    percent: percentOf(window),
    status: statusOf(window),
    starts_at: unopened ? null : formatInstant(window.startsAtMs),
    resets_at: unopened ? null : formatInstant(window.endsAtMs),
  }
}

function isUnopenedSession(window: CurrentWindow): boolean {
  return window.id === null && window.spec.kind === 'session'
}

function usedOf(window: CurrentWindow): NanoUsd {
  return nanoUsd(window.settled + window.held)
}

function percentOf(window: CurrentWindow): number {
  const { limit } = window.spec
  const used = usedOf(window)
  if (used >= limit) return 100
  return Number((used * 100n) / limit)
}

function statusOf(window: CurrentWindow): WindowStatus {
  return windowRemaining(window) > 0n ? 'ok' : 'rate-limited'
}

function compatibleUsage(windows: readonly CurrentWindow[]): CompatibleUsage {
  const rolling = windows.find(({ spec }) => spec.kind === 'session')
  const weekly = windows.find(({ spec }) => spec.unit === 'week')
  const monthly = windows.find(({ spec }) => spec.unit === 'month')
  return {
    ...(rolling && { rolling: compatibleWindow(rolling) }),
    ...(weekly && { weekly: compatibleWindow(weekly) }),
    ...(monthly && { monthly: compatibleWindow(monthly) }),
  }
}

function compatibleWindow(window: CurrentWindow): CompatibleWindow {
  return { status: statusOf(window), percent: percentOf(window), resetsAt: formatInstant(window.endsAtMs) }
}

/** `{available: "4.99", available_nano: "4990000000"}` */
function amount<Name extends string>(name: Name, value: NanoUsd) {
  return { [name]: formatUsd(value), [`${name}_nano`]: String(value) } as Record<Name | `${Name}_nano`, string>
}

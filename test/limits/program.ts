/** Random programs of spending, waiting and clocks that are set back, run on the rules and on the oracle side by side. */
import fc from 'fast-check'
import { type NanoUsd, nanoUsd } from '../../src/base/money.ts'
import { DAY_MS, formatInstant, HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import type { Calendar, MeterState, resetsAtOf, WindowState, windowStateOf } from '../../src/domain/window.ts'
import { expectedAt, expectedReset, fitsAt, type LoggedHold, spentWithin } from './oracle.ts'
import { type World, world, ZONES } from './worlds.ts'

/** What a program judges: the rules of the product, or a wrong variant of them. */
export interface Rules {
  readonly windowStateOf: typeof windowStateOf
  readonly resetsAtOf: typeof resetsAtOf
}

type Op = 'hold' | 'settle' | 'release' | 'wait' | 'until-end' | 'until-reset' | 'set-back' | 'move'

export interface Step {
  readonly op: Op
  /** Where in the range of such steps this one is, from 0 to 2^20 - 1. */
  readonly x: number
}

export interface Program {
  readonly world: World
  readonly steps: readonly Step[]
}

export const MAX_STEPS = 200
const X_MAX = 2 ** 20 - 1

const OPS: readonly fc.WeightedArbitrary<Op>[] = [
  { weight: 9, arbitrary: fc.constant('hold') },
  { weight: 4, arbitrary: fc.constantFrom('settle', 'release') },
  { weight: 5, arbitrary: fc.constant('wait') },
  { weight: 2, arbitrary: fc.constantFrom('until-end', 'until-reset') },
  { weight: 1, arbitrary: fc.constant('set-back') },
  { weight: 1, arbitrary: fc.constant('move') },
]
const step: fc.Arbitrary<Step> = fc.record({ op: fc.oneof(...OPS), x: fc.nat(X_MAX) })
export const program: fc.Arbitrary<Program> = fc.record({
  world,
  steps: fc.array(step, { maxLength: MAX_STEPS, size: 'max' }),
})

/** What programs did, so that a run can show that it looked at something. */
export interface Tally {
  steps: number
  admitted: number
  refused: number
  opened: number
  settledLate: number
  setBack: number
  moved: number
}

export function newTally(): Tally {
  return { steps: 0, admitted: 0, refused: 0, opened: 0, settledLate: 0, setBack: 0, moved: 0 }
}

interface Row extends MeterState {
  settled: NanoUsd
  held: NanoUsd
}

interface OpenHold {
  readonly row: Row
  readonly logged: LoggedHold
}

/** When an amount that does not fit will. */
interface Told {
  readonly amount: NanoUsd
  readonly resetsAtMs: number
}

interface Run {
  readonly rules: Rules
  readonly world: World
  readonly tally: Tally
  calendar: Calendar
  nowMs: number
  readonly rows: Row[]
  readonly log: LoggedHold[]
  readonly underWay: OpenHold[]
  /** Of the last request if it was refused, and of the whole limit; nothing was spent since. */
  told: readonly Told[]
}

/** @throws Error at the first step at which the rules and the oracle disagree. */
export function runProgram({ world, steps }: Program, rules: Rules, tally: Tally): void {
  const { calendar, startMs: nowMs } = world
  const run: Run = { rules, world, tally, calendar, nowMs, rows: [], log: [], underWay: [], told: [] }
  for (const [index, step] of steps.entries()) {
    try {
      tally.steps += 1
      STEPS[step.op](run, step.x)
    } catch (error) {
      const place = `step ${index} (${step.op}) at ${formatInstant(run.nowMs)} in ${run.calendar.timeZone}`
      throw new Error(`${place}: ${error instanceof Error ? error.message : error}`)
    }
  }
}

const STEPS: Readonly<Record<Op, (run: Run, x: number) => void>> = {
  hold,
  settle: (run, x) => end(run, x, true),
  release: (run, x) => end(run, x, false),
  wait(run, x) {
    run.nowMs += spanOf(x)
  },
  // The last millisecond of the window, or the first of the next.
  'until-end'(run, x) {
    run.nowMs = Math.max(run.nowMs, stateAt(run, run.nowMs).current.endsAtMs - (x % 2))
  },
  // What was told last, or a millisecond less.
  'until-reset'(run, x) {
    run.nowMs = Math.max(run.nowMs, (run.told[0]?.resetsAtMs ?? 0) - (x % 2))
    keepWord(run)
  },
  'set-back'(run, x) {
    run.tally.setBack += 1
    run.nowMs -= spanOf(x)
  },
  move(run, x) {
    run.tally.moved += 1
    run.calendar = { timeZone: ZONES[x % ZONES.length] ?? 'UTC', weekStart: 1 + (x % 7) }
  },
}

/** From nothing to forty days, each scale as likely. */
function spanOf(x: number): number {
  const scales = [1, 1000, MINUTE_MS, 20 * MINUTE_MS, HOUR_MS, 12 * HOUR_MS, DAY_MS, 40 * DAY_MS]
  return Math.floor(((scales[x % scales.length] ?? 0) * x) / X_MAX)
}

function amountOf(x: number, state: WindowState): NanoUsd {
  const { limit } = state.spec
  const room = limit - state.settled - state.held
  const amounts = [room, room + 1n, limit, limit + 1n, 1n]
  const amount = amounts[x % 16] ?? BigInt(x) % (limit / 2n)
  return nanoUsd(amount > 0n ? amount : 1n)
}

/** From the rows that a ledger hands in: those that are open, and the last that ended. */
function stateAt({ rules, world, calendar, rows }: Run, nowMs: number): WindowState {
  const open = rows.filter((row) => row.endsAtMs > nowMs)
  const ended = rows.filter((row) => row.endsAtMs <= nowMs)
  const last = ended.reduce<Row | undefined>((a, b) => (a === undefined || b.endsAtMs > a.endsAtMs ? b : a), undefined)
  return rules.windowStateOf(world.spec, last === undefined ? open : [last, ...open], nowMs, world.anchorMs, calendar)
}

function hold(run: Run, x: number): void {
  const { world, nowMs, log, rules, tally } = run
  const scene = { ...world, calendar: run.calendar, log }
  const state = stateAt(run, nowMs)
  const amount = amountOf(x, state)
  compareState(run, state)
  const resetsAtMs = rules.resetsAtOf(state, amount)
  same('reset', resetsAtMs, expectedReset(scene, nowMs, amount))
  const fits = fitsIn(state, amount)
  same('decision', fits, fitsAt(scene, nowMs, amount))
  keepWord(run)
  if (fits) admit(run, state, amount)
  else tally.refused += 1
  run.told = [...(fits ? [] : [amount]), world.spec.limit].flatMap((asked) => tell(run, asked))
}

function tell(run: Run, amount: NanoUsd): Told[] {
  const state = stateAt(run, run.nowMs)
  const resetsAtMs = run.rules.resetsAtOf(state, amount)
  return fitsIn(state, amount) || resetsAtMs === null ? [] : [{ amount, resetsAtMs }]
}

function fitsIn({ spec, settled, held }: WindowState, amount: NanoUsd): boolean {
  return settled + held + amount <= spec.limit
}

function compareState(run: Run, state: WindowState): void {
  const { world, nowMs, log } = run
  const { startsAtMs, endsAtMs } = state.current
  const expected = expectedAt({ ...world, calendar: run.calendar, log }, nowMs)
  same('start', startsAtMs, expected.bounds.startsAtMs)
  same('end', endsAtMs, expected.bounds.endsAtMs)
  same('settled', state.settled, expected.settled)
  same('held', state.held, expected.held)
  if (state.current.id === null) insist(startsAtMs <= nowMs && nowMs < endsAtMs, 'a fresh window is not around now')
  if (world.spec.kind !== 'sliding') return
  const { lengthMs } = world.spec
  const counted = state.settled + state.held
  insist(counted >= spentWithin(log, lengthMs, nowMs), 'less is counted than was spent within the length')
  const longestMs = lengthMs + Math.ceil(lengthMs / 60)
  insist(counted <= spentWithin(log, longestMs, nowMs), 'something is counted for more than a sixtieth too long')
}

/** What was told may come closer but never move away; and when it comes, the amount fits. */
function keepWord(run: Run): void {
  for (const { amount, resetsAtMs } of run.told) {
    const nowMs = Math.min(run.nowMs, resetsAtMs)
    const state = stateAt(run, nowMs)
    if (fitsIn(state, amount)) continue
    insist(nowMs < resetsAtMs, 'the reset has come and the amount does not fit')
    const now = run.rules.resetsAtOf(state, amount)
    insist(now !== null && now <= resetsAtMs, `the reset moved from ${resetsAtMs} to ${now} without spending`)
  }
}

function admit(run: Run, state: WindowState, amount: NanoUsd): void {
  const { rows, nowMs, log, underWay, tally } = run
  const { current } = state
  let row = rows.find(({ id }) => id === current.id)
  if (row === undefined) {
    row = { ...current, id: `row ${rows.length}` }
    insist(!rows.some(({ startsAtMs }) => startsAtMs === current.startsAtMs), 'two rows have the same start')
    if (state.spec.kind !== 'sliding') refuseOverlap(rows, current)
    rows.push(row)
    tally.opened += 1
  }
  row.held = nanoUsd(row.held + amount)
  const logged = { startsAtMs: current.startsAtMs, endsAtMs: current.endsAtMs, atMs: nowMs, held: amount, settled: 0n }
  log.push(logged)
  underWay.push({ row, logged })
  tally.admitted += 1
}

function refuseOverlap(rows: readonly Row[], { startsAtMs, endsAtMs }: MeterState): void {
  const overlapped = rows.find((row) => row.startsAtMs < endsAtMs && startsAtMs < row.endsAtMs)
  insist(overlapped === undefined, 'two windows overlap')
}

/** Ends one request: it counts what it cost, at most what it held, in the window that admitted it, open or not. */
function end(run: Run, x: number, isCharged: boolean): void {
  const [ended] = run.underWay.splice(x % Math.max(run.underWay.length, 1), 1)
  if (ended === undefined) return
  const { row, logged } = ended
  const cost = isCharged ? (logged.held * BigInt(x)) / BigInt(X_MAX) : 0n
  if (row.endsAtMs <= run.nowMs) run.tally.settledLate += 1
  row.held = nanoUsd(row.held - logged.held)
  row.settled = nanoUsd(row.settled + cost)
  logged.held = 0n
  logged.settled = cost
}

function same<T>(what: string, actual: T, expected: T): void {
  if (actual !== expected) throw new Error(`${what}: the rules say ${actual}, the oracle says ${expected}`)
}

function insist(condition: boolean, complaint: string): void {
  if (!condition) throw new Error(complaint)
}

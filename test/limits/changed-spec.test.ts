/** Plans change while windows are open: nothing that is open is forgotten, and no limit is had twice. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type NanoUsd, nanoUsd, ZERO_USD } from '../../src/base/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import type { WindowSpec } from '../../src/domain/catalog.ts'
import { type Calendar, type MeterState, resetsAtOf, type WindowState, windowStateOf } from '../../src/domain/window.ts'
import { calendar, instant, lengthSpec, unitSpec } from './worlds.ts'

const RUNS = 5000
const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)

type StateOf = typeof windowStateOf

interface Change {
  readonly spec: WindowSpec
  readonly calendar: Calendar
  /** Waits and holds under this spec, before the next change. */
  readonly steps: readonly { readonly waitMs: number; readonly amount: bigint }[]
}

const waitMs = fc.oneof(
  fc.integer({ min: 0, max: HOUR_MS }),
  fc.integer({ min: 0, max: 10 * DAY_MS }),
  fc.constantFrom(0, MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS),
  fc.integer({ min: -2 * DAY_MS, max: 0 }),
)
const change: fc.Arbitrary<Change> = fc.record({
  spec: fc.oneof(lengthSpec, unitSpec).map((spec) => ({ ...spec, name: 'w' })),
  calendar,
  steps: fc.array(fc.record({ waitMs, amount: fc.bigInt({ min: 1n, max: 600n }) }), { minLength: 1, maxLength: 20 }),
})

/** @returns how many holds were admitted. */
function runChanges(changes: readonly Change[], startMs: number, stateOf: StateOf): number {
  const rows: (MeterState & { held: NanoUsd })[] = []
  let [nowMs, admitted] = [startMs, 0]
  for (const { spec, calendar, steps } of changes) {
    for (const step of steps) {
      nowMs += step.waitMs
      const state = stateOf(spec, handedIn(rows, nowMs), nowMs, startMs, calendar)
      checkState(state, rows, nowMs)
      if (!fitsIn(state, step.amount)) {
        const ends = rows.map((row) => row.endsAtMs).filter((end) => end > nowMs)
        const stateAt = (atMs: number) => stateOf(spec, handedIn(rows, atMs), atMs, startMs, calendar)
        const fitting = ends.filter((end) => fitsIn(stateAt(end), step.amount))
        assert.equal(resetsAtOf(state, nanoUsd(step.amount)), Math.min(...fitting), 'the reset is not the first')
        continue
      }
      let row = rows.find(({ id }) => id === state.current.id)
      if (row === undefined) {
        row = { ...state.current, id: `row ${rows.length}` }
        rows.push(row)
      }
      row.held = nanoUsd(row.held + step.amount)
      admitted += 1
    }
  }
  return admitted
}

function fitsIn({ spec, settled, held }: WindowState, amount: bigint): boolean {
  return settled + held + amount <= spec.limit
}

function handedIn(rows: readonly MeterState[], nowMs: number): MeterState[] {
  const [last] = rows.filter((row) => row.endsAtMs <= nowMs).sort((a, b) => b.endsAtMs - a.endsAtMs)
  return [...rows.filter((row) => row.endsAtMs > nowMs), ...(last === undefined ? [] : [last])]
}

function checkState({ spec, current, earlier, held }: WindowState, rows: readonly MeterState[], nowMs: number): void {
  const around = rows.filter((row) => row.startsAtMs <= nowMs && nowMs < row.endsAtMs)
  const open = around.reduce((sum, row) => sum + row.held, 0n)
  assert.ok(held >= open, `${open} is open and ${held} counts`)
  if (spec.kind !== 'sliding') {
    assert.ok(
      earlier.every((row) => row.endsAtMs <= current.endsAtMs),
      'a hold would leave before what is counted already',
    )
  }
  if (current.id !== null) return
  assert.ok(current.startsAtMs <= nowMs && nowMs < current.endsAtMs, 'a fresh window is not around now')
  assert.ok(!rows.some((row) => row.startsAtMs === current.startsAtMs), 'two rows have the same start')
  if (spec.kind === 'sliding') return
  const overlapped = rows.some((row) => row.startsAtMs < current.endsAtMs && current.startsAtMs < row.endsAtMs)
  assert.ok(!overlapped, 'two windows overlap')
}

function property(stateOf: StateOf, count: (admitted: number) => void) {
  return fc.property(fc.array(change, { minLength: 2, maxLength: 8 }), instant, (changes, startMs) =>
    count(runChanges(changes, startMs, stateOf)),
  )
}

describe('windows whose spec changes', () => {
  it(`count everything that is open, and neither overlap nor leave early (ZENDO_TEST_SEED=${seed})`, (t) => {
    let holds = 0
    const count = (admitted: number): void => {
      holds += admitted
    }
    fc.assert(property(windowStateOf, count), { seed, numRuns: RUNS })
    t.diagnostic(`${holds} holds`)
    assert.ok(holds > RUNS)
  })

  const refusals: Readonly<Record<string, StateOf>> = {
    'the earliest bucket alone counts once a window no longer slides': (...args) => {
      const state = windowStateOf(...args)
      if (state.spec.kind === 'sliding' || state.earlier.length === 0) return state
      const [first = state.current] = state.earlier
      return { ...state, current: first, earlier: [], settled: first.settled, held: first.held }
    },
    'a hold counts in the bucket that leaves first': (...args) => {
      const state = windowStateOf(...args)
      const [first, ...others] = state.earlier
      if (state.spec.kind === 'sliding' || first === undefined) return state
      return { ...state, current: first, earlier: [...others, state.current] }
    },
    'a new kind starts from nothing': (spec, _rows, ...rest) => windowStateOf(spec, [], ...rest),
    'the last window that ended is not looked at': (spec, rows, nowMs, ...rest) =>
      windowStateOf(
        spec,
        rows.filter((row) => row.endsAtMs > nowMs),
        nowMs,
        ...rest,
      ),
    'what is held is forgotten': (...args) => ({ ...windowStateOf(...args), held: ZERO_USD }),
  }
  for (const [mistake, stateOf] of Object.entries(refusals)) {
    it(`are refused when ${mistake}`, () => {
      const verdict = fc.check(
        property(stateOf, () => {}),
        { seed, numRuns: RUNS / 5, endOnFailure: true },
      )
      assert.ok(verdict.failed, `nothing was found (seed ${seed})`)
    })
  }
})

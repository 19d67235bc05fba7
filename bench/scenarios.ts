/** What is asked of every subject, and how the numbers of several rounds become one figure per cell. */
import type { AlternatingJob, AlternatingResult, BodyKind, ClosedLoopJob, ClosedLoopResult } from './job.ts'
import { PACE_MS, PACED_DELTAS } from './mock-replies.ts'
import { type Pair, SAME_PROTOCOL, TRANSLATED } from './pairs.ts'
import { medianOf } from './samples.ts'
import { directTarget, type Subject, type SubjectName } from './subjects.ts'

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly body: BodyKind
  /** Which table the result is shown in. */
  readonly shape: 'requests' | 'stream' | 'paced' | 'first-token'
  readonly concurrency: number
  /** Measured of one Zendo in these pairs of protocols; of all subjects in chat without it. */
  readonly pairs?: readonly Pair[]
}

export const PACED_STREAMS = 500
/** Some streams must begin and end within the window, however short a run is meant to be. */
const PACED_LEAST_MS = 1.2 * PACED_DELTAS * PACE_MS

/** The subject whose translations are measured. */
export const TRANSLATING: SubjectName = 'zendo-balance'
const ROWS: readonly Pair[] = [SAME_PROTOCOL, ...TRANSLATED]

export const SCENARIOS: readonly Scenario[] = [
  { name: 'small-c1', title: 'Small body, c=1', body: 'small', shape: 'requests', concurrency: 1 },
  { name: 'small-c16', title: 'Small body, c=16', body: 'small', shape: 'requests', concurrency: 16 },
  { name: 'small-c64', title: 'Small body, c=64', body: 'small', shape: 'requests', concurrency: 64 },
  { name: 'large-c4', title: '400 KB body with 40 tools, c=4', body: 'large', shape: 'requests', concurrency: 4 },
  {
    name: 'stream-c4',
    title: '1,000-delta stream at full speed, c=4',
    body: 'stream',
    shape: 'stream',
    concurrency: 4,
  },
  {
    name: 'paced-500',
    title: `${PACED_STREAMS} streams of 64 deltas at 20 ms`,
    body: 'paced',
    shape: 'paced',
    concurrency: PACED_STREAMS,
  },
  { name: 'first-token', title: 'Time to first token, c=1', body: 'first-token', shape: 'first-token', concurrency: 1 },
  {
    name: 'translated-stream',
    title: 'Translated: 1,000-delta stream at full speed, c=4',
    body: 'stream',
    shape: 'stream',
    concurrency: 4,
    pairs: ROWS,
  },
  {
    name: 'translated-first-token',
    title: 'Translated: time to first token, c=1',
    body: 'first-token',
    shape: 'first-token',
    concurrency: 1,
    pairs: ROWS,
  },
  {
    name: 'translated-large',
    title: 'Translated: 400 KB body with 40 tools, c=4',
    body: 'large',
    shape: 'requests',
    concurrency: 4,
    pairs: ROWS,
  },
]

/** Timed in a process of its own, without a gateway round it. */
export const TRANSLATION_ALONE = 'translation-alone'

/** Which pairs of a scenario a subject is measured in. What is translated is paid for, so that it stands in a ledger. */
export function pairsFor({ pairs }: Scenario, subject: SubjectName): readonly Pair[] {
  if (pairs === undefined) return [SAME_PROTOCOL]
  return subject === TRANSLATING ? pairs : []
}

export interface Phases {
  readonly warmUpMs: number
  readonly measureMs: number
}

/** The processes on the load's core. */
export interface Rig {
  readonly mockPort: number
  readonly pids: readonly number[]
}

/** Undefined where the scenario says nothing about the subject: straight to the mock adds nothing to itself. */
export function jobFor(
  scenario: Scenario,
  subject: Subject,
  pair: Pair,
  rig: Rig,
  phases: Phases,
): ClosedLoopJob | AlternatingJob | undefined {
  const target = subject.target(scenario.body, pair)
  if (scenario.shape === 'first-token') {
    if (subject.name === 'direct') return undefined
    const direct = directTarget(rig.mockPort, scenario.body, pair.upstream)
    return { kind: 'alternating', body: scenario.body, target, direct, ...phases }
  }
  const isPaced = scenario.shape === 'paced'
  const startSpreadMs = isPaced ? phases.warmUpMs * 0.8 : 0
  const measureMs = isPaced ? Math.max(phases.measureMs, PACED_LEAST_MS) : phases.measureMs
  const { body, concurrency } = scenario
  const pids = { watchPids: subject.pids, rigPids: rig.pids }
  return { kind: 'closed-loop', body, target, concurrency, startSpreadMs, ...pids, ...phases, measureMs }
}

/** Medians of the rounds; shares are 0 to 1, times milliseconds unless the name says otherwise. */
export interface LoopFigures {
  readonly cpuUsPerRequest: number
  readonly cpuUsPerEvent: number
  readonly requestsPerSecond: number
  readonly eventsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly gapP99Ms: number
  readonly heldShare: number
  readonly rssBytes: number
  readonly loadCoreBusy: number
  readonly foreignCpu: number
  readonly stolen: number
}

export function loopFigures(rounds: readonly ClosedLoopResult[]): LoopFigures {
  const median = (figure: (round: ClosedLoopResult) => number): number => medianOf(rounds.map(figure))
  return {
    cpuUsPerRequest: median((round) => round.cpuUs / round.requests),
    cpuUsPerEvent: median((round) => round.cpuUs / round.events),
    requestsPerSecond: median((round) => round.requests / round.seconds),
    eventsPerSecond: median((round) => round.events / round.seconds),
    p50Ms: median((round) => round.latencyMs.p50),
    p99Ms: median((round) => round.latencyMs.p99),
    gapP99Ms: median((round) => round.gapMs.p99),
    heldShare: median((round) => round.streamsHeld / round.streamsEnded),
    rssBytes: median((round) => round.rssBytes),
    loadCoreBusy: median((round) => round.loadCoreBusy),
    foreignCpu: median((round) => round.foreignCpu),
    stolen: median((round) => round.stolen),
  }
}

export interface FirstTokenFigures {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly directP50Ms: number
  readonly directP99Ms: number
  /** Subtracted within each round, then the median. */
  readonly addedP50Ms: number
  readonly addedP99Ms: number
}

export function firstTokenFigures(rounds: readonly AlternatingResult[]): FirstTokenFigures {
  const median = (figure: (round: AlternatingResult) => number): number => medianOf(rounds.map(figure))
  return {
    p50Ms: median((round) => round.firstTokenMs.p50),
    p99Ms: median((round) => round.firstTokenMs.p99),
    directP50Ms: median((round) => round.directFirstTokenMs.p50),
    directP99Ms: median((round) => round.directFirstTokenMs.p99),
    addedP50Ms: median((round) => round.firstTokenMs.p50 - round.directFirstTokenMs.p50),
    addedP99Ms: median((round) => round.firstTokenMs.p99 - round.directFirstTokenMs.p99),
  }
}

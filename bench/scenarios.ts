/** What is asked of every subject, and how the numbers of several rounds become one figure per cell. */
import type { AlternatingResult, BodyKind, ClosedLoopResult, Job } from './job.ts'
import { medianOf } from './samples.ts'
import { mockModel, type Subject } from './subjects.ts'

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly body: BodyKind
  /** Which table the result is shown in. */
  readonly shape: 'requests' | 'stream' | 'paced' | 'first-token'
  readonly concurrency: number
}

export const PACED_STREAMS = 500

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
]

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
export function jobFor(scenario: Scenario, subject: Subject, rig: Rig, phases: Phases): Job | undefined {
  const target = subject.target(scenario.body)
  if (scenario.shape === 'first-token') {
    if (subject.name === 'direct') return undefined
    const path = '/direct/v1/chat/completions'
    const direct = { port: rig.mockPort, path, key: undefined, model: mockModel(scenario.body) }
    return { kind: 'alternating', body: scenario.body, target, direct, ...phases }
  }
  const startSpreadMs = scenario.shape === 'paced' ? phases.warmUpMs * 0.8 : 0
  const { body, concurrency } = scenario
  const pids = { watchPids: subject.pids, rigPids: rig.pids }
  return { kind: 'closed-loop', body, target, concurrency, startSpreadMs, ...pids, ...phases }
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

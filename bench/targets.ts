/** The aims set for one core, each beside what this run reached. A miss is called a miss. */
import { firstTokenCell, loopCell, type RunRecord } from './cells.ts'
import type { LoopFigures, Scenario } from './scenarios.ts'
import type { SubjectName } from './subjects.ts'

export interface TargetLine {
  readonly aim: string
  readonly subject: string
  readonly reached: string
  readonly met: boolean
}

interface Aim {
  readonly aim: string
  readonly scenario: string
  readonly subjects: readonly SubjectName[]
  /** Undefined when the run did not measure what the aim needs. */
  readonly judge: (run: RunRecord, scenario: Scenario, subject: SubjectName) => Verdict | undefined
}

type Verdict = Pick<TargetLine, 'reached' | 'met'>

const WITH_MONEY: readonly SubjectName[] = ['zendo-balance', 'zendo-plan']
const ALL_MODES: readonly SubjectName[] = ['zendo-free', ...WITH_MONEY]

const AIMS: readonly Aim[] = [
  {
    ...{ aim: 'with money ≥ 7,000 req/s at c=16', scenario: 'small-c16', subjects: WITH_MONEY },
    judge: onLoop((cell) => atLeast(cell.requestsPerSecond, 7_000, `${Math.round(cell.requestsPerSecond)} req/s`)),
  },
  {
    ...{ aim: 'with money ≤ 150 µs CPU per request at c=16', scenario: 'small-c16', subjects: WITH_MONEY },
    judge: onLoop((cell) => atMost(cell.cpuUsPerRequest, 150, `${cell.cpuUsPerRequest.toFixed(0)} µs`)),
  },
  {
    ...{ aim: 'without money ≥ 70 % of the bare Node floor at c=16', scenario: 'small-c16', subjects: ['zendo-free'] },
    judge: againstPeer('floor', (cell, floor) => {
      const share = cell.requestsPerSecond / floor.requestsPerSecond
      return atLeast(share, 0.7, `${(share * 100).toFixed(0)} %`)
    }),
  },
  {
    ...{ aim: '≤ 25 µs CPU per relayed event, full speed', scenario: 'stream-c4', subjects: ALL_MODES },
    judge: onLoop((cell) => atMost(cell.cpuUsPerEvent, 25, `${cell.cpuUsPerEvent.toFixed(1)} µs`)),
  },
  {
    ...{ aim: '≤ 25 µs CPU per relayed event, paced', scenario: 'paced-500', subjects: ALL_MODES },
    judge: onLoop((cell) => atMost(cell.cpuUsPerEvent, 25, `${cell.cpuUsPerEvent.toFixed(1)} µs`)),
  },
  {
    ...{ aim: "400 KB body ≤ 1.5 × nginx's CPU", scenario: 'large-c4', subjects: ALL_MODES },
    judge: againstPeer('nginx', (cell, nginx) => {
      const factor = cell.cpuUsPerRequest / nginx.cpuUsPerRequest
      return atMost(factor, 1.5, `${factor.toFixed(2)} ×`)
    }),
  },
  {
    ...{ aim: 'added time to first token p50 ≤ 0.5 ms', scenario: 'first-token', subjects: ALL_MODES },
    judge: (run, scenario, subject) => {
      const cell = firstTokenCell(run, scenario, subject)
      return cell === undefined ? undefined : atMost(cell.addedP50Ms, 0.5, `${cell.addedP50Ms.toFixed(2)} ms`)
    },
  },
]

export function targetLines(run: RunRecord): TargetLine[] {
  return AIMS.flatMap(({ aim, scenario: name, subjects, judge }) => {
    const scenario = run.scenarios.find((each) => each.name === name)
    if (scenario === undefined) return []
    return subjects.flatMap((subject) => {
      const verdict = judge(run, scenario, subject)
      return verdict === undefined ? [] : [{ aim, subject, ...verdict }]
    })
  })
}

function onLoop(judge: (cell: LoopFigures) => Verdict): Aim['judge'] {
  return (run, scenario, subject) => {
    const cell = loopCell(run, scenario, subject)
    return cell === undefined ? undefined : judge(cell)
  }
}

function againstPeer(peer: SubjectName, judge: (cell: LoopFigures, peer: LoopFigures) => Verdict): Aim['judge'] {
  return (run, scenario, subject) => {
    const cell = loopCell(run, scenario, subject)
    const other = loopCell(run, scenario, peer)
    return cell === undefined || other === undefined ? undefined : judge(cell, other)
  }
}

function atLeast(value: number, bound: number, reached: string): Verdict {
  return { reached, met: value >= bound }
}

function atMost(value: number, bound: number, reached: string): Verdict {
  return { reached, met: value <= bound }
}

/** The aims set for one core, each beside what this run reached. A miss is called a miss. */
import { firstTokenCell, loopCell, type RunRecord } from './cells.ts'
import { pairName } from './pairs.ts'
import type { LoopFigures, Scenario } from './scenarios.ts'
import type { SubjectName } from './subjects.ts'
import { directionFigures, moreCpuMs, translatedFirstTokens, translatedLoops } from './translated-cells.ts'

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
  const translated = TRANSLATION_AIMS.flatMap(({ scenario: name, lines, ...aim }) => {
    const scenario = run.scenarios.find((each) => each.name === name)
    return scenario === undefined ? [] : lines(run, scenario).map((line) => ({ ...aim, ...line }))
  })
  return [...subjectLines(run), ...translated, ...aloneLines(run)]
}

function subjectLines(run: RunRecord): TargetLine[] {
  return AIMS.flatMap(({ aim, scenario: name, subjects, judge }) => {
    const scenario = run.scenarios.find((each) => each.name === name)
    if (scenario === undefined) return []
    return subjects.flatMap((subject) => {
      const verdict = judge(run, scenario, subject)
      return verdict === undefined ? [] : [{ aim, subject, ...verdict }]
    })
  })
}

interface TranslationAim {
  readonly aim: string
  readonly scenario: string
  readonly lines: (run: RunRecord, scenario: Scenario) => Omit<TargetLine, 'aim'>[]
}

/** A line per translated pair; the relayed one is judged by the aims above. */
const TRANSLATION_AIMS: readonly TranslationAim[] = [
  {
    ...{ aim: '≤ 50 µs CPU per translated event, full speed', scenario: 'translated-stream' },
    lines: (run, scenario) =>
      translatedLoops(run, scenario).flatMap(({ pair, cell, same }) => {
        if (same === undefined) return []
        return [{ subject: pairName(pair), ...atMost(cell.cpuUsPerEvent, 50, `${cell.cpuUsPerEvent.toFixed(1)} µs`) }]
      }),
  },
  {
    ...{ aim: 'first token ≤ 0.5 ms later than relayed, p50', scenario: 'translated-first-token' },
    lines: (run, scenario) =>
      translatedFirstTokens(run, scenario).flatMap(({ pair, laterMs }) => {
        if (laterMs === undefined) return []
        return [{ subject: pairName(pair), ...atMost(laterMs, 0.5, `${laterMs.toFixed(2)} ms`) }]
      }),
  },
  {
    ...{ aim: '400 KB body ≤ 15 ms CPU more than relayed', scenario: 'translated-large' },
    lines: (run, scenario) =>
      translatedLoops(run, scenario).flatMap(({ pair, cell, same }) => {
        if (same === undefined) return []
        const more = moreCpuMs(cell, same)
        return [{ subject: pairName(pair), ...atMost(more, 15, `${more.toFixed(1)} ms`) }]
      }),
  },
]

/** The slowest direction stands for all. */
function aloneLines(run: RunRecord): TargetLine[] {
  const figures = directionFigures(run)
  const slowest = Math.max(...figures.map(({ p50 }) => p50.total))
  return figures
    .filter(({ p50 }) => p50.total === slowest)
    .slice(0, 1)
    .map(({ name }) => ({
      aim: 'one 400 KB body translated alone in ≤ 15 ms, p50',
      subject: `slowest of ${figures.length}: ${name}`,
      ...atMost(slowest, 15, `${slowest.toFixed(1)} ms`),
    }))
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

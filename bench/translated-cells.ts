/** What a pair of protocols costs more than one protocol on both sides, in the same run. */
import { cellKey, firstTokenCell, loopCell, type RunRecord } from './cells.ts'
import type { AlternatingResult } from './job.ts'
import { type Pair, SAME_PROTOCOL } from './pairs.ts'
import { medianOf } from './samples.ts'
import { type FirstTokenFigures, type LoopFigures, type Scenario, TRANSLATING } from './scenarios.ts'
import { type DirectionTimes, directionName, type Step } from './translation-time.ts'

export interface TranslatedLoop {
  readonly pair: Pair
  readonly cell: LoopFigures
  /** The relayed row; undefined for itself. */
  readonly same: LoopFigures | undefined
}

export function translatedLoops(run: RunRecord, scenario: Scenario): TranslatedLoop[] {
  const relayed = loopCell(run, scenario, TRANSLATING, SAME_PROTOCOL)
  return (scenario.pairs ?? []).flatMap((pair) => {
    const cell = loopCell(run, scenario, TRANSLATING, pair)
    return cell === undefined ? [] : [{ pair, cell, same: pair === SAME_PROTOCOL ? undefined : relayed }]
  })
}

/** What one request takes more than a relayed one, in milliseconds of CPU. */
export function moreCpuMs(cell: LoopFigures, same: LoopFigures): number {
  return (cell.cpuUsPerRequest - same.cpuUsPerRequest) / 1000
}

export interface TranslatedFirstToken {
  readonly pair: Pair
  readonly cell: FirstTokenFigures
  /** How much later than a relayed one the first token comes, p50; undefined for the relayed row itself. */
  readonly laterMs: number | undefined
}

export function translatedFirstTokens(run: RunRecord, scenario: Scenario): TranslatedFirstToken[] {
  return (scenario.pairs ?? []).flatMap((pair) => {
    const cell = firstTokenCell(run, scenario, TRANSLATING, pair)
    return cell === undefined ? [] : [{ pair, cell, laterMs: laterThanRelayed(run, scenario, pair) }]
  })
}

/** Subtracted within each round, then the median. */
function laterThanRelayed(run: RunRecord, scenario: Scenario, pair: Pair): number | undefined {
  if (pair === SAME_PROTOCOL) return undefined
  const roundsOf = (each: Pair): readonly AlternatingResult[] =>
    run.firstTokens.get(cellKey(scenario, TRANSLATING, each)) ?? []
  const relayed = roundsOf(SAME_PROTOCOL).map(addedMs)
  const translated = roundsOf(pair).map(addedMs)
  if (relayed.length !== translated.length) return undefined
  return medianOf(translated.map((added, round) => added - (relayed[round] ?? Number.NaN)))
}

function addedMs({ firstTokenMs, directFirstTokenMs }: AlternatingResult): number {
  return firstTokenMs.p50 - directFirstTokenMs.p50
}

/** A direction over all rounds, in milliseconds. */
export interface DirectionFigures {
  readonly name: string
  readonly bodyBytes: number
  readonly p50: Readonly<Record<Step, number>>
  readonly p99: number
}

export function directionFigures({ translations }: RunRecord): DirectionFigures[] {
  const [first] = translations
  return (first ?? []).map((row, index) => {
    const rounds = translations.flatMap((rows): readonly DirectionTimes[] => rows.slice(index, index + 1))
    const median = (step: Step): number => medianOf(rounds.map(({ ms }) => ms[step].p50))
    return {
      name: directionName(row),
      bodyBytes: row.bodyBytes,
      p50: {
        parse: median('parse'),
        decode: median('decode'),
        encode: median('encode'),
        stringify: median('stringify'),
        total: median('total'),
      },
      p99: medianOf(rounds.map(({ ms }) => ms.total.p99)),
    }
  })
}

/** The measured cells of one run: which subject did what in which scenario, round by round. */
import type { AccountingResult } from './accounting.ts'
import type { AlternatingResult, ClosedLoopResult } from './job.ts'
import type { LedgerTime } from './ledger-alone.ts'
import type { MoneyRun } from './money.ts'
import { type Pair, pairName, SAME_PROTOCOL } from './pairs.ts'
import { type FirstTokenFigures, firstTokenFigures, type LoopFigures, loopFigures, type Scenario } from './scenarios.ts'
import type { SubjectName } from './subjects.ts'
import type { DirectionTimes } from './translation-time.ts'

export interface RunRecord {
  readonly scenarios: readonly Scenario[]
  readonly subjects: readonly SubjectName[]
  /** Subjects that were left out, with the reason. */
  readonly skipped: ReadonlyMap<SubjectName, string>
  readonly startMs: ReadonlyMap<SubjectName, number>
  readonly loops: Map<string, ClosedLoopResult[]>
  readonly firstTokens: Map<string, AlternatingResult[]>
  /** Translations without a gateway, once per round; empty when they were not asked for. */
  readonly translations: readonly (readonly DirectionTimes[])[]
  /** Both engines, with one process and with two; null when they were not asked for. */
  readonly money: MoneyRun | null
  /** The ledger without a gateway; empty when it was not asked for. */
  readonly ledgerTimes: readonly LedgerTime[]
  readonly accounting: readonly AccountingResult[]
  /** Whatever makes the run worthless: failed requests, replies that differ, ledgers that do not agree. */
  readonly problems: readonly string[]
}

/** `pair` where the scenario has a row for each. */
export function cellKey(scenario: Scenario, subject: SubjectName, pair: Pair): string {
  const place = `${scenario.name}/${subject}`
  return scenario.pairs === undefined ? place : `${place}/${pairName(pair)}`
}

export function loopCell(
  run: RunRecord,
  scenario: Scenario,
  subject: SubjectName,
  pair: Pair = SAME_PROTOCOL,
): LoopFigures | undefined {
  const rounds = run.loops.get(cellKey(scenario, subject, pair))
  return rounds === undefined ? undefined : loopFigures(rounds)
}

export function firstTokenCell(
  run: RunRecord,
  scenario: Scenario,
  subject: SubjectName,
  pair: Pair = SAME_PROTOCOL,
): FirstTokenFigures | undefined {
  const rounds = run.firstTokens.get(cellKey(scenario, subject, pair))
  return rounds === undefined ? undefined : firstTokenFigures(rounds)
}

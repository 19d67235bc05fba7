/** The measured cells of one run: which subject did what in which scenario, round by round. */
import type { AccountingResult } from './accounting.ts'
import type { AlternatingResult, ClosedLoopResult } from './job.ts'
import { type FirstTokenFigures, firstTokenFigures, type LoopFigures, loopFigures, type Scenario } from './scenarios.ts'
import type { SubjectName } from './subjects.ts'

export interface RunRecord {
  readonly scenarios: readonly Scenario[]
  readonly subjects: readonly SubjectName[]
  /** Subjects that were left out, with the reason. */
  readonly skipped: ReadonlyMap<SubjectName, string>
  readonly startMs: ReadonlyMap<SubjectName, number>
  readonly loops: Map<string, ClosedLoopResult[]>
  readonly firstTokens: Map<string, AlternatingResult[]>
  readonly accounting: readonly AccountingResult[]
  /** Whatever makes the run worthless: failed requests, replies that differ, ledgers that do not agree. */
  readonly problems: readonly string[]
}

export function cellKey(scenario: Scenario, subject: SubjectName): string {
  return `${scenario.name}/${subject}`
}

export function loopCell(run: RunRecord, scenario: Scenario, subject: SubjectName): LoopFigures | undefined {
  const rounds = run.loops.get(cellKey(scenario, subject))
  return rounds === undefined ? undefined : loopFigures(rounds)
}

export function firstTokenCell(
  run: RunRecord,
  scenario: Scenario,
  subject: SubjectName,
): FirstTokenFigures | undefined {
  const rounds = run.firstTokens.get(cellKey(scenario, subject))
  return rounds === undefined ? undefined : firstTokenFigures(rounds)
}

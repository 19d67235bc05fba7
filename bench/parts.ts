/** Chooses what of the benchmark is run, by the names of subjects and scenarios. */
import { LEDGER_ALONE } from './ledger-alone.ts'
import { MONEY } from './money.ts'
import { pairsFor, SCENARIOS, type Scenario, TRANSLATING, TRANSLATION_ALONE } from './scenarios.ts'
import { SUBJECT_NAMES, type SubjectName } from './subjects.ts'

export interface Parts {
  readonly scenarios: readonly Scenario[]
  readonly names: readonly SubjectName[]
  /** Whether translations are timed without a gateway. */
  readonly isTimedAlone: boolean
  /** Whether both engines are measured, with one process and with two. */
  readonly measuresMoney: boolean
  /** Whether the ledger is timed without a gateway. */
  readonly timesLedger: boolean
}

/** What has no row per subject. */
export const ALONE: readonly string[] = [TRANSLATION_ALONE, MONEY, LEDGER_ALONE]

/** What was named, or all of a kind of which nothing was named; no subject is started that nothing is asked of. */
export function chooseParts(only: readonly string[]): Parts {
  const isNamed = (name: string): boolean => only.includes(name)
  const names = SUBJECT_NAMES.some(isNamed) ? SUBJECT_NAMES.filter(isNamed) : SUBJECT_NAMES
  const namesScenario = ALONE.some(isNamed) || SCENARIOS.some(({ name }) => isNamed(name))
  const wanted = namesScenario ? SCENARIOS.filter(({ name }) => isNamed(name)) : SCENARIOS
  const isAsked = (scenario: Scenario, name: SubjectName): boolean => pairsFor(scenario, name).length > 0
  const scenarios = wanted.filter((scenario) => names.some((name) => isAsked(scenario, name)))
  const asked = names.filter((name) => scenarios.some((scenario) => isAsked(scenario, name)))
  const isTimedAlone = isNamed(TRANSLATION_ALONE) || (!namesScenario && names.includes(TRANSLATING))
  const isAll = !namesScenario && names.length === SUBJECT_NAMES.length
  const measuresMoney = isNamed(MONEY) || isAll
  const timesLedger = isNamed(LEDGER_ALONE) || isAll
  return { scenarios, names: withDirect(asked), isTimedAlone, measuresMoney, timesLedger }
}

/** Every cell is judged by what the load reaches without a gateway. */
function withDirect(names: readonly SubjectName[]): readonly SubjectName[] {
  return names.includes('direct') ? names : ['direct', ...names]
}

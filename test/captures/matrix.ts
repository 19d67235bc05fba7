/** The table of all comparisons, what was disclosed in them and why, and what failed: for people. */
import { FAMILIES } from './case.ts'
import { alignColumns, CHECKS } from './report.ts'
import type { CallResult } from './suite.ts'
import type { Outcome, Verdict } from './verdict.ts'

const VERDICTS: readonly Verdict[] = ['passed', 'disclosed', 'failed']

/** A row for each family, a column for each protocol that it was shown in or sent to: passed / disclosed / failed. */
export function formatMatrix(outcomes: readonly Outcome[]): string {
  const families = [...new Set(outcomes.map(({ family }) => family))].sort(byKind)
  const targets = [...FAMILIES, 'codec'].filter((target) => outcomes.some((one) => one.target === target))
  const rows = families.map((family) => {
    const own = outcomes.filter((one) => one.family === family)
    return [family, ...targets.map((target) => cellOf(own.filter((one) => one.target === target)))]
  })
  const all = ['all', ...targets.map((target) => cellOf(outcomes.filter((one) => one.target === target)))]
  return alignColumns([['passed/disclosed/failed', ...targets], ...rows, all])
}

/** Answers first, in the order of the families, then what else there is. */
function byKind(a: string, b: string): number {
  const rank = (family: string) => (FAMILIES.findIndex((known) => family.startsWith(known)) + 100) % 100
  return rank(a) - rank(b) || a.localeCompare(b)
}

function cellOf(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return '-'
  return VERDICTS.map((verdict) => outcomes.filter((one) => one.verdict === verdict).length).join('/')
}

/** Every reason with the number of comparisons that it was given in, the most frequent first. */
export function formatReasons(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>()
  for (const { losses, verdict } of outcomes)
    if (verdict === 'disclosed') for (const reason of new Set(losses)) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const sorted = [...counts].sort(([a, n], [b, m]) => m - n || a.localeCompare(b))
  return sorted.map(([reason, count]) => `${String(count).padStart(5)}  ${reason}`).join('\n')
}

export function failuresIn(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ label, problems }) => problems.map((problem) => `${label}: ${problem}`)).sort()
}

/** The calls of cases in their own protocol. */
export function outcomesOf(calls: readonly CallResult[]): Outcome[] {
  return calls.map((one) => {
    const { family } = one.call.replayed
    const problems = CHECKS.flatMap((check) => one[check].map((problem) => `${check}: ${problem}`))
    const verdict = problems.length > 0 ? 'failed' : 'passed'
    return { family, target: family, label: one.call.label, verdict, losses: [], problems }
  })
}

/** The table at the end of a run: what was tested, how much of it, and what was wrong. */
import type { ChaosTest, Outcome } from './suite.ts'
import type { Engine } from './world.ts'

export interface Result {
  readonly engine: Engine
  readonly test: Pick<ChaosTest, 'id' | 'title'>
  readonly seconds: number
  readonly outcome: Outcome
}

export function formatReport(results: readonly Result[], run: { seed: number; seconds: number }): string {
  const rows = results.toSorted((a, b) => a.test.id.localeCompare(b.test.id) || b.engine.localeCompare(a.engine))
  const lines = rows.map(({ engine, test, seconds, outcome }) => [
    test.id,
    engine,
    verdictOf(outcome),
    `${seconds.toFixed(0)} s`,
    test.title,
    Object.entries(outcome.figures)
      .map(([name, figure]) => `${name} ${figure}`)
      .join(', '),
  ])
  const skipped = results.filter(({ outcome }) => outcome.skipped !== undefined).length
  const violations = results.reduce((sum, { outcome }) => sum + outcome.violations.length, 0)
  const summary = `${results.length} tests, ${skipped} skipped, ${violations} violations in ${run.seconds} s; seed ${run.seed}`
  return `\n${columns(lines)}\n\n${summary}`
}

function verdictOf({ violations, skipped }: Outcome): string {
  if (violations.length > 0) return `${violations.length} WRONG`
  return skipped === undefined ? 'ok' : `skipped: ${skipped}`
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => (row[index] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

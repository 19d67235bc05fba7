/** The table at the end of a run. */
import type { Outcome } from './outcome.ts'

export interface Result {
  readonly id: string
  readonly seconds: number
  readonly outcome: Outcome
  /** How much the control found, which must be something. */
  readonly controlFound: number
}

export function isGood({ outcome, controlFound }: Result): boolean {
  return outcome.violations.length === 0 && controlFound > 0
}

export function formatReport(results: readonly Result[], seed: number): string {
  const rows = [
    ['class', 'verdict', 'control', 'seconds', 'figures'],
    ...results.map((result) => [
      result.id,
      verdictOf(result),
      result.controlFound > 0 ? `found ${result.controlFound}` : 'FOUND NOTHING',
      result.seconds.toFixed(1),
      Object.entries(result.outcome.figures)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ]),
  ]
  const violations = results.reduce((sum, { outcome }) => sum + outcome.violations.length, 0)
  const skips = results.flatMap(({ id, outcome }) =>
    (outcome.skipped ?? []).map((reason) => `skipped ${id}: ${reason}`),
  )
  const summary = `${results.length} classes, ${skips.length} skipped parts, ${violations} violations; seed ${seed}`
  return `\n${columns(rows)}\n\n${[...skips, summary].join('\n')}`
}

function verdictOf({ outcome }: Result): string {
  return outcome.violations.length === 0 ? 'ok' : `${outcome.violations.length} WRONG`
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

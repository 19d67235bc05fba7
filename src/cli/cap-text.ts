/** Caps as text for people. */
import type { ListedCap } from '../control/cap.ts'
import type { CapReport } from '../control/usage-window.ts'
import { formatReset, formatTable } from './table.ts'

const COLUMNS = [
  { title: 'CAP' },
  { title: 'OF' },
  { title: 'USED', align: 'right' },
  { title: 'LIMIT', align: 'right' },
  { title: 'LEFT', align: 'right' },
  { title: '', align: 'right' },
  { title: 'RESETS' },
] as const

const NONE = 'There are no caps. Set one with `zendo cap set`.'

/** What may be taken of the balance, for whom and until when. */
export function formatCaps(caps: readonly CapReport[], nowMs: number): string {
  return formatTable(
    COLUMNS,
    caps.map((cap) => cellsOf(cap, nowMs)),
    NONE,
  )
}

/** With what each of those they are for can spend at all. */
export function formatListedCaps(caps: readonly ListedCap[], nowMs: number): string {
  const rows = caps.map((cap) => [...cellsOf(cap, nowMs), canSpend(cap)])
  return formatTable([...COLUMNS, { title: 'CAN SPEND' }], rows, NONE)
}

function cellsOf(cap: CapReport, nowMs: number): string[] {
  return [
    ...[cap.name, cap.subject, `$${cap.used}`, `$${cap.limit}`, `$${cap.remaining}`, `${cap.percent} %`],
    formatReset(cap.resets_at, nowMs),
  ]
}

/** A wider cap or the balance may end sooner than the cap that is looked at. */
function canSpend({ name, effective }: ListedCap): string {
  if (effective === null) return '$0.00'
  const by = effective.binding === name ? '' : ` (${effective.binding})`
  return `$${effective.remaining}${by}`
}

/** Text for people: aligned columns, amounts, and times. */
import { formatInstant, HOUR_MS, MINUTE_MS } from '../base/time.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Columns two spaces apart under their titles; `none` instead of a table without rows. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return none
  const lines = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => (cells[index] ?? '').length)))
  const format = (cells: readonly string[]): string =>
    columns.map(({ align }, index) => pad(cells[index] ?? '', widths[index] ?? 0, align)).join('  ')
  return lines.map((cells) => format(cells).trimEnd()).join('\n')
}

function pad(cell: string, width: number, align: Column['align']): string {
  return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
}

/** `2026-11-20 08:00 UTC` */
export function formatMinute(atMs: number): string {
  return `${formatInstant(atMs).slice(0, 16).replace('T', ' ')} UTC`
}

/** `in 4 h 59 min`, `in 6 d 2 h`; to the minute, rounded up. */
export function formatWait(atMs: number, nowMs: number): string {
  const minutes = Math.max(0, Math.ceil((atMs - nowMs) / MINUTE_MS))
  const perHour = HOUR_MS / MINUTE_MS
  const perDay = 24 * perHour
  if (minutes < perHour) return `in ${minutes} min`
  if (minutes < perDay) return `in ${Math.floor(minutes / perHour)} h ${minutes % perHour} min`
  return `in ${Math.floor(minutes / perDay)} d ${Math.floor((minutes % perDay) / perHour)} h`
}

/** `1,234,567` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 key`, `2 keys` */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** When a limit is free again: `2026-11-20 17:00 UTC (in 4 h 0 min)`. */
export function formatReset(resetsAt: string | null, nowMs: number): string {
  if (resetsAt === null) return ''
  const atMs = Date.parse(resetsAt)
  return `${formatMinute(atMs)} (${formatWait(atMs, nowMs)})`
}

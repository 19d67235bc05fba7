/** The usage reports as text for people. */
import type { SeatReport, UsageReport, WindowReport } from '../control/usage.ts'
import type { UsageTotal, UsageTotals } from '../control/usage-total.ts'
import { formatCaps } from './cap-text.ts'
import { formatCount, formatMinute, formatReset, formatTable } from './table.ts'

export function formatUsage(report: UsageReport, workspace: string, nowMs: number): string {
  const { balance } = report
  const held = balance.held_nano === '0' ? '' : `, $${balance.held} held by requests under way`
  const lines = [`Balance of ${workspace}: $${balance.available} available${held}`]
  if (report.caps.length > 0) lines.push('', formatCaps(report.caps, nowMs))
  if (report.seats.length === 0) lines.push('', 'No seat on a plan.')
  for (const seat of report.seats) lines.push('', ...formatSeat(seat, nowMs))
  return lines.join('\n')
}

function formatSeat(seat: SeatReport, nowMs: number): string[] {
  const whenFull = seat.use_balance ? 'when full: use the balance' : 'when full: refuse'
  const columns = [
    { title: 'WINDOW' },
    { title: 'USED', align: 'right' },
    { title: 'LIMIT', align: 'right' },
    { title: 'LEFT', align: 'right' },
    { title: '', align: 'right' },
    { title: 'RESETS' },
  ] as const
  const rows = seat.windows.map((window) => [
    window.name,
    `$${window.used}`,
    `$${window.limit}`,
    `$${window.remaining}`,
    `${window.percent} %`,
    formatOpening(window, nowMs) + (window.name === seat.binding ? '  <- tightest' : ''),
  ])
  return [
    `Seat ${seat.id} on ${seat.plan} (${whenFull})`,
    formatTable(columns, rows, 'This plan is not in the catalogue: the seat pays for nothing.'),
  ]
}

function formatOpening(window: WindowReport, nowMs: number): string {
  const isUnopened = window.resets_at === null && window.kind === 'session'
  return isUnopened ? 'opens with the next request' : formatReset(window.resets_at, nowMs)
}

export function formatTotals(totals: UsageTotals): string {
  const right = 'right' as const
  const titles = ['REQUESTS', 'INPUT', 'CACHED', 'CACHE WRITES', 'OUTPUT', 'FROM BALANCE', 'ON PLAN', 'COUNTED']
  const sides = totals.by.map((side) => ({ title: side.toUpperCase() }))
  const columns = [...sides, ...titles.map((title) => ({ title, align: right }))]
  const rows = totals.rows.map((row) => [...totals.by.map((side) => row[side] ?? '(none)'), ...totalCells(row)])
  const blanks = totals.by.slice(1).map(() => '')
  if (rows.length > 1) rows.push(['total', ...blanks, ...totalCells(totals.total)])
  const since = totals.since === null ? '' : ` since ${formatMinute(Date.parse(totals.since))}`
  return formatTable(columns, rows, `No requests have ended${since}.`)
}

function totalCells(total: UsageTotal): string[] {
  const { tokens } = total
  return [
    formatCount(total.requests),
    formatCount(tokens.input),
    formatCount(tokens.cached_read),
    formatCount(tokens.cache_write_5m + tokens.cache_write_1h),
    formatCount(tokens.output),
    `$${total.balance}`,
    `$${total.plan}`,
    `$${total.counted}`,
  ]
}

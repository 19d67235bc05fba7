/** The usage reports as text for people. */
import type { SeatReport, UsageReport, WindowReport } from '../control/usage.ts'
import type { Explanation } from '../control/usage-explain.ts'
import type { UsageTotal, UsageTotals } from '../control/usage-total.ts'
import { formatCount, formatMinute, formatTable, formatWait } from './table.ts'

export function formatUsage(report: UsageReport, workspace: string, nowMs: number): string {
  const { balance } = report
  const held = balance.held_nano === '0' ? '' : `, $${balance.held} held by requests under way`
  const lines = [`Balance of ${workspace}: $${balance.available} available${held}`]
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
    formatReset(window, nowMs) + (window.name === seat.binding ? '  <- tightest' : ''),
  ])
  return [
    `Seat ${seat.id} on ${seat.plan} (${whenFull})`,
    formatTable(columns, rows, 'This plan is not in the catalogue: the seat pays for nothing.'),
  ]
}

function formatReset(window: WindowReport, nowMs: number): string {
  if (window.resets_at === null) return 'opens with the next request'
  const atMs = Date.parse(window.resets_at)
  return `${formatMinute(atMs)} (${formatWait(atMs, nowMs)})`
}

export function formatTotals(totals: UsageTotals): string {
  const right = 'right' as const
  const titles = ['REQUESTS', 'INPUT', 'CACHED', 'CACHE WRITES', 'OUTPUT', 'FROM BALANCE', 'ON PLAN', 'COUNTED']
  const columns = [{ title: totals.by.toUpperCase() }, ...titles.map((title) => ({ title, align: right }))]
  const rows = totals.rows.map((row) => [row.group ?? '(none)', ...totalCells(row)])
  if (rows.length > 1) rows.push(['total', ...totalCells(totals.total)])
  const since = formatMinute(Date.parse(totals.since))
  return formatTable(columns, rows, `No requests have ended since ${since}.`)
}

function totalCells(total: UsageTotal): string[] {
  const { tokens } = total
  return [
    formatCount(total.requests),
    formatCount(tokens.input),
    formatCount(tokens.cached_read),
    formatCount(tokens.cache_write),
    formatCount(tokens.output),
    `$${total.balance}`,
    `$${total.plan}`,
    `$${total.counted}`,
  ]
}

export function formatExplanation(explanation: Explanation): string {
  const { id, model, protocol, product, created_at, ended_at, provider, attempts } = explanation
  const tried = attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`
  return [
    `Request ${id}`,
    `${model} on ${product}, ${protocol}, ${created_at} to ${ended_at ?? 'now'}, ${provider ?? 'no provider'}, ${tried}`,
    '',
    ...formatProducts(explanation),
    '',
    ...formatCharge(explanation),
  ].join('\n')
}

function formatProducts(explanation: Explanation): string[] {
  const { price_version, tier_above, buckets, sum, cost, rounding } = explanation
  if (sum === null)
    return [price_version === null ? 'Free model: no price.' : `Price ${price_version} is not on record.`]
  const tier = tier_above === null ? 'base rates' : `rates above ${formatCount(tier_above)} prompt tokens`
  const columns = [
    { title: 'TOKENS OF' },
    { title: 'COUNT', align: 'right' },
    { title: '$ PER 1M', align: 'right' },
    { title: 'PRODUCT', align: 'right' },
  ] as const
  const rows = buckets
    .filter(({ tokens }) => tokens > 0)
    .map(({ bucket, tokens, rate, product }) => [bucket, formatCount(tokens), rate ?? '', `$${product}`])
  const lines = [`Price ${price_version}, ${tier}`, formatTable(columns, rows, 'No tokens.'), `Sum $${sum}`]
  if (explanation.state === 'settled') lines.push(`Cost $${cost} (rounded: ${rounding})`)
  return lines
}

function formatCharge(explanation: Explanation): string[] {
  const { state, outcome, rule, policy_version, estimated, hold, charged, funding, written_off } = explanation
  if (state === 'held') return [`Under way; $${hold} held, paid by: ${funding}`]
  const lines = [
    `Outcome ${outcome}${estimated ? ' (usage estimated)' : ''}; charge policy ${policy_version} says: ${rule}`,
    `Charged $${charged} of $${hold} held, paid by: ${funding}`,
  ]
  if (written_off !== null && Number(written_off) > 0)
    lines.push(`Written off $${written_off}: it cost more than was held`)
  for (const window of explanation.windows) {
    lines.push(`Counted $${window.counted} in ${window.name} (weight ${explanation.weight}, ends ${window.ends_at})`)
  }
  return lines
}

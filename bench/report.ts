/** Writes a run as markdown: what was run on what, the aims, one table per scenario, the accounting. */
import { firstTokenCell, loopCell, type RunRecord } from './cells.ts'
import { megabytes, percent, ratio, table, tableOf } from './markdown.ts'
import { renderMoney } from './report-money.ts'
import { renderAlone, renderTranslated } from './report-translation.ts'
import type { LoopFigures, Scenario } from './scenarios.ts'
import { PACED_STREAMS } from './scenarios.ts'
import type { SubjectName } from './subjects.ts'
import { targetLines } from './targets.ts'

export interface RunFacts {
  readonly command: string
  /** ISO date. */
  readonly date: string
  readonly machine: string
  readonly versions: string
  readonly phases: string
}

const BEGIN = '<!-- bench:begin, written by npm run bench -->'
const END = '<!-- bench:end -->'
const LOAD_CORE_LIMIT = 0.85
const NOISE_LIMIT = 0.05
const DIRECT_FACTOR = 3

/** Replaces what the last run wrote. @throws Error when the document has no place for it. */
export function replaceGenerated(document: string, generated: string): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`the document has no lines "${BEGIN}" and "${END}"`)
  return `${document.slice(0, begin + BEGIN.length)}\n\n${generated}\n\n${document.slice(end)}`
}

export function renderReport(run: RunRecord, facts: RunFacts): string {
  return [
    renderFacts(run, facts),
    ...renderTargets(run),
    ...run.scenarios.map((scenario) => `### ${scenario.title}\n\n${renderScenario(run, scenario)}`),
    ...renderAlone(run),
    ...renderMoney(run),
    ...renderAccounting(run),
    ...(run.problems.length === 0 ? [] : [`### Problems\n\n${run.problems.map((text) => `- ${text}`).join('\n')}`]),
  ].join('\n\n')
}

function renderFacts(run: RunRecord, facts: RunFacts): string {
  const skipped = [...run.skipped].map(([name, reason]) => `- not measured: ${name}: ${reason}`)
  const starts = [...run.startMs].map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(', ')
  return [
    `- command: \`${facts.command}\``,
    `- date: ${facts.date}`,
    `- machine: ${facts.machine}`,
    `- versions: ${facts.versions}`,
    `- rounds: ${facts.phases}`,
    `- start to ready: ${starts}`,
    ...skipped,
  ].join('\n')
}

function renderTargets(run: RunRecord): string[] {
  const rows = targetLines(run).map(({ aim, subject, reached, met }) => [aim, subject, reached, met ? 'met' : 'missed'])
  if (rows.length === 0) return []
  return [`### Aims\n\n${table(['aim, one core', 'subject', 'reached', ''], rows)}`]
}

function renderScenario(run: RunRecord, scenario: Scenario): string {
  if (scenario.pairs !== undefined) return renderTranslated(run, scenario, (cell) => doubts(cell).join('; '))
  switch (scenario.shape) {
    case 'requests':
      return renderLoops(run, scenario, requestColumns)
    case 'stream':
      return renderLoops(run, scenario, streamColumns)
    case 'paced':
      return renderLoops(run, scenario, pacedColumns)
    case 'first-token':
      return renderFirstTokens(run, scenario)
  }
}

interface Peers {
  readonly direct: LoopFigures | undefined
  readonly floor: LoopFigures | undefined
  readonly nginx: LoopFigures | undefined
}

type Columns = (cell: LoopFigures, peers: Peers) => Record<string, string>

function renderLoops(run: RunRecord, scenario: Scenario, columns: Columns): string {
  const peers: Peers = {
    direct: loopCell(run, scenario, 'direct'),
    floor: loopCell(run, scenario, 'floor'),
    nginx: loopCell(run, scenario, 'nginx'),
  }
  const lines = run.subjects.flatMap((subject) => {
    const cell = loopCell(run, scenario, subject)
    if (cell === undefined) return []
    const figures = subject === 'direct' ? withoutProcess(columns(cell, peers)) : columns(cell, peers)
    return [{ subject, ...figures, remarks: remarks(scenario, subject, cell, peers) }]
  })
  return tableOf(lines)
}

const requestColumns: Columns = (cell, peers) => ({
  'CPU µs/request': cell.cpuUsPerRequest.toFixed(0),
  'requests/s': cell.requestsPerSecond.toFixed(0),
  'p50 ms': cell.p50Ms.toFixed(2),
  'p99 ms': cell.p99Ms.toFixed(2),
  'RSS MB': megabytes(cell.rssBytes),
  ...cpuRatios(cell, peers, 'cpuUsPerRequest'),
  'req/s ÷ floor': ratio(cell.requestsPerSecond, peers.floor?.requestsPerSecond),
  'req/s ÷ nginx': ratio(cell.requestsPerSecond, peers.nginx?.requestsPerSecond),
})

const streamColumns: Columns = (cell, peers) => ({
  'CPU µs/event': cell.cpuUsPerEvent.toFixed(2),
  'events/s': cell.eventsPerSecond.toFixed(0),
  'whole stream p50 ms': cell.p50Ms.toFixed(1),
  'p99 ms': cell.p99Ms.toFixed(1),
  'RSS MB': megabytes(cell.rssBytes),
  ...cpuRatios(cell, peers, 'cpuUsPerEvent'),
})

const pacedColumns: Columns = (cell, peers) => ({
  'CPU µs/event': cell.cpuUsPerEvent.toFixed(2),
  'streams held': `${Math.floor(cell.heldShare * PACED_STREAMS)} of ${PACED_STREAMS}`,
  'gap p99 ms': cell.gapP99Ms.toFixed(1),
  'added gap p99 ms': peers.direct === undefined ? '' : (cell.gapP99Ms - peers.direct.gapP99Ms).toFixed(1),
  'RSS MB': megabytes(cell.rssBytes),
  ...cpuRatios(cell, peers, 'cpuUsPerEvent'),
})

function cpuRatios(cell: LoopFigures, peers: Peers, of: 'cpuUsPerRequest' | 'cpuUsPerEvent'): Record<string, string> {
  return { 'CPU ÷ floor': ratio(cell[of], peers.floor?.[of]), 'CPU ÷ nginx': ratio(cell[of], peers.nginx?.[of]) }
}

/** Straight to the mock there is no process to account for. */
function withoutProcess(columns: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, text]) => [name, /CPU|RSS|÷|added/.test(name) ? '' : text]),
  )
}

function remarks(scenario: Scenario, subject: SubjectName, cell: LoopFigures, peers: Peers): string {
  if (subject === 'direct') return stolen(cell).join('; ')
  // Paced streams go at the mock's pace, whoever relays them.
  const direct = scenario.shape === 'paced' ? undefined : peers.direct
  const isRigSlow = direct !== undefined && direct.requestsPerSecond < DIRECT_FACTOR * cell.requestsPerSecond
  const slow = isRigSlow
    ? [`direct only ${(direct.requestsPerSecond / cell.requestsPerSecond).toFixed(1)} × faster`]
    : []
  return [...slow, ...doubts(cell)].join('; ')
}

function doubts(cell: LoopFigures): string[] {
  return [
    ...(cell.loadCoreBusy > LOAD_CORE_LIMIT ? [`load core ${percent(cell.loadCoreBusy)} busy`] : []),
    ...(cell.foreignCpu > NOISE_LIMIT ? [`foreign CPU ${percent(cell.foreignCpu)}`] : []),
    ...stolen(cell),
  ]
}

function stolen(cell: LoopFigures): string[] {
  return cell.stolen > NOISE_LIMIT ? [`stolen ${percent(cell.stolen)}`] : []
}

function renderFirstTokens(run: RunRecord, scenario: Scenario): string {
  const rows = run.subjects.flatMap((subject) => {
    const cell = firstTokenCell(run, scenario, subject)
    if (cell === undefined) return []
    const times = [cell.addedP50Ms, cell.addedP99Ms, cell.p50Ms, cell.p99Ms, cell.directP50Ms, cell.directP99Ms]
    return [[subject, ...times.map((time) => time.toFixed(2))]]
  })
  const header = ['subject', 'added p50 ms', 'added p99 ms', 'p50 ms', 'p99 ms', 'direct p50 ms', 'direct p99 ms']
  return table(header, rows)
}

function renderAccounting(run: RunRecord): string[] {
  if (run.accounting.length === 0) return []
  const rows = run.accounting.map((result) => [
    result.subject,
    ...[result.answered, result.ledger.settled, result.mock.requests].map(String),
    `${result.mock.promptTokens + result.mock.completionTokens}`,
    `${result.ledger.promptTokens + result.ledger.completionTokens}`,
    String(result.auditDifferences),
    result.mismatches.length === 0 ? 'equal' : 'NOT EQUAL',
  ])
  const header = ['subject', 'answered', 'rows settled', 'mock answered', 'tokens sent', 'tokens booked', 'audit', '']
  return [`### Accounting\n\n${table(header, rows)}`]
}

/** The tables of translation: a row per pair of protocols, each beside the relayed one of the same run. */
import type { RunRecord } from './cells.ts'
import { megabytes, ratio, tableOf } from './markdown.ts'
import { pairName } from './pairs.ts'
import type { LoopFigures, Scenario } from './scenarios.ts'
import {
  directionFigures,
  moreCpuMs,
  type TranslatedLoop,
  translatedFirstTokens,
  translatedLoops,
} from './translated-cells.ts'

type Row = Readonly<Record<string, string>>
type Columns = (loop: TranslatedLoop) => Row

/** `remarks` says what makes a cell doubtful. */
export function renderTranslated(run: RunRecord, scenario: Scenario, remarks: (cell: LoopFigures) => string): string {
  if (scenario.shape === 'first-token') return renderFirstTokens(run, scenario)
  const columns = scenario.shape === 'stream' ? streamColumns : requestColumns
  return tableOf(
    translatedLoops(run, scenario).map((loop) => ({
      'client → upstream': pairName(loop.pair),
      ...columns(loop),
      remarks: remarks(loop.cell),
    })),
  )
}

const streamColumns: Columns = ({ cell, same }) => ({
  'CPU µs/event': cell.cpuUsPerEvent.toFixed(2),
  'events/s': cell.eventsPerSecond.toFixed(0),
  'whole stream p50 ms': cell.p50Ms.toFixed(1),
  'p99 ms': cell.p99Ms.toFixed(1),
  'CPU ÷ relayed': ratio(cell.cpuUsPerEvent, same?.cpuUsPerEvent),
})

const requestColumns: Columns = ({ cell, same }) => ({
  'CPU µs/request': cell.cpuUsPerRequest.toFixed(0),
  'requests/s': cell.requestsPerSecond.toFixed(0),
  'p50 ms': cell.p50Ms.toFixed(2),
  'p99 ms': cell.p99Ms.toFixed(2),
  'RSS MB': megabytes(cell.rssBytes),
  'CPU ms more than relayed': same === undefined ? '' : moreCpuMs(cell, same).toFixed(2),
})

function renderFirstTokens(run: RunRecord, scenario: Scenario): string {
  return tableOf(
    translatedFirstTokens(run, scenario).map(({ pair, cell, laterMs }) => ({
      'client → upstream': pairName(pair),
      'p50 ms later than relayed': laterMs?.toFixed(2) ?? '',
      'added p50 ms': cell.addedP50Ms.toFixed(2),
      'added p99 ms': cell.addedP99Ms.toFixed(2),
      'p50 ms': cell.p50Ms.toFixed(2),
      'p99 ms': cell.p99Ms.toFixed(2),
      'direct p50 ms': cell.directP50Ms.toFixed(2),
    })),
  )
}

/** Nothing when it was not asked for. */
export function renderAlone(run: RunRecord): string[] {
  const rows = directionFigures(run).map(
    ({ name, bodyBytes, p50, p99 }): Row => ({
      'from → to': name,
      'body KB': (bodyBytes / 1000).toFixed(0),
      'p50 ms': p50.total.toFixed(2),
      'p99 ms': p99.toFixed(2),
      'parse p50': p50.parse.toFixed(2),
      'decode p50': p50.decode.toFixed(2),
      'encode p50': p50.encode.toFixed(2),
      'stringify p50': p50.stringify.toFixed(2),
    }),
  )
  return rows.length === 0 ? [] : [`### Translated: one 400 KB body alone\n\n${tableOf(rows)}`]
}

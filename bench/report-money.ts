/** The tables of money: both engines with one process and two, and the ledger without a gateway. */
import type { RunRecord } from './cells.ts'
import { ratio, tableOf } from './markdown.ts'
import type { MoneyCell } from './money.ts'

export function renderMoney({ money, ledgerTimes }: RunRecord): string[] {
  const parts: string[] = []
  if (money !== null) {
    parts.push('### Money on both engines, one hot workspace')
    parts.push(
      'Gateways and PostgreSQL share both cores with mock and load; fsync is on. The first rows move no money.',
      tableOf(money.cells.map((cell) => moneyRow(cell, money.cells))),
    )
  }
  if (ledgerTimes.length > 0) {
    parts.push('### The ledger alone', 'Per hold with its end, so many of each in one transaction, in one process.')
    parts.push(
      tableOf(
        ledgerTimes.map(({ engine, batch, userUs, systemUs, wallUs }) => ({
          engine,
          batch: String(batch),
          'CPU µs': (userUs + systemUs).toFixed(1),
          'of it user': userUs.toFixed(1),
          'wall µs': wallUs.toFixed(0),
          'pairs/s': (1e6 / wallUs).toFixed(0),
        })),
      ),
    )
  }
  return parts
}

function moneyRow(cell: MoneyCell, all: readonly MoneyCell[]): Readonly<Record<string, string>> {
  const { subject, concurrency } = cell
  const free = all.find((other) => other.subject.mode === 'free' && other.concurrency === concurrency)
  return {
    paid: subject.mode === 'free' ? 'nothing' : 'from the balance',
    engine: subject.engine,
    workers: String(subject.workers),
    c: String(concurrency),
    'requests/s': cell.requestsPerSecond.toFixed(0),
    'p50 ms': cell.p50Ms.toFixed(1),
    'p99 ms': cell.p99Ms.toFixed(1),
    'CPU µs/request': cell.cpuUsPerRequest.toFixed(0),
    'of PostgreSQL': cell.databaseUsPerRequest === 0 ? '' : cell.databaseUsPerRequest.toFixed(0),
    'requests/s ÷ free': ratio(cell.requestsPerSecond, free?.requestsPerSecond),
  }
}

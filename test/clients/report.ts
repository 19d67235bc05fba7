/** Tells what a run of the clients has shown: a table for people, JSON for programs. */
import { formatUsd } from '../../src/base/money.ts'
import type { ScenarioResult } from './scenarios.ts'

export interface ClientReport {
  readonly client: string
  readonly results: readonly ScenarioResult[]
  /** Of the gateway as a whole: its end, its audit. */
  readonly gateway: readonly string[]
}

export function problemsOf({ results, gateway }: ClientReport): string[] {
  const ofResults = results.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))
  return [...ofResults, ...gateway.map((problem) => `gateway: ${problem}`)]
}

export function formatReport(report: ClientReport): string {
  const header = ['scenario', 'client ended', 'upstream requests', 'charged', 'took', 'result']
  const rows = report.results.map(({ name, client, requests, charged, tookMs, problems }) => [
    name,
    client,
    String(requests),
    `$${formatUsd(charged)}`,
    `${(tookMs / 1000).toFixed(1)} s`,
    problems.length === 0 ? 'ok' : 'FAILED',
  ])
  const table = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return [report.client, '', ...table.map((row) => line(row).trimEnd())].join('\n')
}

export function reportJson(report: ClientReport): object {
  return {
    client: report.client,
    passed: problemsOf(report).length === 0,
    scenarios: report.results.map(({ charged, output: _output, tookMs, ...rest }) => ({
      ...rest,
      charged: formatUsd(charged),
      took_ms: Math.round(tookMs),
    })),
    gateway: report.gateway,
  }
}

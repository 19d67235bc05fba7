/** Tells what a run of the agents has shown: a table for people, JSON for programs. */
import { formatUsd, nanoUsd } from '../../src/base/money.ts'
import type { AgentResult } from './agent-process.ts'

export interface ScenarioResult {
  readonly name: string
  /** How the agent ended, in words. */
  readonly client: string
  /** Requests that reached the upstream. */
  readonly requests: number
  /** Nano-dollars, at list price. */
  readonly charged: bigint
  readonly tookMs: number
  readonly problems: readonly string[]
  /** What the agent printed, for a failure's sake. */
  readonly output: string
}

export interface ClientReport {
  /** With their versions. */
  readonly clients: readonly string[]
  readonly results: readonly ScenarioResult[]
  /** Of the gateways as a whole: their ends, their audits. */
  readonly gateway: readonly string[]
}

export function outcomeOf(name: string, { exitCode, ending, stdout, stderr, tookMs }: AgentResult) {
  const client = ending === 'by itself' ? `exit ${exitCode}` : `stopped: ${ending}`
  return { name, client, tookMs, output: `${stdout}\n${stderr}` }
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
    `$${formatUsd(nanoUsd(charged))}`,
    `${(tookMs / 1000).toFixed(1)} s`,
    problems.length === 0 ? 'ok' : 'FAILED',
  ])
  const table = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  return [report.clients.join(', '), '', ...table.map((row) => line(row).trimEnd())].join('\n')
}

export function reportJson(report: ClientReport): object {
  return {
    clients: report.clients,
    passed: problemsOf(report).length === 0,
    scenarios: report.results.map(({ charged, output: _output, tookMs, ...rest }) => ({
      ...rest,
      charged: formatUsd(nanoUsd(charged)),
      took_ms: Math.round(tookMs),
    })),
    gateway: report.gateway,
  }
}

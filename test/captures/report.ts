/** Turns the results of a run into a table and a list of failures, for people. */
import { FAMILIES } from './case.ts'
import { endingOf } from './expectation.ts'
import type { CallResult, SuiteResult } from './suite.ts'

type Check = 'reply' | 'forwarded' | 'usage' | 'charge'
export const CHECKS: readonly Check[] = ['reply', 'forwarded', 'usage', 'charge']

/** Every failure as `case: check: what was expected and what came`. Empty when all is well. */
export function failuresOf(result: SuiteResult): string[] {
  const ofCalls = result.calls.flatMap((one) =>
    CHECKS.flatMap((check) => one[check].map((problem) => `${one.call.label}: ${check}: ${problem}`)),
  )
  return [...ofCalls.sort(), ...result.gateway.map((problem) => `gateway: ${problem}`)]
}

export function formatTable(result: SuiteResult): string {
  const header = [
    'family',
    'cases',
    'calls',
    'replies',
    'errors',
    'forwarded',
    'usage',
    'charge',
    'estimated',
    'capped',
  ]
  const rows = FAMILIES.map((family) => rowOf(family, callsOfFamily(result, family)))
  return alignColumns([header, ...rows])
}

function callsOfFamily(result: SuiteResult, family: string): CallResult[] {
  return result.calls.filter((one) => one.call.replayed.family === family)
}

/** `errors` are the mapped ones; a capped charge is one that its hold did not cover. */
function rowOf(family: string, calls: readonly CallResult[]): string[] {
  const isMapped = (one: CallResult) => ['error_body', 'rejected', 'unavailable'].includes(endingOf(one.call.replayed))
  const isCapped = (one: CallResult) => one.row !== null && (one.row.cost ?? 0n) > one.row.hold
  const mapped = calls.filter(isMapped)
  const relayed = calls.filter((one) => !isMapped(one))
  return [
    family,
    String(new Set(calls.map((one) => one.call.replayed.name)).size),
    String(calls.length),
    passed(relayed, 'reply'),
    passed(mapped, 'reply'),
    passed(calls, 'forwarded'),
    passed(calls, 'usage'),
    passed(calls, 'charge'),
    String(calls.filter((one) => one.row?.estimated).length),
    String(calls.filter(isCapped).length),
  ]
}

function passed(calls: readonly CallResult[], check: Check): string {
  return `${calls.filter((one) => one[check].length === 0).length}/${calls.length}`
}

export function alignColumns(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** An end as one line of JSON, and back. Amounts are text: JSON numbers are floats. Counters only, never content. */
import { nanoUsd } from '../base/money.ts'
import type { EndCommand } from './command.ts'

const AMOUNTS: ReadonlySet<string> = new Set(['cost', 'charged', 'weightPpm', 'knownHold'])

export function writeEnd({ holding, end, knownHold }: EndCommand): string {
  return JSON.stringify({ holding, end, knownHold }, (_name, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
}

/** @throws Error when the line is not an end; its checksum said that it is. */
export function parseEnd(line: string): EndCommand {
  const value: Omit<EndCommand, 'kind'> = JSON.parse(line, (name, member: unknown) =>
    AMOUNTS.has(name) && typeof member === 'string' ? nanoUsd(BigInt(member)) : member,
  )
  if (typeof value?.end?.id !== 'string' || value.holding?.requestId !== value.end.id) {
    throw new Error('the spill holds a record that is not the end of a request')
  }
  return { ...value, kind: 'end' }
}

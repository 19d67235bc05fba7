/** How an event stands in the log: every one does, whoever else is told. */
import type { Logger } from 'pino'
import type { EventType } from '../domain/event.ts'
import type { StoredEvent } from '../store/event.ts'

interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
}

/** From this share of a limit on somebody should do something soon. */
const WARN_FROM_PERCENT = 95

const LINES: Readonly<Record<EventType, LogLine>> = {
  'limit.threshold': { level: 'info', message: 'a limit has reached a threshold' },
  'balance.threshold': { level: 'info', message: 'a balance has reached a threshold' },
  'operator.upstream_account': { level: 'warn', message: "a provider refuses the operator's account" },
  'ledger.write_off': { level: 'warn', message: 'the operator paid for what could not be charged' },
  'ledger.difference': { level: 'error', message: 'the books do not agree with themselves' },
}
/** While versions change, another process may tell of what this one does not know yet. */
const UNKNOWN: LogLine = { level: 'warn', message: 'an event of a type that this version does not know' }

export function logEvent(log: Logger, event: StoredEvent): void {
  const data: unknown = JSON.parse(event.payload)
  const { level, message } = LINES[event.type] ?? UNKNOWN
  const told = level === 'info' && thresholdOf(data) >= WARN_FROM_PERCENT ? 'warn' : level
  log[told]({ event: { id: event.id, type: event.type, workspace: event.workspaceId, data } }, message)
}

function thresholdOf(data: unknown): number {
  return typeof data === 'object' && data !== null && 'threshold' in data ? Number(data.threshold) : 0
}

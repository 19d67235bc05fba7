/** Thresholds: at which shares of a limit or a balance an operator is told, and what the event says. Pure. */
import { formatUsd, type NanoUsd, subtractUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import { type EventPayload, eventId, type NewEvent } from './event.ts'

/** In percent, ascending. */
export const THRESHOLDS = [50, 80, 95, 100] as const

export type Threshold = (typeof THRESHOLDS)[number]

/**
 * The highest threshold that `used` has reached and that is above `told`, or null. A jump over several tells the highest
 * alone. Exact: one nano-dollar below a threshold has not reached it. A limit of nothing is always used up.
 * @param told the highest threshold told before, in percent; 0 for none
 */
export function crossedThreshold(told: number, used: NanoUsd, limit: NanoUsd): Threshold | null {
  const reached = THRESHOLDS.findLast((percent) => limit <= 0n || used * 100n >= limit * BigInt(percent))
  return reached !== undefined && reached > told ? reached : null
}

/**
 * The highest threshold told in any of several meters. A sliding window is many meters, of which new ones open while it
 * stays as full as it was: only what none of those still open has told is news.
 */
export function toldOf(meters: readonly { readonly told: number }[]): number {
  return meters.reduce((highest, { told }) => Math.max(highest, told), 0)
}

/** What a window of a seat or the period of a cap has come to. */
export interface LimitUse {
  /** Of the meter that the use counted in, new with each window or period. */
  readonly id: string
  readonly workspaceId: string
  readonly scope: 'seat' | 'workspace' | 'member' | 'key'
  readonly subjectId: string
  readonly name: string
  readonly kind: 'session' | 'calendar' | 'anchored' | 'sliding'
  readonly used: NanoUsd
  readonly limit: NanoUsd
  /** When room comes back; null when waiting does not help. */
  readonly resetsAtMs: number | null
}

export function limitThresholdEvent(use: LimitUse, threshold: Threshold, atMs: number): NewEvent {
  return {
    id: eventId('t', use.id, threshold),
    type: 'limit.threshold',
    workspaceId: use.workspaceId,
    payload: payloadOf(use, threshold, atMs),
    atMs,
  }
}

/** What is left of the last credit. */
export interface BalanceUse {
  readonly accountId: string
  /** Names the last credit (the lot, or the transfer that made it): with the next one the same threshold is news again. */
  readonly creditId: string
  readonly workspaceId: string
  /** Of what the balance was after the last credit. */
  readonly used: NanoUsd
  /** What the balance was after the last credit. */
  readonly limit: NanoUsd
}

export function balanceThresholdEvent(use: BalanceUse, threshold: Threshold, atMs: number): NewEvent {
  const shown = { scope: 'workspace', subjectId: use.workspaceId, name: 'balance', kind: 'balance', resetsAtMs: null }
  return {
    id: eventId('t', use.accountId, use.creditId, threshold),
    type: 'balance.threshold',
    workspaceId: use.workspaceId,
    payload: payloadOf({ ...use, ...shown }, threshold, atMs),
    atMs,
  }
}

interface ShownUse {
  readonly workspaceId: string
  readonly scope: string
  readonly subjectId: string
  readonly name: string
  readonly kind: string
  readonly used: NanoUsd
  readonly limit: NanoUsd
  readonly resetsAtMs: number | null
}

function payloadOf(use: ShownUse, threshold: Threshold, atMs: number): EventPayload {
  return {
    workspace: use.workspaceId,
    scope: use.scope,
    subject: use.subjectId,
    name: use.name,
    kind: use.kind,
    threshold,
    unit: 'usd',
    ...amount('used', use.used),
    ...amount('limit', use.limit),
    ...amount('remaining', subtractUsd(use.limit, use.used)),
    resets_at: use.resetsAtMs === null ? null : formatInstant(use.resetsAtMs),
    at: formatInstant(atMs),
  }
}

/** Twice: dollars to read, and whole nano-dollars to compute with. Both as text: JSON numbers are floats. */
function amount(name: string, value: NanoUsd): EventPayload {
  return { [name]: formatUsd(value), [`${name}_nano`]: String(value) }
}

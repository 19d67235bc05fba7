/** How a window or cap stands, as the usage reports show it. */
import { addUsd, formatUsd, type NanoUsd } from '../base/money.ts'
import { formatInstant } from '../base/time.ts'
import type { Cap } from '../domain/cap.ts'
import type { WindowSpec } from '../domain/catalog.ts'
import { resetsAtOf, roomOf, type WindowState } from '../domain/window.ts'

/** `ok`, or `rate-limited` once nothing is left. Compatible words. */
export type WindowStatus = 'ok' | 'rate-limited'

/** Amounts stand twice: as exact decimal dollars, and as whole nano-dollars in text, for programs. */
export interface WindowReport {
  readonly name: string
  readonly kind: WindowSpec['kind']
  readonly limit: string
  readonly limit_nano: string
  /** Counted by requests that ended. */
  readonly settled: string
  readonly settled_nano: string
  /** Reserved by requests under way. */
  readonly held: string
  readonly held_nano: string
  /** Settled and held. */
  readonly used: string
  readonly used_nano: string
  readonly remaining: string
  readonly remaining_nano: string
  /** Used of limit, whole percent, rounded down, 100 at most. */
  readonly percent: number
  readonly status: WindowStatus
  /** Null for a session or sliding window in which nothing counts. */
  readonly starts_at: string | null
  /**
   * When all of the limit is free again if nothing more is spent; it never moves later without spending. Null for a
   * session or sliding window in which nothing counts.
   */
  readonly resets_at: string | null
}

/** A cap limits what is spent of the balance. */
export interface CapReport extends WindowReport {
  readonly scope: Cap['scope']
  /** The id of the workspace, member or key. */
  readonly subject: string
  readonly unit: Cap['unit']
}

export function reportCap({ scope, subjectId, unit }: Cap, state: WindowState): CapReport {
  return { scope, subject: subjectId, unit, ...reportWindow(state) }
}

export function reportWindow(state: WindowState): WindowReport {
  const { spec, settled, held } = state
  return {
    name: spec.name,
    kind: spec.kind,
    ...amountOf('limit', spec.limit),
    ...amountOf('settled', settled),
    ...amountOf('held', held),
    ...amountOf('used', usedOf(state)),
    ...amountOf('remaining', roomOf(state)),
    percent: percentOf(state),
    status: statusOf(state),
    starts_at: instantOrNull(startOf(state)),
    resets_at: instantOrNull(resetsAtOf(state, spec.limit)),
  }
}

/** Sessions open with a request, and a window that slides begins with what still counts in it. */
function startOf({ spec, current, earlier }: WindowState): number | null {
  if (spec.kind === 'session') return current.id === null ? null : current.startsAtMs
  if (spec.kind !== 'sliding') return current.startsAtMs
  const counting = [current, ...earlier].filter(({ id }) => id !== null)
  return counting.length === 0 ? null : Math.min(...counting.map(({ startsAtMs }) => startsAtMs))
}

function usedOf({ settled, held }: WindowState): NanoUsd {
  return addUsd(settled, held)
}

function percentOf(state: WindowState): number {
  const { limit } = state.spec
  const used = usedOf(state)
  if (used >= limit) return 100
  return Number((used * 100n) / limit)
}

function statusOf(state: WindowState): WindowStatus {
  return roomOf(state) > 0n ? 'ok' : 'rate-limited'
}

function instantOrNull(atMs: number | null): string | null {
  return atMs === null ? null : formatInstant(atMs)
}

/** `{available: "4.99", available_nano: "4990000000"}` */
export function amountOf<Name extends string>(name: Name, value: NanoUsd) {
  return { [name]: formatUsd(value), [`${name}_nano`]: String(value) } as Record<Name | `${Name}_nano`, string>
}

/** The windows of a seat as they stand now: those open in the database, and the others as they would open. */
import { ZERO_USD } from '../base/money.ts'
import type { Plan } from '../domain/catalog.ts'
import { type WindowState, windowBoundsAt } from '../domain/window.ts'
import type { Database } from './database.ts'
import { listOpenWindows } from './window.ts'

export interface CurrentWindow extends WindowState {
  /** Null while no request has opened it; its bounds are then those it would have if one did now. */
  readonly id: string | null
}

/** In the plan's order. A window that has ended is shown fresh: what it counted is history. */
export function loadCurrentWindows(
  db: Database,
  seat: { readonly id: string; readonly startedAtMs: number },
  plan: Plan,
  nowMs: number,
): CurrentWindow[] {
  const open = listOpenWindows(db, seat.id, nowMs)
  return plan.windows.map((spec) => {
    const row = open.find((candidate) => candidate.name === spec.name)
    if (row) return { ...row, spec }
    return { id: null, spec, settled: ZERO_USD, held: ZERO_USD, ...windowBoundsAt(spec, nowMs, seat.startedAtMs) }
  })
}

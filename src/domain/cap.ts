/** Caps: what a workspace, a member or a key may spend of the balance in a day, week or month. Pure. */
import type { NanoUsd } from '../base/money.ts'
import type { WindowSpec } from './catalog.ts'

export interface Cap {
  readonly id: string
  readonly workspaceId: string
  readonly scope: 'workspace' | 'member' | 'key'
  /** The id of the workspace, member or key. */
  readonly subjectId: string
  readonly unit: 'day' | 'week' | 'month'
  /** In nano-dollars; zero: nothing may be spent. */
  readonly limit: NanoUsd
}

const ADJECTIVES: Readonly<Record<Cap['unit'], string>> = { day: 'daily', week: 'weekly', month: 'monthly' }

/** A cap as a window of its subject, in the calendar of the workspace: `daily key cap`, `monthly workspace cap`. */
export function capSpec({ scope, unit, limit }: Cap): WindowSpec {
  return { name: `${ADJECTIVES[unit]} ${scope} cap`, kind: 'calendar', lengthMs: 0, unit, limit }
}

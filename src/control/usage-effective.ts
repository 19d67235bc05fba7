/** The largest request that is accepted now, whatever limits it: what users need to know of all their limits together. */
import type { LargestHold } from './left.ts'
import { amountOf, type WindowReport } from './usage-window.ts'

export interface EffectiveReport {
  /** The largest hold, at list price, for a model that counts with weight 1; null: nothing limits it. */
  readonly remaining: string | null
  readonly remaining_nano: string | null
  /** The limit that ends it: `balance`, or the name of a window or cap. */
  readonly binding: string | null
  /** Of that limit; null when it does not come back by waiting, or nothing counts in it. */
  readonly resets_at: string | null
}

/** `limits`: those that may turn out to bind; each name stands once. */
export function reportEffective({ amount, binding }: LargestHold, limits: readonly WindowReport[]): EffectiveReport {
  const remaining = amount === null ? { remaining: null, remaining_nano: null } : amountOf('remaining', amount)
  const limit = limits.find(({ name }) => name === binding?.name)
  return { ...remaining, binding: binding?.name ?? null, resets_at: limit?.resets_at ?? null }
}

/**
 * How much to think, brought from one protocol's measure to another's: words (effort) and tokens (budget).
 *
 * Budgets per effort are those that Google documents for its OpenAI-compatible endpoint (low, medium, high), carried on
 * at both ends.
 */
import type { IrEffort, IrReasoning } from '../ir/request.ts'

const EFFORTS: readonly IrEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

const BUDGETS: Readonly<Record<IrEffort, number>> = {
  none: 0,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 65_536,
}

/** Null when the request leaves it to the model. `off` is `none`. */
export function effortOf(reasoning: IrReasoning): IrEffort | null {
  if (reasoning.mode === 'off') return 'none'
  if (reasoning.effort !== undefined) return reasoning.effort
  const { budget } = reasoning
  if (budget === undefined || budget < 0) return null
  return EFFORTS.find((effort) => budget <= BUDGETS[effort]) ?? 'max'
}

/** Tokens of thinking; null when the request leaves it to the model, 0 when it wants none. */
export function budgetOf(reasoning: IrReasoning): number | null {
  if (reasoning.mode === 'off') return 0
  if (reasoning.budget !== undefined) return reasoning.budget < 0 ? null : reasoning.budget
  return reasoning.effort === undefined ? null : BUDGETS[reasoning.effort]
}

/** The effort among those that a model takes that is nearest; of two as near, the lower. */
export function nearestEffort(effort: IrEffort, taken: readonly string[] | undefined): IrEffort {
  if (taken === undefined || taken.length === 0 || taken.includes(effort)) return effort
  const rank = EFFORTS.indexOf(effort)
  const known = EFFORTS.filter((candidate) => taken.includes(candidate))
  if (known.length === 0) return effort
  return known.reduce((best, candidate) =>
    Math.abs(EFFORTS.indexOf(candidate) - rank) < Math.abs(EFFORTS.indexOf(best) - rank) ? candidate : best,
  )
}

export function isEffort(value: unknown): value is IrEffort {
  return EFFORTS.includes(value as IrEffort)
}

/** How many typical requests fit into a plan's windows: the figure that plans are compared by. Pure. */
import { priceTokens, WEIGHT_ONE } from '../base/money.ts'
import type { Model, Plan, RequestShape } from './catalog.ts'
import { ratesForPrompt } from './price.ts'

const TOKENS_PER_PRICE = 1_000_000n

export interface EstimatedWindow {
  readonly plan: string
  readonly window: string
  /** Null when such a request costs nothing, so that no limit is reached. */
  readonly requests: number | null
}

export interface EstimatedRequests {
  readonly shape: RequestShape
  /** `default`: the catalogue's shape; `observed`: the average of real requests. */
  readonly shapeSource: 'default' | 'observed'
  readonly windows: readonly EstimatedWindow[]
}

/** For every window of the plans that pay for the model's product; null for a free model, which no window limits. */
export function estimateRequests(
  model: Model,
  plans: Iterable<Plan>,
  observedShape?: RequestShape,
): EstimatedRequests | null {
  if (model.price === null) return null
  const shape = observedShape ?? model.requestShape
  const rates = ratesForPrompt(model.price, shape.input + shape.cachedRead)
  const nanoUsdTokens =
    priceTokens(shape.input, rates.input) +
    priceTokens(shape.cachedRead, rates.cachedRead) +
    priceTokens(shape.output, rates.output)
  const weighted = nanoUsdTokens * model.weightPpm
  const windows = [...plans]
    .filter((plan) => plan.products.includes(model.product))
    .flatMap((plan) =>
      plan.windows.map(({ name, limit }) => ({
        plan: plan.id,
        window: name,
        requests: weighted === 0n ? null : roundDown((limit * TOKENS_PER_PRICE * WEIGHT_ONE) / weighted),
      })),
    )
  return windows.length === 0
    ? null
    : { shape, shapeSource: observedShape === undefined ? 'default' : 'observed', windows }
}

/** An estimate promises no more than two digits: 792 → 790, 37788 → 37000; up to 100 it is exact. */
function roundDown(requests: bigint): number {
  let unit = 1n
  while (requests / unit >= 100n) unit *= 10n
  return Number((requests / unit) * unit)
}

/** Which seat pays for a product: the first whose plan covers it. Pure. */
import type { Product } from '../base/words.ts'
import type { Plan } from './catalog.ts'

/** Null when none does: none at all, or plans that cover something else or have left the catalogue. */
export function seatFor<Seat extends { readonly planId: string }>(
  seats: readonly Seat[],
  plans: ReadonlyMap<string, Plan>,
  product: Product,
): { readonly seat: Seat; readonly plan: Plan } | null {
  for (const seat of seats) {
    const plan = plans.get(seat.planId)
    if (plan?.products.includes(product)) return { seat, plan }
  }
  return null
}

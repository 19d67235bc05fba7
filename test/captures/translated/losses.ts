/**
 * What a client of another protocol cannot be given of an answer: each loss with its reason, the answers that have it,
 * and the fields that may differ for it. Whatever else differs is a fault.
 */
import type { Case, Family } from '../case.ts'
import type { Field } from './compare.ts'

export interface Loss {
  readonly reason: string
  applies(replayed: Case, target: Family): boolean
  /** None: something that the comparison does not look at is not there. */
  readonly covers: readonly Field[]
}

export const LOSSES: readonly Loss[] = []

export function lossesOf(replayed: Case, target: Family): Loss[] {
  return LOSSES.filter((loss) => loss.applies(replayed, target))
}

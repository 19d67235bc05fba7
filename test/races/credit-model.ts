/**
 * What credit should come to, said a second time and otherwise: lots as a list, and sums in place of steps.
 *
 * Lots lie end to end in the order in which they are drawn on, and open requests hold the beginning of that. Of a lot
 * that has expired only what they hold is still there. What is left may be held.
 */

export interface ModelLot {
  readonly id: string
  readonly priority: number
  readonly expiresAtMs: number | null
  readonly createdAtMs: number
  remaining: bigint
}

export interface CreditModel {
  grant(lot: ModelLot): void
  /** Returns whether it fits; what has expired leaves first. */
  hold(id: string, amount: bigint, nowMs: number): boolean
  /** Takes at most what was held. Returns how much that is. */
  end(id: string, cost: bigint): bigint
  expire(nowMs: number): void
  readonly expired: () => bigint
  readonly held: () => bigint
  /** What is left by lot. */
  readonly rest: () => ReadonlyMap<string, bigint>
}

export function createCreditModel(): CreditModel {
  const lots: ModelLot[] = []
  const holds = new Map<string, bigint>()
  let expired = 0n
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)
  const held = (): bigint => sum([...holds.values()])
  const isOver = ({ expiresAtMs }: ModelLot, nowMs: number): boolean => expiresAtMs !== null && expiresAtMs <= nowMs
  const restOf = (some: readonly ModelLot[]): bigint => sum(some.map(({ remaining }) => remaining))

  /** Lowest priority first, then what expires first, then the oldest. */
  function inOrder(): ModelLot[] {
    const expiry = ({ expiresAtMs }: ModelLot): number => expiresAtMs ?? Number.POSITIVE_INFINITY
    return lots.toSorted((a, b) => {
      if (a.priority !== b.priority) return a.priority - b.priority
      if (expiry(a) !== expiry(b)) return expiry(a) < expiry(b) ? -1 : 1
      return a.createdAtMs - b.createdAtMs
    })
  }

  function take(from: readonly ModelLot[], amount: bigint): void {
    let left = amount
    for (const lot of from) {
      const part = lot.remaining < left ? lot.remaining : left
      lot.remaining -= part
      left -= part
    }
    if (left !== 0n) throw new Error(`the model lacks ${left}`)
  }

  function expire(nowMs: number): void {
    const ordered = inOrder()
    // Laid end to end, the lots begin with what is held.
    const freeOf = ordered.map((lot, index) => {
      const before = restOf(ordered.slice(0, index))
      const heldOfIt = held() - before
      const kept = heldOfIt < 0n ? 0n : heldOfIt < lot.remaining ? heldOfIt : lot.remaining
      return lot.remaining - kept
    })
    for (const [index, lot] of ordered.entries()) {
      if (!isOver(lot, nowMs)) continue
      const leaves = freeOf[index] ?? 0n
      expired += leaves
      lot.remaining -= leaves
    }
  }

  return {
    grant: (lot) => void lots.push(lot),
    hold(id, amount, nowMs) {
      expire(nowMs)
      if (amount > restOf(lots) - held()) return false
      holds.set(id, amount)
      return true
    },
    end(id, cost) {
      const hold = holds.get(id) ?? 0n
      holds.delete(id)
      const charged = cost < hold ? cost : hold
      take(inOrder(), charged)
      return charged
    },
    expire,
    expired: () => expired,
    held,
    rest: () => new Map(lots.map(({ id, remaining }) => [id, remaining])),
  }
}

/** Random numbers that a seed decides wholly. */

export interface Random {
  /** At least `from`, below `to`, whole. */
  int(from: number, to: number): number
  chance(share: number): boolean
  pick<T>(items: readonly T[]): T
  /** A whole number of any size up to `limit`, small ones as likely as large ones. */
  size(limit: number): number
}

/** https://en.wikipedia.org/wiki/Xorshift, with a seed that is mixed first so that neighbours differ. */
export function createRandom(seed: number): Random {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1
  function next(): number {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 0x1_0000_0000
  }
  for (let i = 0; i < 8; i++) next()
  const int = (from: number, to: number): number => from + Math.floor(next() * (to - from))
  return {
    int,
    chance: (share) => next() < share,
    pick<T>(items: readonly T[]): T {
      const item = items[int(0, items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
    size: (limit) => Math.floor((limit + 1) ** next()) - 1,
  }
}

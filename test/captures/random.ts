/** Seeded randomness: the same seed and name give the same numbers, whatever else runs at the same time. */

/** Returns a number in [0, 1). */
export type Random = () => number

/** A generator of its own for each name under one seed, so that a failing case can be repeated alone. */
export function randomFor(seed: number, name: string): Random {
  return mulberry32(fnv1a(`${seed}/${name}`))
}

export function pickInteger(random: Random, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1))
}

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Mulberry32 by Tommy Ettinger: small, and good enough to choose where to cut. */
function mulberry32(start: number): Random {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

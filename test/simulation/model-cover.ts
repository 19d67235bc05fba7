/** How large a hold must be and how large it may be, a second time and from the definitions. */
import type { HoldSize } from '../../src/domain/hold-size.ts'

export const MILLION = 1_000_000n

export interface Cover {
  readonly hold: bigint
  readonly maxHold: bigint
  readonly output: number | null
}

/** The prompt and so many tokens of output, rounded up. */
export function holdOf({ prompt, outputRate }: HoldSize, output: number): bigint {
  const exact = prompt + outputRate * BigInt(output)
  return exact / MILLION + (exact % MILLION === 0n ? 0n : 1n)
}

export function wholly(size: HoldSize, room: bigint | null): Cover | null {
  const hold = holdOf(size, size.output)
  return room === null || hold <= room ? { hold, maxHold: hold, output: null } : null
}

/** As many tokens as there is room for: found by halving, from the definition. */
export function partly(size: HoldSize, room: bigint | null): Cover | null {
  if (room === null) return null
  let [low, high] = [-1, size.output]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (holdOf(size, middle) <= room) low = middle
    else high = middle - 1
  }
  if (low < 0 || low < size.leastOutput) return null
  const held = size.slice === null ? low : Math.min(size.slice, low)
  return { hold: holdOf(size, held), maxHold: holdOf(size, low), output: low < size.output ? low : null }
}

/** The largest amount that counts at most `room`; null where nothing bounds it. */
export function unweigh(room: bigint, weightPpm: bigint): bigint | null {
  if (weightPpm === 0n) return null
  if (weightPpm === MILLION) return room
  return (room * 2n * MILLION + MILLION - 1n) / (2n * weightPpm)
}

/**
 * Bounds the answers that are read on after their client has left, to learn what they cost: whoever asks and leaves again
 * and again can neither pile them up here nor take every place from others.
 */
import { createInFlight } from './in-flight.ts'

export interface Drains {
  /** Takes one more of a key or address in, and returns what takes it out again; null when no more are read on. */
  enter(who: string): (() => void) | null
}

export interface DrainOptions {
  /** Answers read on at once, in this process. */
  readonly max?: number
  /** The same of one key; without a key, of one address. */
  readonly maxPerKey?: number
}

const MAX_DRAINS = 64
const MAX_DRAINS_PER_KEY = 32

export function createDrains({ max = MAX_DRAINS, maxPerKey = MAX_DRAINS_PER_KEY }: DrainOptions = {}): Drains {
  const all = createInFlight()
  const byKey = createInFlight()
  return {
    enter(who) {
      const leaveKey = byKey.enter(who, maxPerKey)
      if (!leaveKey) return null
      const leaveAll = all.enter('all', max)
      if (!leaveAll) {
        leaveKey()
        return null
      }
      return () => {
        leaveAll()
        leaveKey()
      }
    },
  }
}

/** Counts the requests under way of each key, and lets no more in than may be at once. */

export interface InFlight {
  /** Lets one in, and returns what takes it out again (twice is once); null when `max` are in. */
  enter(id: string, max: number): (() => void) | null
}

export function createInFlight(): InFlight {
  // Has no more entries than there are requests under way.
  const counts = new Map<string, number>()
  function leave(id: string): void {
    const left = (counts.get(id) ?? 1) - 1
    if (left === 0) counts.delete(id)
    else counts.set(id, left)
  }
  return {
    enter(id, max) {
      const count = counts.get(id) ?? 0
      if (count >= max) return null
      counts.set(id, count + 1)
      let isIn = true
      return () => {
        if (isIn) leave(id)
        isIn = false
      }
    },
  }
}

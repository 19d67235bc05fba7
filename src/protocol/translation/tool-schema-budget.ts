/**
 * How much the schemas of one request may grow while they are brought into a target's form: definitions that refer to
 * each other twice would grow without end, and many tools that each grow a little make a body that no upstream takes.
 */

/** Beside the schemas themselves, once for all tools of a request. */
const FREE_SIZE = 64 * 1024
/** What copies may add, in sizes of the schemas as they came. */
const GROWTH = 1.5
/** Of a copy of nothing at all, which is work as well. */
const LEAST_SIZE = 24

export interface SchemaBudget {
  /** Pays for one more copy of a value; false when there is not enough left, and the copy must not be made. */
  take(value: unknown): boolean
}

/** `schemas`: all that the request brings. Their size is looked at when the first copy is made, not before. */
export function createSchemaBudget(schemas: readonly unknown[]): SchemaBudget {
  /** Of objects: their size, or as much of it as was too much. */
  const sizes = new WeakMap<object, number>()
  let left: number | null = null

  function sizeOf(value: unknown, limit: number): number {
    if (typeof value !== 'object' || value === null) return sizeWithin(value, limit)
    const known = sizes.get(value)
    if (known !== undefined) return known
    const size = sizeWithin(value, limit)
    sizes.set(value, size)
    return size
  }

  return {
    take(value) {
      left ??= FREE_SIZE + GROWTH * sizeWithin(schemas, Number.POSITIVE_INFINITY)
      const size = LEAST_SIZE + sizeOf(value, left)
      if (size > left) return false
      left -= size
      return true
    },
  }
}

/** About the length of the JSON text; counting ends beyond `limit`. Values may be nested as deep as they like. */
function sizeWithin(value: unknown, limit: number): number {
  const waiting: unknown[] = [value]
  let size = 0
  while (waiting.length > 0 && size <= limit) {
    const next = waiting.pop()
    size += 2
    if (typeof next === 'string') size += next.length
    else if (typeof next !== 'object' || next === null) size += 4
    else if (Array.isArray(next)) for (const entry of next) waiting.push(entry)
    else {
      for (const [key, member] of Object.entries(next)) {
        size += key.length + 3
        waiting.push(member)
      }
    }
  }
  return size
}

/** Keeps the average request per model at hand for the model list, looked up again once in a while. */
import { type Clock, MINUTE_MS } from '../base/time.ts'
import type { Model, RequestShape } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { loadObservedShapes } from '../store/observed-shape.ts'

/** Fewer requests say little of what an agent does all day; until then the catalogue's shape stands. */
const MIN_REQUESTS = 50
const MAX_AGE_MS = 5 * MINUTE_MS

/**
 * The lookup never waits: it answers with what was last read, and starts to read again when that is old. What cannot be
 * read now changes nothing, and is tried again when it would be old.
 */
export function createObservedShapes(db: Database, clock: Clock): (model: Model) => RequestShape | undefined {
  let shapes: ReadonlyMap<string, RequestShape> = new Map()
  let askedAtMs = Number.NEGATIVE_INFINITY
  const refresh = async (): Promise<void> => {
    try {
      shapes = await loadObservedShapes(db, MIN_REQUESTS)
    } catch {
      // The list of models is of use without them.
    }
  }
  return (model) => {
    if (clock() - askedAtMs > MAX_AGE_MS) {
      askedAtMs = clock()
      void refresh()
    }
    return shapes.get(`${model.product} ${model.id}`)
  }
}

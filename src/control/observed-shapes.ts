/** Keeps the average request per model at hand for the model list, looked up again once in a while. */
import { type Clock, MINUTE_MS } from '../base/time.ts'
import type { Model, RequestShape } from '../domain/catalog.ts'
import type { Database } from '../store/database.ts'
import { loadObservedShapes } from '../store/observed-shape.ts'

/** Fewer requests say little of what an agent does all day; until then the catalogue's shape stands. */
const MIN_REQUESTS = 50
const MAX_AGE_MS = 5 * MINUTE_MS

export function createObservedShapes(db: Database, clock: Clock): (model: Model) => RequestShape | undefined {
  let shapes: Map<string, RequestShape> = new Map()
  let loadedAtMs = Number.NEGATIVE_INFINITY
  return (model) => {
    if (clock() - loadedAtMs > MAX_AGE_MS) {
      shapes = loadObservedShapes(db, MIN_REQUESTS)
      loadedAtMs = clock()
    }
    return shapes.get(`${model.product} ${model.id}`)
  }
}

/** Walks along a workspace's requests in short steps, so that reading a million of them holds nobody else up. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Sql } from '../store/database.ts'
import { type Direction, findIdAt, type IdRange, idRangeOf, type RequestFilter } from '../store/request-list.ts'

export interface Walk {
  readonly direction: Direction
  /** Rows of the workspace in one step, whether the filter takes them or not. */
  readonly rows: number
  /** Begin at this id instead of at the end of the filter's time. */
  readonly startId?: string | undefined
}

/** The steps' ranges of ids, one after the other; together they are the whole of the filter's time. */
export async function* walkRequests(sql: Sql, filter: RequestFilter, walk: Walk): AsyncGenerator<IdRange, void> {
  let rest: IdRange | undefined = startOf(filter, walk)
  while (rest) {
    const { step, after } = await nextStep(sql, filter.workspaceId, rest, walk)
    yield step
    rest = after
    // An embedded database answers at once: without this, nothing else would get a turn before the end.
    await nextTurn()
  }
}

function startOf(filter: RequestFilter, { direction, startId }: Walk): IdRange {
  const range = idRangeOf(filter)
  if (startId === undefined) return range
  return direction === 'newest_first' ? { ...range, upTo: startId } : { ...range, above: startId }
}

async function nextStep(
  sql: Sql,
  workspaceId: string,
  rest: IdRange,
  { direction, rows }: Walk,
): Promise<{ step: IdRange; after: IdRange | undefined }> {
  // Upwards a step ends with its last row, downwards before the first row that is no longer its own.
  const offset = direction === 'newest_first' ? rows : rows - 1
  const end = await findIdAt(sql, workspaceId, rest, { direction, offset })
  if (end === undefined) return { step: rest, after: undefined }
  const [lower, upper] = [
    { above: rest.above, upTo: end },
    { above: end, upTo: rest.upTo },
  ]
  return direction === 'newest_first' ? { step: upper, after: lower } : { step: lower, after: upper }
}

/** Pages of requests, newest first. */
import type { Database } from '../store/database.ts'
import { listRequests, type RequestFilter } from '../store/request-list.ts'
import { type RequestView, viewRequests } from './request-view.ts'
import { walkRequests } from './request-walk.ts'

export const MAX_PAGE = 200
export interface PageBounds {
  /** Rows looked at between two turns of the event loop. */
  readonly rowsPerStep: number
  /** Rows looked at for one page: a filter that hardly anything meets ends the page instead of the patience. */
  readonly rowsPerPage: number
}

const DEFAULT_BOUNDS: PageBounds = { rowsPerStep: 2000, rowsPerPage: 200_000 }

export interface RequestPage {
  /** May be fewer than asked for, even none, while `nextId` says that there may be more. */
  readonly requests: readonly RequestView[]
  /** Where the next page begins; null when this one is the last. */
  readonly nextId: string | null
}

export async function listRequestPage(
  db: Database,
  filter: RequestFilter,
  { limit, startId }: { readonly limit: number; readonly startId?: string | undefined },
  { rowsPerStep, rowsPerPage }: PageBounds = DEFAULT_BOUNDS,
): Promise<RequestPage> {
  const direction = 'newest_first'
  const found: RequestView[] = []
  let rows = 0
  for await (const range of walkRequests(db, filter, { direction, rows: rowsPerStep, startId })) {
    if (rows >= rowsPerPage) return { requests: found, nextId: range.upTo }
    rows += rowsPerStep
    // One more than the page has, to know where the next one begins.
    const wanted = { direction, limit: limit + 1 - found.length } as const
    found.push(...(await db.read(async (sql) => viewRequests(sql, await listRequests(sql, filter, range, wanted)))))
    const next = found[limit]
    if (next) return { requests: found.slice(0, limit), nextId: next.id }
  }
  return { requests: found, nextId: null }
}

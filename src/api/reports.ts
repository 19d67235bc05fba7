/** What a workspace used, for people who are signed in as for keys: the reports of `/api/usage` and `/api/requests`. */

import { DAY_MS } from '../base/time.ts'
import { listRequests, listTags, readRequest, readUsage } from '../contract/reports.ts'
import { listRequestPage } from '../control/request-list.ts'
import { viewRequests } from '../control/request-view.ts'
import { explainRequest, isVisible } from '../control/usage-explain.ts'
import { checkZone, parseSides, totalUsage, type UsageTotal } from '../control/usage-total.ts'
import { allRequestsOf, loadRequest, type RequestFilter } from '../store/request-list.ts'
import { noSuch, type OperationContext, serve } from './operation-route.ts'
import { formatCursor, readPage } from './page.ts'
import { placeOf } from './place.ts'
import { readFilter } from './query.ts'
import type { RouteDefinition } from './routes.ts'

/** How far back tags are looked for. */
const TAGS_MS = 90 * DAY_MS

export const reportRoutes: readonly RouteDefinition[] = [
  serve(readUsage, async (context, { query: { by, zone, ...filters } }) => {
    const { database } = context.control
    const totals = await totalUsage(database, {
      filter: filterOf(context, filters),
      by: parseSides(by),
      zone: checkZone(zone ?? context.place?.workspace.timeZone ?? 'UTC'),
    })
    const { rows, total, ...rest } = totals
    return { ...rest, by: [...totals.by], rows: rows.map(viewTotal), total: viewTotal(total) }
  }),
  serve(listRequests, async (context, { query: { limit, cursor, ...filters } }) => {
    const { after } = readPage({ limit, cursor })
    const page = { limit, startId: after }
    const { requests, nextId } = await listRequestPage(context.control.database, filterOf(context, filters), page)
    return {
      data: requests.map((request) => ({ ...request })),
      next_cursor: nextId === null ? null : formatCursor(nextId),
    }
  }),
  serve(readRequest, async (context, { params: { request: id } }) => {
    const { database } = context.control
    const { workspaceId, only } = placeOf(context)
    const scope = { workspaceId, visibleTo: only }
    const explanation = await explainRequest(database, id, scope)
    const request = await database.read(async (sql) => {
      const record = await loadRequest(sql, id)
      return record && isVisible(record, scope) ? (await viewRequests(sql, [record]))[0] : undefined
    })
    if (!explanation || !request) throw noSuch('request')
    return { ...request, explanation: { ...explanation } }
  }),
  serve(listTags, async (context) => {
    const { workspaceId, only } = placeOf(context)
    const filter = { ...allRequestsOf(workspaceId, only), sinceMs: context.acting.nowMs - TAGS_MS }
    const { rows } = await totalUsage(context.control.database, { filter, by: ['tag'], zone: 'UTC' })
    const tags = new Set(rows.flatMap(({ tag }) => (tag ? tag.split(',') : [])))
    return { data: [...tags].sort() }
  }),
]

/** With the names of its group, where it has one. */
function viewTotal(total: UsageTotal) {
  return { ...total, tokens: { ...total.tokens } }
}

/** An empty value is no value, as in the reports for keys. */
function filterOf(context: OperationContext, filters: Readonly<Record<string, string | undefined>>): RequestFilter {
  const { workspaceId, role, memberId } = placeOf(context)
  const given = Object.entries(filters).flatMap(([name, value]) => (value ? [[name, value] as const] : []))
  return readFilter(new Map(given), { workspaceId, role, memberId: memberId ?? '' })
}

/** `GET /api/requests`: what was asked and what it cost, page by page; and one request with how its charge came about. */
import { AppError } from '../base/errors.ts'
import { listRequestPage, MAX_PAGE } from '../control/request-list.ts'
import { viewRequests } from '../control/request-view.ts'
import { explainRequest, isVisible } from '../control/usage-explain.ts'
import { loadRequest } from '../store/request-list.ts'
import { FILTER_NAMES, invalid, type Query, readFilter, readQuery, viewerOf, visibleTo } from './query.ts'
import { sendJson } from './reply.ts'
import type { RouteDefinition, Visit } from './routes.ts'

export const requestRoutes: readonly RouteDefinition[] = [
  {
    method: 'GET',
    pattern: '/api/requests',
    auth: 'key',
    access: 'key',
    use: null,
    rate: 'read',
    operation: null,
    protocol: null,
    handle: sendRequests,
  },
  {
    method: 'GET',
    pattern: '/api/requests/*',
    auth: 'key',
    access: 'key',
    use: null,
    rate: 'read',
    operation: null,
    protocol: null,
    handle: sendRequest,
  },
]

const DEFAULT_PAGE = 50
const ID = /^req_[0-9a-z_]{1,40}$/

async function sendRequests(visit: Visit): Promise<void> {
  const query = readQuery(visit.query, [...FILTER_NAMES, 'limit', 'cursor'])
  const filter = readFilter(query, viewerOf(visit))
  const page = { limit: readLimit(query), startId: readCursor(query) }
  const { requests, nextId } = await listRequestPage(visit.gateway.database, filter, page)
  sendJson(visit.response, visit.id, { data: requests, next_cursor: nextId === null ? null : formatCursor(nextId) })
}

function readLimit(query: Query): number {
  const text = query.get('limit')
  if (text === undefined) return DEFAULT_PAGE
  const limit = Number(text)
  if (/^\d{1,3}$/.test(text) && limit >= 1 && limit <= MAX_PAGE) return limit
  throw invalid('limit', `is no number from 1 to ${MAX_PAGE}.`)
}

/** Opaque to clients: it may come to hold something else. */
function formatCursor(id: string): string {
  return Buffer.from(`1:${id}`).toString('base64url')
}

function readCursor(query: Query): string | undefined {
  const cursor = query.get('cursor')
  if (cursor === undefined) return undefined
  const [version, id] = Buffer.from(cursor, 'base64url').toString().split(':')
  if (version === '1' && id !== undefined && ID.test(id)) return id
  throw invalid('cursor', 'is none that was given out here. Begin again without one.')
}

async function sendRequest(visit: Visit): Promise<void> {
  readQuery(visit.query, [])
  const viewer = viewerOf(visit)
  const scope = { workspaceId: viewer.workspaceId, visibleTo: visibleTo(viewer) }
  const id = visit.tail.slice('/api/requests/'.length)
  const { database } = visit.gateway
  const explanation = ID.test(id) ? await explainRequest(database, id, scope) : undefined
  if (!explanation) {
    throw new AppError('route_not_found', 'There is no such request among those that this key may see.')
  }
  const request = await database.read(async (sql) => {
    const record = await loadRequest(sql, id)
    return record && isVisible(record, scope) ? (await viewRequests(sql, [record]))[0] : undefined
  })
  sendJson(visit.response, visit.id, { ...request, explanation })
}

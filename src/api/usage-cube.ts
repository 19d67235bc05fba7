/** `GET /api/usage`: sums of what was used, by up to three of its sides at once. */
import { checkZone, parseSides, totalUsage } from '../control/usage-total.ts'
import { FILTER_NAMES, ownerOf, readFilter, readQuery, viewerOf } from './query.ts'
import { sendJson } from './reply.ts'
import type { RouteDefinition, Visit } from './routes.ts'

export const usageRoutes: readonly RouteDefinition[] = [
  {
    method: 'GET',
    pattern: '/api/usage',
    auth: 'key',
    access: 'key',
    use: null,
    rate: 'read',
    operation: null,
    protocol: null,
    handle: sendUsageTotals,
  },
]

async function sendUsageTotals(visit: Visit): Promise<void> {
  const query = readQuery(visit.query, [...FILTER_NAMES, 'by', 'zone'])
  const totals = await totalUsage(visit.gateway.database, {
    filter: readFilter(query, viewerOf(visit)),
    by: parseSides(query.get('by') ?? 'day'),
    zone: checkZone(query.get('zone') ?? ownerOf(visit).timeZone),
  })
  sendJson(visit.response, visit.id, totals)
}

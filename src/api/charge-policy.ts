/** `GET /api/charge-policy`: which outcome costs what, from the table that decides. */
import { publishChargePolicy } from '../domain/charge-policy.ts'
import { sendJson } from './reply.ts'
import { type RouteDefinition, readRoute } from './routes.ts'

export const chargePolicyRoutes: readonly RouteDefinition[] = [
  readRoute('/api/charge-policy', 'none', (visit) => sendJson(visit.response, visit.id, publishChargePolicy())),
]

/** `GET /api/charge-policy`: which outcome costs what, from the table that decides. */
import { publishChargePolicy } from '../domain/charge-policy.ts'
import { sendJson } from './reply.ts'
import type { RouteDefinition } from './routes.ts'

export const chargePolicyRoutes: readonly RouteDefinition[] = [
  {
    method: 'GET',
    pattern: '/api/charge-policy',
    auth: 'none',
    access: 'public',
    use: null,
    rate: 'none',
    operation: null,
    protocol: null,
    handle: (visit) => sendJson(visit.response, visit.id, publishChargePolicy()),
  },
]

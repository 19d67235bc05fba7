/** Every route there is. A route that is not here does not exist. */
import { chargePolicyRoutes } from './charge-policy.ts'
import { discoveryRoutes } from './discovery.ts'
import { exportRoutes } from './export.ts'
import { inferenceRoutes } from './inference.ts'
import { requestRoutes } from './requests.ts'
import type { RouteDefinition } from './routes.ts'
import { sessionRoutes } from './session.ts'
import { usageRoutes } from './usage-cube.ts'

export const allRoutes: readonly RouteDefinition[] = [
  ...inferenceRoutes,
  ...discoveryRoutes,
  ...requestRoutes,
  ...usageRoutes,
  ...exportRoutes,
  ...chargePolicyRoutes,
  ...sessionRoutes,
]

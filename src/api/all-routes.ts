/** Every route there is. A route that is not here does not exist. */
import { auditLogRoutes } from './audit-log.ts'
import { capRoutes } from './caps.ts'
import { chargePolicyRoutes } from './charge-policy.ts'
import { discoveryRoutes } from './discovery.ts'
import { emailSignInRoutes } from './email-sign-in.ts'
import { exportRoutes } from './export.ts'
import { identitySignInRoutes } from './identity-sign-in.ts'
import { inferenceRoutes } from './inference.ts'
import { statementRoutes } from './instance-statement.ts'
import { inviteRoutes } from './invites.ts'
import { keyRoutes } from './keys.ts'
import { memberRoutes } from './members.ts'
import { openApiRoutes } from './openapi.ts'
import { ownKeyRoutes } from './own-keys.ts'
import { passkeyRoutes } from './passkeys.ts'
import { peopleRoutes } from './people.ts'
import { policyRoutes } from './policy.ts'
import { reportRoutes } from './reports.ts'
import { requestRoutes } from './requests.ts'
import type { RouteDefinition } from './routes.ts'
import { seatRoutes } from './seats.ts'
import { sessionRoutes } from './session.ts'
import { settingRoutes } from './settings.ts'
import { signInRoutes } from './sign-in.ts'
import { usageRoutes } from './usage-cube.ts'
import { workspaceRoutes } from './workspaces.ts'

export const allRoutes: readonly RouteDefinition[] = [
  ...inferenceRoutes,
  ...discoveryRoutes,
  ...requestRoutes,
  ...usageRoutes,
  ...exportRoutes,
  ...chargePolicyRoutes,
  ...openApiRoutes,
  ...auditLogRoutes,
  ...settingRoutes,
  ...sessionRoutes,
  ...signInRoutes,
  ...identitySignInRoutes,
  ...emailSignInRoutes,
  ...passkeyRoutes,
  ...ownKeyRoutes,
  ...peopleRoutes,
  ...keyRoutes,
  ...workspaceRoutes,
  ...memberRoutes,
  ...inviteRoutes,
  ...seatRoutes,
  ...capRoutes,
  ...reportRoutes,
  ...policyRoutes,
  ...statementRoutes,
]

/** Every class of attacks there is. */
import { canaries } from './canaries.ts'
import { overrides, redirects } from './egress.ts'
import { failClosed } from './fail-closed.ts'
import { fuzz } from './fuzz.ts'
import { headers } from './headers.ts'
import { identity } from './identity.ts'
import { injection } from './injection.ts'
import { massAssignment } from './mass-assignment.ts'
import { matrix } from './matrix.ts'
import type { AttackClass } from './outcome.ts'
import { surfaces } from './surfaces.ts'
import { tenants } from './tenants.ts'

export const ATTACKS: readonly AttackClass[] = [
  matrix,
  tenants,
  massAssignment,
  injection,
  identity,
  overrides,
  redirects,
  headers,
  failClosed,
  surfaces,
  canaries,
  fuzz,
]

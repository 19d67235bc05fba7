/** What each caller must get of each route, by what the route declares alone. */
import type { RouteDefinition } from '../../src/api/routes.ts'
import type { ErrorCode } from '../../src/base/errors.ts'
import type { Access } from '../../src/contract/operation.ts'
import type { Caller } from './world.ts'

/** `yes`: what it asked is looked at, whatever comes of it. */
export type Expected = 'yes' | ErrorCode

type Scope = 'inference' | 'read' | 'manage'

const EVERY_SCOPE: readonly Scope[] = ['inference', 'read', 'manage']

/** The keys are an admin's, but for one that is a plain member's. */
function scopesOf(caller: Caller): readonly Scope[] | null {
  if (caller === 'inference key') return ['inference']
  if (caller === 'read key') return ['read']
  if (caller === 'manage key' || caller === "member's key" || caller === "removed member's key") return EVERY_SCOPE
  return null
}

/** How a caller stands to the workspace that is asked for. */
function standingOf(caller: Caller): 'operator' | 'admin' | 'member' | null {
  if (caller === 'operator') return 'operator'
  if (caller === 'other admin' || caller === 'removed member') return null
  return caller === 'member' || caller === "member's key" ? 'member' : 'admin'
}

export function expectedOf(route: RouteDefinition, caller: Caller): Expected {
  return route.operation ? expectedOfOperation(route, caller) : expectedOfOther(route, caller)
}

function expectedOfOperation({ operation }: RouteDefinition, caller: Caller): Expected {
  if (!operation) throw new Error('no operation')
  const { access, scope, path } = operation
  if (access === 'public') return 'yes'
  if (caller === 'nobody') return 'sign_in_required'
  if (caller === "removed member's key") return 'key_disabled'
  const scopes = scopesOf(caller)
  if (scopes && (scope === null || !scopes.includes(scope))) return 'permission_denied'
  return expectedByRole(access, path.includes('{workspace}'), standingOf(caller))
}

function expectedByRole(access: Access, hasWorkspace: boolean, standing: ReturnType<typeof standingOf>): Expected {
  if (access === 'operator' && standing !== 'operator') return 'permission_denied'
  if (standing === 'operator' || access === 'person') return 'yes'
  if (!hasWorkspace) throw new Error('an operation for members names no workspace')
  if (standing === null) return 'not_found'
  return access === 'admin' && standing !== 'admin' ? 'permission_denied' : 'yes'
}

function expectedOfOther({ auth, use }: RouteDefinition, caller: Caller): Expected {
  if (auth === 'none') return 'yes'
  if (caller === "removed member's key") return 'key_disabled'
  const scopes = scopesOf(caller)
  if (scopes === null) return auth === 'optional_key' ? 'yes' : 'missing_key'
  return use === null || scopes.includes(use) ? 'yes' : 'permission_denied'
}

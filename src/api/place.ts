/** The workspace that an operation is about, and what of it its caller may see. */
import { AppError } from '../base/errors.ts'
import { RECENT_MS } from '../control/sign-in/session.ts'
import type { OperationContext } from './operation-route.ts'

export interface OwnPlace {
  readonly workspaceId: string
  /** Null for an operator who is no member. */
  readonly memberId: string | null
  readonly role: 'admin' | 'member'
  /** The only member whose things the caller may see; null: everybody's. */
  readonly only: string | null
}

/** For operations with a workspace in their path. */
export function placeOf({ place }: Pick<OperationContext, 'place'>): OwnPlace {
  if (!place) throw new Error('an operation of a workspace was reached without one')
  const { workspace, memberId, role } = place
  if (role === 'member' && memberId === null) throw new Error('a caller is neither a member nor an admin')
  return { workspaceId: workspace.id, memberId, role, only: role === 'admin' ? null : memberId }
}

/**
 * Whoever is made admin may do all that its maker may: a key would get around its limits by it, and a stolen session keep
 * what it has. @throws AppError permission_denied unless a person asks who proved its identity a short while ago
 */
export function checkMayGiveAdmin({ principal, acting }: Pick<OperationContext, 'principal' | 'acting'>): void {
  if (principal?.kind === 'shell') return
  if (principal?.kind !== 'person') {
    throw new AppError('permission_denied', 'Only a person who is signed in makes somebody an admin, not an API key.')
  }
  if (principal.authenticatedAtMs + RECENT_MS > acting.nowMs) return
  throw new AppError(
    'permission_denied',
    'Sign in again first: making somebody an admin needs a proof of identity of the last 15 minutes.',
    { metadata: { reason: 'sign_in_again' } },
  )
}

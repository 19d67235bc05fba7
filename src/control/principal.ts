/** Who asks the control plane, and what that makes of them in a workspace. */
import { AppError } from '../base/errors.ts'
import type { Access } from '../contract/operation.ts'
import type { Sql } from '../store/database.ts'
import type { KeyOwner } from '../store/key.ts'
import { loadKeyStanding, loadMembership, loadSessionStanding, loadWorkspace } from '../store/membership.ts'
import type { Workspace } from '../store/workspace.ts'

export type Principal =
  | {
      readonly kind: 'person'
      readonly personId: string
      readonly isOperator: boolean
      readonly sessionId: string
      /** When it last proved who it is. */
      readonly authenticatedAtMs: number
    }
  /** Whoever may run commands on the machine of the instance. */
  | { readonly kind: 'shell'; readonly personId: null; readonly isOperator: true }
  | { readonly kind: 'key'; readonly personId: string | null; readonly isOperator: boolean; readonly owner: KeyOwner }

/** A workspace as its caller stands to it. */
export interface Place {
  readonly workspace: Workspace
  /** Null for an operator who is no member. */
  readonly memberId: string | null
  readonly role: 'admin' | 'member'
}

/** Undefined for a workspace that the caller has no part in, exactly as for one that does not exist. */
export async function findPlace(sql: Sql, principal: Principal, workspaceId: string): Promise<Place | undefined> {
  if (principal.kind === 'key') {
    const { owner } = principal
    if (owner.workspaceId !== workspaceId) return undefined
    const workspace = await loadWorkspace(sql, workspaceId)
    return workspace && { workspace, memberId: owner.memberId, role: owner.role }
  }
  const { personId } = principal
  const [workspace, membership] = await Promise.all([
    loadWorkspace(sql, workspaceId),
    personId === null ? undefined : loadMembership(sql, workspaceId, personId),
  ])
  if (!workspace) return undefined
  if (principal.isOperator) return { workspace, memberId: membership?.id ?? null, role: 'admin' }
  return membership && { workspace, memberId: membership.id, role: membership.role }
}

/**
 * Looks once more whether the caller may ask what it was let in for; inside the transaction that does it, where nothing
 * can change any more. @throws AppError sign_in_required, key_disabled, permission_denied, not_found
 */
export async function confirmCaller(
  sql: Sql,
  principal: Principal,
  { access, workspaceId }: { readonly access: Access; readonly workspaceId: string | undefined },
): Promise<void> {
  const now = await presentOf(sql, principal)
  if (access === 'operator' && !now.isOperator) {
    throw new AppError('permission_denied', 'Only an operator of this gateway may do this.')
  }
  if (workspaceId === undefined) return
  const place = await findPlace(sql, now, workspaceId)
  if (!place) throw new AppError('not_found', 'There is no such workspace.')
  if (access === 'admin' && place.role !== 'admin') {
    throw new AppError('permission_denied', 'Only an admin of the workspace may do this.')
  }
}

/** The caller as the database has it now. */
async function presentOf(sql: Sql, principal: Principal): Promise<Principal> {
  if (principal.kind === 'shell') return principal
  if (principal.kind === 'person') {
    const standing = await loadSessionStanding(sql, principal.sessionId)
    if (!standing) throw new AppError('sign_in_required', 'This session was ended. Sign in again.')
    return { ...principal, isOperator: standing.isOperator }
  }
  const standing = await loadKeyStanding(sql, principal.owner.keyId)
  if (!standing) throw new AppError('key_disabled', 'This API key is no longer in use. Use another one.')
  const { isOperator, role } = standing
  return { ...principal, isOperator, owner: { ...principal.owner, isOperator, role } }
}

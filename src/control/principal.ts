/** Who asks the control plane, and what that makes of them in a workspace. */
import { AppError } from '../base/errors.ts'
import type { Access } from '../contract/operation.ts'
import type { Sql } from '../store/database.ts'
import { type KeyOwner, loadKeyOwner } from '../store/key.ts'
import { loadMembership, loadSessionStanding, loadWorkspace } from '../store/membership.ts'
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
  | {
      readonly kind: 'key'
      readonly personId: string | null
      readonly isOperator: boolean
      readonly owner: KeyOwner
      /** Of the text that was shown: a key that was rotated has two for a while. */
      readonly keyHash: string
    }

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

/** What an operation asks of its caller. */
export interface Admission {
  readonly access: Access
  /** Of the path; undefined where there is none in it. */
  readonly workspaceId: string | undefined
}

/** @throws AppError permission_denied; not_found for a workspace that the caller has no part in */
export async function admit(sql: Sql, principal: Principal, { access, workspaceId }: Admission): Promise<Place | null> {
  if (access === 'operator' && !principal.isOperator) {
    throw new AppError('permission_denied', 'Only an operator of this gateway may do this.')
  }
  if (workspaceId === undefined) return null
  const place = await findPlace(sql, principal, workspaceId)
  if (!place) throw new AppError('not_found', 'There is no such workspace.')
  if (access === 'admin' && place.role !== 'admin') {
    throw new AppError('permission_denied', 'Only an admin of the workspace may do this.')
  }
  return place
}

export interface Confirmation extends Admission {
  /** What the caller was let in as; without it only the access is looked at. */
  readonly place?: Pick<Place, 'memberId' | 'role'> | null
  readonly nowMs: number
}

/**
 * Looks once more whether the caller may ask what it was let in for, and is still what the work goes by: an operator or
 * not, that member in that role, a key with those limits. Inside the transaction that does it nothing can change any more.
 * @throws AppError sign_in_required, key_disabled, workspace_blocked, permission_denied, not_found; conflict when its
 *   rights are others now
 */
export async function confirmCaller(
  sql: Sql,
  principal: Principal,
  { place, nowMs, ...admission }: Confirmation,
): Promise<void> {
  const now = await presentOf(sql, principal, nowMs)
  const placeNow = await admit(sql, now, admission)
  const isSamePlace = place === undefined || (place?.memberId === placeNow?.memberId && place?.role === placeNow?.role)
  if (isSamePlace && rightsOf(now) === rightsOf(principal)) return
  throw new AppError('conflict', 'What you may do was changed while you asked. Send the request again.')
}

/** What a caller may do beside its part in a workspace, as text that can be compared. */
function rightsOf(principal: Principal): string {
  if (principal.kind !== 'key') return JSON.stringify([principal.isOperator])
  const { scopes, models, products, expiresAtMs } = principal.owner
  return JSON.stringify([principal.isOperator, scopes, models && [...models], products, expiresAtMs])
}

/** The caller as the database has it now. */
async function presentOf(sql: Sql, principal: Principal, nowMs: number): Promise<Principal> {
  if (principal.kind === 'shell') return principal
  if (principal.kind === 'person') {
    const standing = await loadSessionStanding(sql, principal.sessionId)
    // Another proof of identity came with another token: whoever has the one before is out.
    const isSame = standing?.authenticatedAtMs === principal.authenticatedAtMs
    if (!standing || !isSame || standing.expiresAtMs <= nowMs) {
      throw new AppError('sign_in_required', 'This session was ended. Sign in again.')
    }
    return { ...principal, isOperator: standing.isOperator }
  }
  const owner = await loadKeyOwner(sql, principal.keyHash)
  const isOver = owner?.revoked || owner?.isOrphaned || (owner?.expiresAtMs ?? nowMs + 1) <= nowMs
  if (!owner || isOver) throw new AppError('key_disabled', 'This API key is no longer in use. Use another one.')
  if (owner.isBlocked) {
    throw new AppError('workspace_blocked', 'The operator of this gateway has blocked the workspace.')
  }
  return { ...principal, personId: owner.personId, isOperator: owner.isOperator, owner }
}

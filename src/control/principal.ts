/** Who asks the control plane, and what that makes of them in a workspace. */
import type { Sql } from '../store/database.ts'
import type { KeyOwner } from '../store/key.ts'
import { loadMembership, loadWorkspace } from '../store/membership.ts'
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
  const [workspace, membership] = await Promise.all([
    loadWorkspace(sql, workspaceId),
    loadMembership(sql, workspaceId, principal.personId),
  ])
  if (!workspace) return undefined
  if (principal.isOperator) return { workspace, memberId: membership?.id ?? null, role: 'admin' }
  return membership && { workspace, memberId: membership.id, role: membership.role }
}

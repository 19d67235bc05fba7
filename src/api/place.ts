/** The workspace that an operation is about, and what of it its caller may see. */
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

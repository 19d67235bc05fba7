/** SQL that reads credit grants. */
import type { Database } from './database.ts'
import type { CreditGrant } from './workspace.ts'

export function loadGrant(db: Database, grantId: string): CreditGrant | undefined {
  return db.get<CreditGrant>(
    'SELECT id, workspace_id AS "workspaceId", source, amount, note FROM credit_grant WHERE id = ?',
    grantId,
  )
}

/** Whether an instance's rows and the secrets at hand belong together: what is sealed opens, what is on record verifies. */
import { SealError, type Sealer } from '../base/seal.ts'
import { type CredentialRow, listSealedOtherwise, sealContext } from '../store/credential.ts'
import type { Database } from '../store/database.ts'
import { verifyAuditLog } from './audit-log.ts'
import type { ControlPlane } from './control-plane.ts'

export interface SecretsFit {
  /** Own keys of workspaces that do not open. */
  readonly ownKeys: number
  /** Entries of the audit log that do not verify; a hundred at most. */
  readonly auditEntries: number
}

const BATCH = 100

export async function checkSecretsFit(
  db: Database,
  { sealer, trailKeys }: Pick<ControlPlane, 'sealer' | 'trailKeys'>,
): Promise<SecretsFit> {
  let ownKeys = 0
  for (let afterId = ''; ; ) {
    // Under whatever key: no sealed text begins like this.
    const rows = await listSealedOtherwise(db, 'none', afterId, BATCH)
    const last = rows.at(-1)
    if (!last) break
    ownKeys += rows.filter((row) => !opens(sealer, row)).length
    afterId = last.id
  }
  const { faults } = await verifyAuditLog(db, trailKeys)
  return { ownKeys, auditEntries: faults.length }
}

function opens(sealer: Sealer, row: CredentialRow): boolean {
  try {
    sealer.open(row.sealed, sealContext(row))
    return true
  } catch (error) {
    if (error instanceof SealError) return false
    throw error
  }
}

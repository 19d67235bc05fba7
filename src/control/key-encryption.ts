/**
 * The keys that everything secret at rest hangs on. All of them follow from one root: `ZENDO_MASTER_KEY`, or what the
 * data directory made for itself. A root that was followed by another still opens what it sealed; wrapping that again,
 * while the gateway serves, makes the old root superfluous.
 */
import { hkdfSync } from 'node:crypto'
import { createSealer, SealError, type Sealer } from '../base/seal.ts'
import { listSealedOtherwise, replaceSealed, sealContext } from '../store/credential.ts'
import type { Database } from '../store/database.ts'
import { type Acting, changeOnRecord } from './acting.ts'
import { hasMasterKey, moveMasterKey, otherMasterKey, requireMasterKey } from './master-key.ts'

export interface ControlSecrets {
  readonly sealer: Sealer
  /** Keys the chain of the audit log. */
  readonly trailKey: string
  /** Those that entries may have been chained under, the one in use first. */
  readonly trailKeys: readonly string[]
  /** Keys hashes of accounts and addresses, and the tokens that forms must bring back. */
  readonly secret: string
}

/** The first of `roots` is the one in use. Each is any text of 32 or more random characters. */
export function deriveSecrets(roots: readonly [string, ...string[]]): ControlSecrets {
  const [root] = roots
  const trailKeys = roots.map((one) => derive(one, 'zendo audit log'))
  return {
    sealer: createSealer(roots.map((one) => derive(one, 'zendo key encryption'))),
    trailKey: derive(root, 'zendo audit log'),
    trailKeys,
    secret: derive(root, 'zendo control plane'),
  }
}

function derive(root: string, purpose: string): string {
  return Buffer.from(hkdfSync('sha256', root, '', purpose, 32)).toString('base64url')
}

export interface Rewrapped {
  readonly rewrapped: number
  /** Ids of what could not be opened with any key that is known; it stays as it was. */
  readonly unreadable: readonly string[]
}

const BATCH = 100

/**
 * Wraps everything that is sealed at rest under the newest key, a batch at a time while others serve, and puts the instance
 * under it. What is replaced or deleted meanwhile is left alone. What cannot be opened is reported and never touched.
 * @param options `adopt`: also where the instance is under a key that is not known here, and so is lost
 * @throws AppError conflict, before anything is done, where it is and is not to be; storage_unavailable; what was done
 *   until then stays done
 */
export async function rewrapSecrets(
  db: Database,
  sealer: Sealer,
  acting: Acting,
  { adopt = false }: { readonly adopt?: boolean } = {},
): Promise<Rewrapped> {
  const { trailKey, trailKeys = [trailKey], nowMs } = acting
  if (!adopt) await requireMasterKey(db, trailKeys)
  const unreadable: string[] = []
  let rewrapped = 0
  let afterId = ''
  for (;;) {
    const rows = await listSealedOtherwise(db, sealer.prefix, afterId, BATCH)
    const last = rows.at(-1)
    if (!last) break
    afterId = last.id
    const wrapped = rows.flatMap((row) => {
      const after = rewrap(sealer, row.sealed, sealContext(row))
      if (after === null) unreadable.push(row.id)
      return after === null ? [] : [{ id: row.id, before: row.sealed, after }]
    })
    const replaced = await db.write(async (sql) => {
      const done = await Promise.all(wrapped.map(({ id, before, after }) => replaceSealed(sql, id, before, after)))
      return done.filter(Boolean).length
    })
    rewrapped += replaced
  }
  // Every process loads again what it keeps in memory, under the new key.
  await changeOnRecord(db, acting, async (sql, put) => {
    const isAdopted = !(await hasMasterKey(sql, trailKeys))
    if (isAdopted && !adopt) throw otherMasterKey()
    await moveMasterKey(sql, trailKey, nowMs)
    await put({
      ...{ action: 'secrets.rewrap', workspaceId: null, target: null },
      after: { key: sealer.keyId, rewrapped, unreadable: unreadable.length, ...(isAdopted && { adopted: true }) },
    })
  })
  return { rewrapped, unreadable }
}

function rewrap(sealer: Sealer, sealed: string, context: readonly string[]): string | null {
  try {
    return sealer.rewrap(sealed, context)
  } catch (error) {
    if (error instanceof SealError) return null
    throw error
  }
}

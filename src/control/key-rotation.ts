/**
 * Gives a key another text while the one that it had is still taken for a while. It stays the same key: its limits, caps,
 * what counts in them and its reports go on, so that a rotation gains nothing.
 */
import { formatInstant } from '../base/time.ts'
import { hashKey } from '../domain/api-key.ts'
import type { Database } from '../store/database.ts'
import { replaceSecret } from '../store/key.ts'
import { loadMember } from '../store/membership.ts'
import { changeOnRecord } from './acting.ts'
import {
  type Asking,
  checkMayHold,
  checkRecent,
  checkWithin,
  loadLiveKey,
  loadOwnKey,
  makeKey,
  type ShownKey,
} from './key.ts'

/** Zero: the old text is refused at once. @throws AppError not_found, conflict (revoked), permission_denied */
export function rotateKey(db: Database, asking: Asking, keyId: string, overlapMs: number): Promise<ShownKey> {
  const { acting, place, principal } = asking
  const workspaceId = place.workspace.id
  return changeOnRecord(db, acting, async (sql, put) => {
    const before = await loadLiveKey(sql, asking, keyId)
    const { memberId, name, scopes } = before
    checkWithin(principal, scopes, before)
    const member = await loadMember(sql, workspaceId, memberId)
    if (member) checkMayHold(asking, member, scopes)
    if (scopes.some((scope) => scope !== 'inference')) checkRecent(asking)
    const { key, preview } = makeKey({ memberId, name }, acting)
    const previousUntilMs = overlapMs === 0 ? null : acting.nowMs + overlapMs
    await replaceSecret(sql, keyId, { hash: hashKey(key), preview, previousUntilMs })
    const after = { previous_until: previousUntilMs === null ? null : formatInstant(previousUntilMs) }
    await put({ action: 'key.rotate', workspaceId, target: keyId, after })
    return { row: await loadOwnKey(sql, asking, keyId), key }
  })
}

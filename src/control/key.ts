/** API keys: made, listed and revoked. A key's text exists only in what `createKey` returns. */
import { newId } from '../base/ids.ts'
import { formatKey, hashKey, previewKey } from '../domain/api-key.ts'
import type { Database } from '../store/database.ts'
import * as store from '../store/key.ts'
import { writeTransaction } from '../store/transaction.ts'
import type { RandomBytes } from './instance.ts'
import { checkText } from './text.ts'

const KEY_BYTES = 20
const MAX_NAME_LENGTH = 100

export interface NewKey {
  readonly id: string
  /** The plain text, to be shown once. */
  readonly key: string
  readonly preview: string
  readonly name: string
  readonly memberId: string
  readonly createdAtMs: number
}

export interface KeyMaking {
  readonly nowMs: number
  readonly randomBytes: RandomBytes
}

export interface KeyRequest {
  readonly workspaceId: string
  readonly memberId: string
  readonly name: string
}

/** @throws AppError invalid_request for an unusable name. */
export function createKey(db: Database, request: KeyRequest, making: KeyMaking): NewKey {
  checkText('name', request.name, { minLength: 1, maxLength: MAX_NAME_LENGTH })
  return writeTransaction(db, () => addKey(db, request, making))
}

/** Writes a key inside the caller's transaction. */
export function addKey(db: Database, request: KeyRequest, making: KeyMaking): NewKey {
  const key = formatKey(making.randomBytes(KEY_BYTES))
  const id = newId('key', making.nowMs)
  const preview = previewKey(key)
  const { workspaceId, memberId, name } = request
  store.insertKey(db, { id, workspaceId, memberId, name, hash: hashKey(key), preview }, making.nowMs)
  return { id, key, preview, name, memberId, createdAtMs: making.nowMs }
}

export type Revocation = 'revoked' | 'already_revoked' | 'not_found'

/** Revokes a key of a workspace. Requests under way end normally; the next one is refused. */
export function revokeKey(db: Database, workspaceId: string, keyId: string, nowMs: number): Revocation {
  return writeTransaction(db, () => {
    const found = store.listKeys(db, workspaceId).some((row) => row.id === keyId)
    if (!found) return 'not_found'
    return store.revokeKey(db, keyId, nowMs) ? 'revoked' : 'already_revoked'
  })
}

/** Oldest first, revoked ones too. */
export function listKeys(db: Database, workspaceId: string): store.KeyRow[] {
  return store.listKeys(db, workspaceId)
}

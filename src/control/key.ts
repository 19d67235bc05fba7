/** API keys: made, listed and revoked. A key's text exists only in what `createKey` returns. */
import { newId } from '../base/ids.ts'
import { formatKey, hashKey, previewKey } from '../domain/api-key.ts'
import type { Database, Sql } from '../store/database.ts'
import * as store from '../store/key.ts'
import type { RandomBytes } from './instance.ts'
import { changePolicy } from './policy.ts'
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
export async function createKey(db: Database, request: KeyRequest, making: KeyMaking): Promise<NewKey> {
  checkText('name', request.name, { minLength: 1, maxLength: MAX_NAME_LENGTH })
  const made = makeKey(request, making)
  await changePolicy(db, (sql) => insertKey(sql, request.workspaceId, made))
  return made
}

/** A key that nothing knows yet. */
export function makeKey({ memberId, name }: Omit<KeyRequest, 'workspaceId'>, making: KeyMaking): NewKey {
  const key = formatKey(making.randomBytes(KEY_BYTES))
  const { nowMs } = making
  return { id: newId('key', nowMs), key, preview: previewKey(key), name, memberId, createdAtMs: nowMs }
}

/** Writes a key inside the caller's transaction. */
export async function insertKey(sql: Sql, workspaceId: string, made: NewKey): Promise<void> {
  const { id, key, preview, memberId, name, createdAtMs } = made
  await store.insertKey(sql, { id, workspaceId, memberId, name, hash: hashKey(key), preview }, createdAtMs)
}

export type Revocation = 'revoked' | 'already_revoked' | 'not_found'

/** Revokes a key of a workspace. Requests under way end normally; the next one is refused. */
export function revokeKey(db: Database, workspaceId: string, keyId: string, nowMs: number): Promise<Revocation> {
  return changePolicy(db, async (sql) => {
    const keys = await store.listKeys(sql, workspaceId)
    if (!keys.some(({ id }) => id === keyId)) return 'not_found'
    return (await store.revokeKey(sql, keyId, nowMs)) ? 'revoked' : 'already_revoked'
  })
}

/** Oldest first, revoked ones too. */
export function listKeys(db: Database, workspaceId: string): Promise<store.KeyRow[]> {
  return store.listKeys(db, workspaceId)
}

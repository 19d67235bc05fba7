/** Finds the owner of an API key: in memory when it was seen before, else in the database. */
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import type { Database } from '../store/database.ts'
import { type KeyOwner, loadKeyOwner } from '../store/key.ts'

export interface KeyCache {
  /** The owner; undefined when there is no such key. Text that cannot be a key never reaches the database. */
  find(key: string): KeyOwner | undefined
  /** Forgets everything: another process may have changed keys or seats. */
  clear(): void
}

const MAX_KEYS = 10_000

export function createKeyCache(database: Database): KeyCache {
  // Keyed by the whole hash: a part of it could be shared by two keys.
  const owners = new Map<string, KeyOwner>()
  return {
    find(key) {
      if (!isWellFormedKey(key)) return undefined
      const hash = hashKey(key)
      let owner = owners.get(hash)
      if (!owner) {
        owner = loadKeyOwner(database, hash)
        if (!owner) return undefined
        if (owners.size >= MAX_KEYS) owners.clear()
        owners.set(hash, owner)
      }
      return owner
    },
    clear: () => owners.clear(),
  }
}

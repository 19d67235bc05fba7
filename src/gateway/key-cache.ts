/** Finds the owner of an API key: in memory when it was seen before, else in the database. */
import { hashKey, isWellFormedKey } from '../domain/api-key.ts'
import { LATE, SYSTEM_TIMERS, type Timers, within } from '../ledger/timers.ts'
import { type Database, storageFailure } from '../store/database.ts'
import { type KeyOwner, loadKeyOwner } from '../store/key.ts'
import { saveKeyUses } from '../store/key-use.ts'

export interface KeyCache {
  /**
   * The owner; undefined when there is no such key. Text that cannot be a key never reaches the database.
   * @throws AppError storage_unavailable when it must be looked up and cannot: that says nothing about the key.
   */
  find(key: string): Promise<KeyOwner | undefined>
  /** That a key was used now, to be written later. */
  noteUse(keyId: string, nowMs: number): void
  /** Writes what was noted since the last time; what cannot be written is kept for the next. @throws AppError storage_unavailable */
  saveUses(): Promise<void>
  /** Forgets everything: keys, seats, caps or settings have changed. */
  clear(): void
}

const MAX_KEYS = 10_000
/** As long as a hold may take: whoever waits for a database that is away must hear so in time to try elsewhere. */
const LOOK_UP_MS = 1000

export function createKeyCache(database: Database, timers: Timers = SYSTEM_TIMERS): KeyCache {
  // Keyed by the whole hash: a part of it could be shared by two keys.
  const owners = new Map<string, KeyOwner>()
  let uses = new Map<string, number>()
  let revision = 0
  return {
    async find(key) {
      if (!isWellFormedKey(key)) return undefined
      const hash = hashKey(key)
      const known = owners.get(hash)
      if (known) return known
      const before = revision
      const owner = await within(timers, loadKeyOwner(database, hash), LOOK_UP_MS)
      if (owner === LATE) throw storageFailure(new Error('a key could not be looked up in time'))
      // What was read before a change must not be remembered after it.
      if (owner && before === revision) {
        if (owners.size >= MAX_KEYS) owners.clear()
        owners.set(hash, owner)
      }
      return owner
    },
    noteUse(keyId, nowMs) {
      uses.set(keyId, nowMs)
    },
    async saveUses() {
      const taken = uses
      uses = new Map()
      try {
        await saveKeyUses(database, taken)
      } catch (error) {
        uses = new Map([...taken, ...uses])
        throw error
      }
    },
    clear() {
      revision++
      owners.clear()
    },
  }
}

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError } from '../base/errors.ts'
import { formatKey } from '../domain/api-key.ts'
import type { Database } from '../store/database.ts'
import { createKeyCache } from './key-cache.ts'

it('a key that cannot be looked up in time is refused for the storage, never as unknown', async () => {
  const answered = Promise.withResolvers<undefined>()
  const frozen = { get: () => answered.promise } as unknown as Database
  const fired: (() => void)[] = []
  const timers = {
    now: () => 0,
    soon: () => undefined,
    after(_: number, work: () => void) {
      fired.push(work)
      return () => undefined
    },
    every: () => () => undefined,
  }
  const found = createKeyCache(frozen, timers).find(formatKey(new Uint8Array(20)))
  for (const work of fired) work()
  await assert.rejects(found, (error) => error instanceof AppError && error.code === 'storage_unavailable')
  answered.resolve(undefined)
})

/** For tests: a real database file in a directory of its own, which the end of the test removes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Database, openDatabase } from './database.ts'

/** As many connections to one new database as asked for, as if from so many processes. */
export function openTestDatabases(t: TestContext, count: number, busyTimeoutMs = 5): Database[] {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-store-'))
  const path = join(directory, 'zendo.db')
  const connections = Array.from({ length: count }, () => openDatabase(path, { nowMs: 0, busyTimeoutMs }))
  t.after(() => {
    for (const db of connections) db.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return connections
}

export function openTestDatabase(t: TestContext): Database {
  const [db] = openTestDatabases(t, 1)
  if (!db) throw new Error('no database')
  return db
}

/** For tests: a real database file in a directory of its own, which the end of the test removes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Database } from './database.ts'
import { openSqlite } from './sqlite.ts'

/** As many connections to one new database as asked for, as if from so many processes. */
export async function openTestDatabases(t: TestContext, count: number): Promise<Database[]> {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-store-'))
  const connections: Database[] = []
  t.after(async () => {
    for (const db of connections) await db.close()
    rmSync(directory, { recursive: true, force: true })
  })
  for (let i = 0; i < count; i++) connections.push(await openSqlite(join(directory, 'zendo.db'), { nowMs: 0 }))
  return connections
}

export async function openTestDatabase(t: TestContext): Promise<Database> {
  const [db] = await openTestDatabases(t, 1)
  if (!db) throw new Error('no database')
  return db
}

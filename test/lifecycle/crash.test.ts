/** Crashes around backup and restore: of the server before it, and of the commands themselves. */
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openSqlite } from '../../src/store/sqlite.ts'
import { until } from '../support/until.ts'
import { runZendo, startWorld, temporaryDirectory, zendoJson } from './world.ts'

const RELEASED = join(import.meta.dirname, '..', 'schemas', '0002.sqlite')

interface Restored {
  readonly released: number
  readonly kept: readonly string[]
  readonly audit: { readonly differences: readonly unknown[] }
}

async function statesIn(dataDir: string): Promise<Map<string, string>> {
  const database = await openSqlite(join(dataDir, 'zendo.db'), { nowMs: 0 })
  try {
    const rows = await database.all<{ id: string; state: string }>('SELECT id, state FROM request')
    return new Map(rows.map(({ id, state }) => [id, state]))
  } finally {
    await database.close()
  }
}

describe('a backup after a crash', () => {
  it('of a server killed at work has every charge that was told', { timeout: 120_000 }, async (t) => {
    const world = await startWorld(t)
    const load = world.load(6)
    await until('the load runs', () => load.answered.length > 40, 30_000)
    await world.instance.kill()
    const told = await load.stop()
    const file = join(temporaryDirectory(t), 'backup.sqlite')
    const { dataDir } = world.instance
    await zendoJson(['backup', file], { dataDir })
    const target = temporaryDirectory(t)
    const { audit } = await zendoJson<Restored>(['restore', file], { dataDir: target })
    assert.deepEqual(audit.differences, [])
    const states = await statesIn(target)
    for (const id of told) assert.equal(states.get(id), 'settled', id)
    assert.ok([...states.values()].every((state) => state !== 'held'))
  })
})

describe('a restore that is killed', () => {
  for (const point of ['migrate.before_commit', 'sweep.before_commit']) {
    it(`at ${point} leaves what was there, and works the second time`, { timeout: 60_000 }, async (t) => {
      const dataDir = temporaryDirectory(t)
      copyFileSync(RELEASED, join(dataDir, 'zendo.db'))
      const file = join(temporaryDirectory(t), 'backup.sqlite')
      await zendoJson(['backup', file], { dataDir })
      const before = readFileSync(join(dataDir, 'zendo.db'))
      const env = { ZENDO_FAILPOINT: `${point}=kill` }
      const killed = await runZendo(['restore', file, '--force'], { dataDir, env })
      assert.notEqual(killed.code, 0)
      assert.ok(before.equals(readFileSync(join(dataDir, 'zendo.db'))), 'the old database is untouched')
      assert.ok(existsSync(join(dataDir, 'zendo.db.restoring')), 'it had begun')
      const { kept, released, audit } = await zendoJson<Restored>(['restore', file, '--force'], { dataDir })
      assert.deepEqual([kept.length, released > 0, audit.differences], [1, true, []])
      assert.deepEqual(
        readdirSync(dataDir).filter((name) => name.includes('restoring')),
        [],
      )
    })
  }
})

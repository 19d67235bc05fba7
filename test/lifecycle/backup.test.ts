/** A backup of a server under load, restored by another: every charge that a client knew of is in it, and nothing else. */
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openDatabase } from '../../src/store/open-database.ts'
import { forEachEngine } from '../support/engines.ts'
import { prepareInstance } from '../support/instance.ts'
import { until } from '../support/until.ts'
import { askOnce, databaseOf, runZendo, startWorld, temporaryDirectory, zendoJson } from './world.ts'

interface Restored {
  readonly rows: Readonly<Record<string, number>>
  readonly released: number
  readonly audit: { readonly differences: readonly unknown[] }
}

/** What 10 tokens of output cost, in nano-dollars. */
const CHARGE = 5_000_000n

forEachEngine((engine) => {
  describe('a backup under load', () => {
    it('holds every charge that was told before it began, and serves after its restore', {
      timeout: 240_000,
    }, async (t) => {
      const store = await engine.createStore(t)
      const world = await startWorld(t, store.place)
      const load = world.load(8)
      await until('the load runs', () => load.answered.length > 50, 30_000)
      const file = join(temporaryDirectory(t), 'backup.sqlite')
      const place = 'url' in store.place ? store.place : undefined
      const told = [...load.answered]
      await zendoJson(['backup', file], { dataDir: world.instance.dataDir, ...(place ? { place } : {}) })
      const after = load.answered.length
      await until('the load goes on', () => load.answered.length > after + 20, 30_000)
      await load.stop()

      const elsewhere = await engine.createStore(t)
      const next = await prepareInstance({ config: world.config, env: databaseOf(elsewhere.place) })
      t.after(() => next.remove())
      copyFileSync(join(world.instance.dataDir, 'secrets.json'), join(next.dataDir, 'secrets.json'))
      const target = 'url' in elsewhere.place ? { place: elsewhere.place } : {}
      const restored = await zendoJson<Restored>(['restore', file], { dataDir: next.dataDir, ...target })
      assert.deepEqual(restored.audit.differences, [])

      const restoredPlace = 'url' in elsewhere.place ? elsewhere.place : { path: join(next.dataDir, 'zendo.db') }
      const database = await openDatabase(restoredPlace, { nowMs: 0 })
      try {
        const rows = await database.all<{ id: string; state: string; charged: bigint }>(
          'SELECT id, state, charged FROM request',
        )
        const byId = new Map(rows.map((row) => [row.id, row]))
        for (const id of told) assert.deepEqual([byId.get(id)?.state, byId.get(id)?.charged], ['settled', CHARGE], id)
        assert.deepEqual(
          rows.filter(({ state }) => state === 'held'),
          [],
        )
        assert.ok(rows.length < load.answered.length, 'what came after the backup is not in it')
        await assert.rejects(database.run('UPDATE entry SET amount = amount + 1'), /append-only/)
        await assert.rejects(database.run('UPDATE account SET posted = posted + 1'), /ledger alone/)
      } finally {
        await database.close()
      }

      await next.start()
      assert.notEqual(await askOnce(next.baseUrl(), world.instance.apiKey), null, 'the keys of before open it')
      await until('nothing is under way', async () => {
        const { checked } = (await next.cli('audit')) as { checked: { held: number } }
        return checked.held === 0
      })
      assert.deepEqual(((await next.cli('audit')) as Restored['audit']).differences, [])
    })
  })
})

describe('a backup', () => {
  it('is for its owner alone, and replaces no file', async (t) => {
    const world = await startWorld(t)
    const { dataDir } = world.instance
    const directory = temporaryDirectory(t)
    const file = join(directory, 'backup.sqlite')
    await zendoJson(['backup', file], { dataDir })
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(readdirSync(directory), ['backup.sqlite'])
    const again = await runZendo(['backup', file], { dataDir })
    assert.deepEqual([again.code, /exists/.test(again.stderr)], [1, true])
    const live = await runZendo(['backup', join(dataDir, 'zendo.db')], { dataDir })
    assert.deepEqual([live.code, /exists/.test(live.stderr)], [1, true])
  })

  it('does not take the place of a directory that a server uses, even by force', async (t) => {
    const world = await startWorld(t)
    const { dataDir } = world.instance
    const file = join(temporaryDirectory(t), 'backup.sqlite')
    await zendoJson(['backup', file], { dataDir })
    for (const more of [[], ['--force']]) {
      const { code, stderr } = await runZendo(['restore', file, ...more], { dataDir })
      assert.deepEqual([code, /another Zendo server is using/.test(stderr)], [1, true], stderr)
    }
    assert.notEqual(await world.ask(), null)
    assert.equal(existsSync(join(dataDir, 'zendo.db.restoring')), false)
  })
})

/** An instance moves to the other engine and back: every row arrives, and a crash on the way changes nothing. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { copyTables, type Digests, digestAll, listInstanceTables } from '../../src/control/copy-database.ts'
import { setUpInstance } from '../../src/control/setup.ts'
import { setUpTestInstance } from '../../src/control/test-instance.ts'
import type { Database, Sql } from '../../src/store/database.ts'
import { openDatabase } from '../../src/store/open-database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { describeWithPostgres } from '../support/engines.ts'
import { runZendo, startWorld, temporaryDirectory, zendoJson } from './world.ts'

const SCHEMAS = join(import.meta.dirname, '..', 'schemas')
const RELEASED = readdirSync(SCHEMAS).filter((name) => name.endsWith('.sqlite'))

interface Moved {
  readonly engine: string
  readonly from_schema: number
  readonly to_schema: number
  readonly rows: Readonly<Record<string, number>>
  readonly released: number
  readonly audit: { readonly differences: readonly unknown[]; readonly checked: object; readonly figures: object }
}

/** A data directory that a server has used and left in order. */
async function createUsedDirectory(t: TestContext): Promise<string> {
  const world = await startWorld(t)
  for (let n = 0; n < 20; n++) await world.ask()
  world.instance.signal('SIGTERM')
  await world.instance.exited()
  return world.instance.dataDir
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Of all rows of a database, by the tables of a SQLite file. */
async function digestsOf(database: Database, catalogue: Sql): Promise<Digests> {
  return await digestAll(database, await listInstanceTables(catalogue))
}

async function withDatabase<T>(opening: Promise<Database>, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await opening
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

describeWithPostgres('zendo migrate', (server) => {
  it('carries every row to PostgreSQL and back, and its audit says the same', { timeout: 180_000 }, async (t) => {
    const dataDir = await createUsedDirectory(t)
    const source = join(dataDir, 'zendo.db')
    const before = hashOf(source)
    const audited = await zendoJson<Moved['audit']>(['audit'], { dataDir })
    const url = await server().createDatabase()
    const there = await zendoJson<Moved>(['migrate', '--to', url], { dataDir })
    assert.deepEqual(there.audit, audited)
    assert.equal(hashOf(source), before, 'the source is only read')
    const back = join(temporaryDirectory(t), 'back', 'zendo.db')
    const returned = await zendoJson<Moved>(['migrate', '--to', back], { dataDir, place: { url } })
    assert.deepEqual([returned.rows, returned.audit], [there.rows, audited])
    await withDatabase(openSqlite(source, { nowMs: 0 }), (first) =>
      withDatabase(openSqlite(back, { nowMs: 0 }), (second) =>
        withDatabase(openPostgres(url, { nowMs: 0 }), async (middle) => {
          const expected = await digestsOf(first, first)
          assert.deepEqual(await digestsOf(middle, first), expected)
          assert.deepEqual(await digestsOf(second, first), expected)
          assert.equal(there.rows.request, 20)
        }),
      ),
    )
  })

  it('leaves the guards of the books in place', { timeout: 120_000 }, async (t) => {
    const dataDir = await createUsedDirectory(t)
    const url = await server().createDatabase()
    await zendoJson(['migrate', '--to', url], { dataDir })
    await withDatabase(openPostgres(url, { nowMs: 0 }), async (database) => {
      for (const sql of ['UPDATE transfer SET created_at = 1', 'DELETE FROM entry', 'DELETE FROM price_version']) {
        await assert.rejects(
          database.write((tx) => tx.run(sql)),
          /append-only/,
          sql,
        )
      }
      await assert.rejects(
        database.write((tx) => tx.run('UPDATE account SET posted = 0')),
        /ledger alone/,
      )
    })
  })

  it('writes to no database that holds an instance, and to no file that is there', { timeout: 120_000 }, async (t) => {
    const dataDir = await createUsedDirectory(t)
    const url = await server().createDatabase()
    await withDatabase(openPostgres(url, { nowMs: 0 }), (database) =>
      setUpInstance(database, { nowMs: 1, randomBytes, trailKey: 'a trail key' }),
    )
    const full = await runZendo(['migrate', '--to', url], { dataDir })
    assert.deepEqual([full.code, /already holds an instance/.test(full.stderr)], [1, true], full.stderr)
    const file = await runZendo(['migrate', '--to', join(dataDir, 'zendo.db')], { dataDir })
    assert.deepEqual([file.code, /exists/.test(file.stderr)], [1, true], file.stderr)
  })

  it('moves nothing that is being served, on either engine', { timeout: 120_000 }, async (t) => {
    const world = await startWorld(t)
    const empty = await server().createDatabase()
    const one = await runZendo(['migrate', '--to', empty], { dataDir: world.instance.dataDir })
    assert.deepEqual([one.code, /another Zendo server/.test(one.stderr)], [1, true], one.stderr)
    const url = await server().createDatabase()
    await startWorld(t, { url })
    const dataDir = temporaryDirectory(t)
    const two = await runZendo(['migrate', '--to', join(dataDir, 'new.db')], { dataDir, place: { url } })
    assert.deepEqual([two.code, /server processes use the database/.test(two.stderr)], [1, true], two.stderr)
  })

  it('killed before it commits, leaves both sides as they were; a second run works', {
    timeout: 180_000,
  }, async (t) => {
    const dataDir = await createUsedDirectory(t)
    const source = join(dataDir, 'zendo.db')
    const before = hashOf(source)
    const url = await server().createDatabase()
    // The first commit is that of the schema, the second that of all rows.
    for (const passes of [1, 2]) {
      const place = passes === 1 ? url : await server().createDatabase()
      const env = { ZENDO_FAILPOINT: `migrate.before_commit=kill@${passes}` }
      const killed = await runZendo(['migrate', '--to', place], { dataDir, env })
      assert.notEqual(killed.code, 0)
      assert.equal(hashOf(source), before)
      await withDatabase(openPostgres(place, { nowMs: 0 }), async (database) => {
        assert.deepEqual(await database.all('SELECT id FROM workspace'), [])
        assert.deepEqual(await database.all('SELECT id FROM request'), [])
      })
      const again = await zendoJson<Moved>(['migrate', '--to', place], { dataDir })
      assert.deepEqual([again.rows.request, again.audit.differences], [20, []])
    }
    const left = readdirSync(dataDir).filter((name) => /moving|restoring|unfinished/.test(name))
    assert.deepEqual(left, [], 'what a killed run left is gone')
  })

  for (const name of RELEASED) {
    it(`takes a database of schema ${basename(name, '.sqlite')}, made by the release, to either engine`, async (t) => {
      const released = Number(name.slice(0, 4))
      const dataDir = temporaryDirectory(t)
      copyFileSync(join(SCHEMAS, name), join(dataDir, 'zendo.db'))
      const url = await server().createDatabase()
      const moved = await zendoJson<Moved>(['migrate', '--to', url], { dataDir })
      assert.equal(hashOf(join(dataDir, 'zendo.db')), hashOf(join(SCHEMAS, name)), 'the source is only read')
      assert.deepEqual([moved.from_schema, moved.engine, moved.audit.differences], [released, 'postgres', []])
      assert.ok(moved.released > 0, 'what nobody answers for is given back')

      const killed = await runZendo(['migrate'], { dataDir, env: { ZENDO_FAILPOINT: 'migrate.before_commit=kill' } })
      assert.notEqual(killed.code, 0)
      const schema = await zendoJson<Moved>(['migrate'], { dataDir })
      assert.deepEqual([schema.from_schema, schema.to_schema > released], [released, true])
      const once = await zendoJson<Moved>(['migrate'], { dataDir })
      assert.deepEqual([once.from_schema, once.to_schema], [schema.to_schema, schema.to_schema])
      // Its holds grow old with it; the next start gives them back.
      const audited = await runZendo(['audit', '--json'], { dataDir })
      const { differences } = JSON.parse(audited.stdout) as { differences: { rule: string }[] }
      assert.deepEqual(
        differences.filter(({ rule }) => rule !== 'stale_hold'),
        [],
      )
    })
  }

  it('a row that is lost or changed on its way is noticed', async (t) => {
    const source = await openSqlite(join(temporaryDirectory(t), 'zendo.db'), { nowMs: 0 })
    t.after(() => source.close())
    await setUpTestInstance(source, { dataDir: temporaryDirectory(t) })
    for (const [spoil, table] of [
      [dropLast, 'price_version'],
      [changeText, 'member'],
    ] as const) {
      const target = await openDatabase({ url: await server().createDatabase() }, { nowMs: 0 })
      t.after(() => target.close())
      const spoiling: Database = {
        ...target,
        write: (work, options) => target.write((sql) => work({ ...sql, runEach: spoil(sql) }), options),
      }
      const copying = source.read((from) => copyTables(from, spoiling, from))
      await assert.rejects(copying, new RegExp(`rows changed on their way: ${table} `))
      assert.deepEqual(await target.all('SELECT id FROM workspace'), [], 'nothing of it stays')
    }
  })
})

type RunEach = Sql['runEach']

function dropLast(sql: Sql): RunEach {
  return (text, rows) => sql.runEach(text, text.includes('INTO "price_version"') ? rows.slice(0, -1) : rows)
}

function changeText(sql: Sql): RunEach {
  const changed = (values: Parameters<RunEach>[1][number]) =>
    values.map((value) => (value === 'admin' ? 'member' : value))
  return (text, rows) => sql.runEach(text, text.includes('INTO "member"') ? rows.map(changed) : rows)
}

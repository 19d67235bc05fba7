import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Database, SqlValue } from '../../src/store/database.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import type { DatabasePlace } from '../../src/store/open-database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { forEachEngine } from '../support/engines.ts'
import { countOwnRevisions } from './rows.ts'

const FIXTURE = new URL('../schemas/0002.sqlite', import.meta.url)
const KNOWN = readMigrations()

/** Without migrating it. */
async function openBare(t: TestContext, place: DatabasePlace): Promise<Database> {
  const options = { nowMs: 0, isMigrated: true } as const
  const db = await ('url' in place ? openPostgres(place.url, options) : openSqlite(place.path, options))
  t.after(() => db.close())
  return db
}

async function versionsOf(db: Database): Promise<number[]> {
  const rows = await db.all<{ version: bigint }>('SELECT version FROM migration ORDER BY version')
  return rows.map(({ version }) => Number(version))
}

/** Runs a program on the database as another process would; resolves with its exit code, or the signal that ended it. */
function runElsewhere(place: DatabasePlace, program: string): Promise<number | string | null> {
  const url = (path: string): string => JSON.stringify(new URL(`../../src/store/${path}`, import.meta.url).href)
  const code =
    `import { openDatabase } from ${url('open-database.ts')}; import { openSqlite } from ${url('sqlite.ts')};` +
    `import { openPostgres } from ${url('postgres.ts')}; import { migrate, readMigrations } from ${url('migrate.ts')};` +
    `const place = ${JSON.stringify(place)};\n${program}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'inherit'] })
  return new Promise((resolve) => child.once('exit', (exitCode, signal) => resolve(signal ?? exitCode)))
}

forEachEngine((engine) => {
  describe('migrations', () => {
    it('are applied once each, in their order', async (t) => {
      const store = await engine.createStore(t)
      const db = await store.open()
      assert.deepEqual(
        await versionsOf(db),
        KNOWN.map(({ version }) => version),
      )
      await migrate(db, 7)
      await store.open()
      const applied = await db.all<{ applied_at: bigint }>('SELECT applied_at FROM migration')
      assert.ok(applied.length === KNOWN.length && applied.every(({ applied_at }) => applied_at === 0n))
    })

    it('one that fails leaves nothing of itself, nor of those before it', async (t) => {
      const db = await engine.openDatabase(t)
      const good = { version: 9998, name: 'good', checksum: 'x', sql: 'CREATE TABLE whole (id TEXT);' }
      const bad = {
        ...good,
        version: 9999,
        name: 'bad',
        sql: 'CREATE TABLE half (id TEXT); CREATE TABLE half (id TEXT);',
      }
      await assert.rejects(migrate(db, 2, [...KNOWN, good, bad]), /already exists/)
      for (const table of ['half', 'whole']) await assert.rejects(db.get(`SELECT 1 FROM ${table}`), /half|whole/)
      assert.deepEqual(
        await versionsOf(db),
        KNOWN.map(({ version }) => version),
      )
      await migrate(db, 2, [...KNOWN, good])
      assert.equal(await db.get('SELECT 1 FROM whole'), undefined)
    })

    it('a database of a newer version is refused, and so is a migration that was edited', async (t) => {
      const db = await engine.openDatabase(t)
      const [first, ...rest] = KNOWN
      assert.ok(first)
      const edited = migrate(db, 2, [{ ...first, checksum: 'edited' }, ...rest])
      await assert.rejects(edited, { code: 'storage_unavailable', message: /was changed/ })
      await db.run("INSERT INTO migration (version, name, checksum, applied_at) VALUES (9999, 'later', 'x', 1)")
      await assert.rejects(migrate(db, 2), { code: 'storage_unavailable', message: /schema 9999, newer/ })
    })

    it('opened by several at once while it is empty, it is migrated once, and all can work', async (t) => {
      const store = await engine.createStore(t)
      const databases = await Promise.all(Array.from({ length: 5 }, () => store.open()))
      for (const db of databases)
        assert.deepEqual(
          await versionsOf(db),
          KNOWN.map(({ version }) => version),
        )
      await Promise.all(databases.map((db, n) => db.run('INSERT INTO revision VALUES (?, 1)', `r${n}`)))
      assert.deepEqual(await Promise.all(databases.map(countOwnRevisions)), [5, 5, 5, 5, 5])
    })

    it('the same with processes', async (t) => {
      const store = await engine.createStore(t)
      const program = 'const db = await openDatabase(place, { nowMs: 0 }); await db.close()'
      const codes = await Promise.all([1, 2, 3].map(() => runElsewhere(store.place, program)))
      assert.deepEqual(codes, [0, 0, 0])
      assert.deepEqual(
        await versionsOf(await store.open()),
        KNOWN.map(({ version }) => version),
      )
    })

    it('a process that is killed in the middle of it leaves the database as it was, and the next one migrates it', async (t) => {
      const { place, open } = await engine.createStore(t)
      const bare = await openBare(t, place)
      await migrate(bare, 0, KNOWN.slice(0, 2))
      const program =
        'const db = await ("url" in place ? openPostgres(place.url, { nowMs: 0, isMigrated: true }) : openSqlite(place.path, { nowMs: 0, isMigrated: true }));' +
        'const last = { version: 9999, name: "last", checksum: "x", get sql() { process.kill(process.pid, "SIGKILL"); return "SELECT 1" } };' +
        'await migrate(db, 0, [...readMigrations(), last])'
      assert.equal(await runElsewhere(place, program), 'SIGKILL')
      assert.deepEqual(await versionsOf(bare), [1, 2])
      await assert.rejects(bare.get('SELECT 1 FROM meter'), /meter/)
      assert.deepEqual(
        await versionsOf(await open()),
        KNOWN.map(({ version }) => version),
      )
    })

    it('the schema-2 rows of a real instance come out the same on both engines', async (t) => {
      const { place } = await engine.createStore(t)
      const db = await openBare(t, place)
      await migrate(db, 0, KNOWN.slice(0, 2))
      await copyFixture(t, db)
      await migrate(db, 0)
      const directory = mkdtempSync(join(tmpdir(), 'zendo-migrate-'))
      t.after(() => rmSync(directory, { recursive: true }))
      copyFileSync(FIXTURE, join(directory, 'zendo.db'))
      const expected = await openSqlite(join(directory, 'zendo.db'), { nowMs: 0 })
      t.after(() => expected.close())
      for (const [table, key] of Object.entries(TABLES_AFTER)) {
        const rows = await Promise.all([db, expected].map((one) => one.all<object>(`SELECT * FROM ${table}`)))
        const [actual, wanted] = rows.map((list) =>
          list.map(sortedFields).sort((a, b) => (keyOf(a, key) < keyOf(b, key) ? -1 : 1)),
        )
        assert.deepEqual(actual, wanted, table)
        assert.ok(wanted && wanted.length > 0, table)
      }
    })
  })
})

/** With the columns that tell rows apart. */
const TABLES_AFTER = {
  workspace: ['id'],
  account: ['id'],
  transfer: ['id'],
  entry: ['transfer_id', 'leg'],
  credit_grant: ['id'],
  meter: ['id'],
  request_meter: ['request_id', 'meter_id'],
  request: ['id'],
} as const

/** In an order in which each finds what it refers to. */
const TABLES_BEFORE = [
  'workspace',
  'member',
  'api_key',
  'account',
  'transfer',
  'entry',
  'credit_grant',
  'seat',
  'plan_window',
  'request',
  'request_window',
  'attempt',
  'price_version',
  'anonymous_use',
]

async function copyFixture(t: TestContext, db: Database): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-fixture-'))
  t.after(() => rmSync(directory, { recursive: true }))
  copyFileSync(FIXTURE, join(directory, 'zendo.db'))
  const fixture = await openBare(t, { path: join(directory, 'zendo.db') })
  await db.write(async (sql) => {
    for (const table of TABLES_BEFORE) {
      const rows = await fixture.all<Record<string, SqlValue>>(`SELECT * FROM ${table}`)
      const columns = Object.keys(rows[0] ?? {})
      const insert = `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
      await sql.runEach(
        insert,
        rows.map((row) => columns.map((column) => row[column] ?? null)),
      )
    }
  })
}

function sortedFields(row: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function keyOf(row: Record<string, unknown>, columns: readonly string[]): string {
  return columns.map((column) => String(row[column])).join(' ')
}

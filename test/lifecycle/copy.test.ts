/** Rows of any kind go from one engine to the other and back unchanged, however the engines sort them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { copyTables, digestAll, listInstanceTables } from '../../src/control/copy-database.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { listTables } from '../../src/store/table-copy.ts'
import { forEachEngine } from '../support/engines.ts'
import { temporaryDirectory } from './world.ts'

/** More than a page of each. */
const ROWS = 1234
const ODD = ['', 'A', 'a', 'ä', 'Ä', 'z', 'ß', '_', '-', '10', '9', "'", '"', '\\', '😀', 'é', 'e\u0301']

forEachEngine((engine) => {
  it('tables of many pages, with keys in every order and with odd values', async (t) => {
    const first = await openSqlite(join(temporaryDirectory(t), 'first.db'), { nowMs: 0 })
    t.after(() => first.close())
    const keys = Array.from(
      { length: ROWS },
      (_, n) => `${ODD[n % ODD.length]}${(n * 7919) % ROWS}${ODD[(n * 3) % ODD.length]}`,
    )
    await first.write(async (sql) => {
      await sql.runEach(
        'INSERT INTO anonymous_use (address_hash, day, used) VALUES (?, ?, ?)',
        keys.flatMap((key, n) => [
          [key, -n, 9_223_372_036_854_775_807n],
          [key, n + 1, -9_223_372_036_854_775_808n],
        ]),
      )
      await sql.runEach(
        'INSERT INTO event (id, type, workspace_id, payload, created_at) VALUES (?, ?, ?, ?, ?)',
        keys.map((key, n) => [`${n}${key}`, 'x', n % 2 ? null : '', ODD[n % ODD.length] ?? '', n]),
      )
    })
    const middle = await engine.openDatabase(t)
    await first.read((from) => copyTables(from, middle, first))
    const last = await openSqlite(join(temporaryDirectory(t), 'last.db'), { nowMs: 0 })
    t.after(() => last.close())
    await middle.read((from) => copyTables(from, last))
    const tables = await listInstanceTables(first)
    const expected = await digestAll(first, tables)
    assert.deepEqual([expected.anonymous_use?.rows, expected.event?.rows], [2 * ROWS, ROWS])
    assert.deepEqual(await digestAll(middle, tables), expected)
    assert.deepEqual(await digestAll(last, tables), expected)
  })

  it('null, no text, a number and its digits are told apart', async (t) => {
    const database = await engine.openDatabase(t)
    const file = await openSqlite(join(temporaryDirectory(t), 'schema.db'), { nowMs: 0 })
    t.after(() => file.close())
    const tables = (await listTables(file)).filter(({ name }) => name === 'event')
    const seen = new Set<string>()
    const changes = [
      "workspace_id = ''",
      'workspace_id = NULL',
      "type = '', payload = 'xy'",
      "type = 'x', payload = 'y'",
      "type = 'xy', payload = ''",
    ]
    await database.run("INSERT INTO event (id, type, payload, created_at) VALUES ('e', 'x', 'x', 1)")
    for (const change of changes) {
      await database.run(`UPDATE event SET ${change}`)
      seen.add((await digestAll(database, tables)).event?.digest ?? '')
    }
    assert.equal(seen.size, changes.length)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { addWorkspace, countWorkspaces, fieldsOf } from './rows.ts'

const INSERT_EVENT = 'INSERT INTO event (id, type, workspace_id, payload, created_at) VALUES (?, ?, ?, ?, ?)'

forEachEngine((engine) => {
  describe('values', () => {
    it('whole numbers come back as bigint, to the last of 64 bits', async (t) => {
      const db = await engine.openDatabase(t)
      const edges = [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]
      for (const edge of edges) {
        await db.run(INSERT_EVENT, `e${edge}`, 't', null, 'p', edge)
        const row = await db.get<{ at: bigint }>('SELECT created_at AS at FROM event WHERE id = ?', `e${edge}`)
        assert.equal(row?.at, edge)
      }
    })

    it('counts, sums, comparisons and small columns are bigint as well', async (t) => {
      const db = await engine.openDatabase(t)
      await db.run(INSERT_EVENT, 'a', 't', null, 'p', 2n ** 62n)
      await db.run(INSERT_EVENT, 'b', 't', null, 'p', 2n ** 62n - 1n)
      await db.write((sql) => addWorkspace(sql, 'w'))
      const row = await db.get(
        'SELECT COUNT(*) AS count, SUM(created_at) AS sum, MAX(created_at) > 1 AS more, SUM(CASE WHEN id = ? THEN 1 ELSE 0 END) AS few FROM event',
        'a',
      )
      assert.deepEqual(fieldsOf(row), { count: 2n, sum: 2n ** 63n - 1n, more: 1n, few: 1n })
      assert.deepEqual(fieldsOf(await db.get('SELECT week_start FROM workspace')), { week_start: 1n })
    })

    it('a number and a bigint are the same value', async (t) => {
      const db = await engine.openDatabase(t)
      await db.run(INSERT_EVENT, 'a', 't', null, 'p', 1_700_000_000_000)
      const row = await db.get<{ id: string }>('SELECT id FROM event WHERE created_at = ?', 1_700_000_000_000n)
      assert.equal(row?.id, 'a')
    })

    it('text keeps every character and stays what it is, null stays null', async (t) => {
      const db = await engine.openDatabase(t)
      for (const text of [
        '',
        "it's",
        '$1 ? %s',
        '漢字 😀 e\u0301',
        '\\n\n\t',
        '/*postgres x*/ -- y',
        "'; DROP TABLE event",
      ]) {
        await db.run(INSERT_EVENT, text, 't', null, text, 1)
        const row = await db.get('SELECT payload, workspace_id FROM event WHERE id = ?', text)
        assert.deepEqual(fieldsOf(row), { payload: text, workspace_id: null })
      }
    })

    it('a zero character in text does not make a row impossible', async (t) => {
      const db = await engine.openDatabase(t)
      await db.run(INSERT_EVENT, 'z\0', 't', null, 'a\0b', 1)
      const row = await db.get<{ payload: string }>('SELECT payload FROM event WHERE id = ?', 'z\0')
      assert.match(row?.payload ?? '', /^a[\0\ufffd]b$/)
    })
  })

  describe('statements', () => {
    it('say how many rows they changed', async (t) => {
      const db = await engine.openDatabase(t)
      const inserted = await db.runEach(INSERT_EVENT, [
        ['a', 'x', null, 'p', 1],
        ['b', 'x', null, 'p', 2],
        ['c', 'y', null, 'p', 3],
      ])
      assert.deepEqual(inserted, [1, 1, 1])
      assert.equal(await db.run("UPDATE event SET payload = 'q' WHERE type = 'x'"), 2)
      assert.equal(await db.run("UPDATE event SET payload = 'q' WHERE type = 'z'"), 0)
      const each = await db.runEach("UPDATE event SET payload = 'r' WHERE type = ?", [['x'], ['z'], ['y']])
      assert.deepEqual(each, [2, 0, 1])
      assert.deepEqual(await db.runEach(INSERT_EVENT, []), [])
      assert.equal(await db.run(`${INSERT_EVENT} ON CONFLICT DO NOTHING`, 'a', 'x', null, 'p', 1), 0)
      assert.equal(await db.run('DELETE FROM event WHERE created_at > ?', 1), 2)
    })

    it('`get` gives the first row or undefined, `all` gives them in order', async (t) => {
      const db = await engine.openDatabase(t)
      assert.equal(await db.get('SELECT id FROM event'), undefined)
      assert.deepEqual(await db.all('SELECT id FROM event'), [])
      await db.runEach(
        INSERT_EVENT,
        [3, 1, 2].map((n) => [`e${n}`, 't', null, 'p', n]),
      )
      const rows = await db.all<{ id: string }>('SELECT id FROM event ORDER BY created_at DESC')
      assert.deepEqual(
        rows.map(({ id }) => id),
        ['e3', 'e2', 'e1'],
      )
      const returned = await db.get('UPDATE event SET type = ? WHERE id = ? RETURNING created_at', 'u', 'e2')
      assert.deepEqual(fieldsOf(returned), { created_at: 2n })
    })

    it('issued without awaiting each, they run in the order in which they were issued', async (t) => {
      const db = await engine.openDatabase(t)
      await db.write(async (sql) => {
        const steps: Promise<unknown>[] = [sql.run(INSERT_EVENT, 'a', 't', null, '', 0)]
        for (let n = 0; n < 30; n++)
          steps.push(sql.run('UPDATE event SET payload = payload || ? WHERE id = ?', `${n},`, 'a'))
        await Promise.all(steps)
      })
      const row = await db.get<{ payload: string }>('SELECT payload FROM event')
      assert.equal(row?.payload, `${Array.from({ length: 30 }, (_, n) => n).join(',')},`)

      const outside = [db.run(INSERT_EVENT, 'b', 't', null, 'p', 0), db.run('DELETE FROM event WHERE id = ?', 'b')]
      assert.deepEqual(await Promise.all(outside), [1, 1])
    })

    it('a question mark in quotes or a comment is no parameter', async (t) => {
      const db = await engine.openDatabase(t)
      await db.run(INSERT_EVENT, 'a', 't?', null, "it's", 1)
      const row = await db.get(
        "SELECT type AS \"what?\" /* why? it's fine */ FROM event WHERE type = 't?' AND id = ? -- and? it's over",
        'a',
      )
      assert.deepEqual(fieldsOf(row), { 'what?': 't?' })
    })

    it('a script of several statements runs inside a transaction, and goes with it', async (t) => {
      const db = await engine.openDatabase(t)
      const before = (await db.all('SELECT name FROM revision')).length
      const script = "INSERT INTO revision VALUES ('a', 1); INSERT INTO revision VALUES ('b', 2);"
      await assert.rejects(
        db.write(async (sql) => {
          await sql.script(script)
          throw new Error('changed my mind')
        }),
        /changed my mind/,
      )
      assert.equal((await db.all('SELECT name FROM revision')).length, before)
      await db.write((sql) => sql.script(script))
      assert.equal((await db.all('SELECT name FROM revision')).length, before + 2)
    })

    it('what breaks a rule is refused as itself, and not as storage that fails', async (t) => {
      const db = await engine.openDatabase(t)
      await db.write((sql) => addWorkspace(sql, 'w'))
      const refused = (error: Error): boolean =>
        error.name !== 'AppError' && /unique|foreign|check/i.test(error.message)
      await assert.rejects(
        db.write((sql) => addWorkspace(sql, 'w')),
        refused,
      )
      const orphan =
        "INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES ('k', 'none', 'none', 'n', 'hash-of-a-key', 'p', 1)"
      await assert.rejects(
        db.write((sql) => sql.run(orphan)),
        (error: Error) => refused(error) && !error.message.includes('hash-of-a-key'),
      )
      await assert.rejects(
        db.write((sql) => sql.run('UPDATE workspace SET week_start = 9')),
        refused,
      )
      assert.equal(await countWorkspaces(db), 1)
    })
  })
})

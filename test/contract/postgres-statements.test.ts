/** What only PostgreSQL can do to a transaction: break it by a statement, by a deadlock, by a changed table. */
import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import type { Database, Sql } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import { describeWithPostgres } from '../support/engines.ts'
import { addWorkspace, countOwnRevisions, countWorkspaces } from './rows.ts'

describeWithPostgres('PostgreSQL transactions', (server) => {
  async function open(t: TestContext, count = 1): Promise<Database[]> {
    const url = await server().createDatabase()
    const databases: Database[] = []
    t.after(() => Promise.all(databases.map((db) => db.close())))
    while (databases.length < count) databases.push(await openPostgres(url, { nowMs: 0 }))
    return databases
  }

  it('of two that wait for each other one is undone and run again', async (t) => {
    const [a, b] = await open(t, 2)
    assert.ok(a && b)
    await a.runEach('INSERT INTO revision VALUES (?, 0)', [['x'], ['y']])
    let runs = 0
    const bothHold = Promise.withResolvers<void>()
    let holding = 0
    const addToBoth = (db: Database, first: string, second: string): Promise<void> =>
      db.write(async (sql) => {
        runs++
        await sql.run('UPDATE revision SET value = value + 1 WHERE name = ?', first)
        if (++holding === 2) bothHold.resolve()
        await bothHold.promise
        await sql.run('UPDATE revision SET value = value + 1 WHERE name = ?', second)
      })
    await Promise.all([addToBoth(a, 'x', 'y'), addToBoth(b, 'y', 'x')])
    assert.ok(runs > 2, 'one of them ran again')
    const rows = await a.all<{ value: bigint }>("SELECT value FROM revision WHERE name IN ('x', 'y')")
    assert.deepEqual(
      rows.map(({ value }) => value),
      [2n, 2n],
    )
  })

  it('a statement that failed fails its transaction, also when the work did not look', async (t) => {
    const [db] = await open(t)
    assert.ok(db)
    const insert = "INSERT INTO workspace (id, name, created_at) VALUES ('a', 'a', 1)"
    const works: readonly ((sql: Sql) => Promise<unknown>)[] = [
      async (sql) => {
        await sql.run(insert)
        await sql.run(insert).catch(() => 'never mind')
      },
      async (sql) => {
        await sql.run(insert)
        void sql.run(insert)
      },
      async (sql) => {
        void sql.run(insert)
        void sql.runEach(insert, [[], [], []])
        void sql.get(insert)
      },
    ]
    for (const work of works) {
      await assert.rejects(db.write(work), { name: 'StatementRefused', sqlState: '23505' })
      assert.equal(await countWorkspaces(db), 0)
    }
  })

  it('statements that were not awaited are part of the transaction', async (t) => {
    const [db] = await open(t)
    assert.ok(db)
    await db.write(async (sql) => {
      void sql.run('INSERT INTO revision VALUES (?, 1)', 'a')
      void sql.runEach('INSERT INTO revision VALUES (?, 1)', [['b'], ['c']])
    })
    assert.equal(await countOwnRevisions(db), 3)
  })

  it('statements that are issued together go to the server together: two round trips for any number', async (t) => {
    const proxy = await startCutProxy(await server().createDatabase())
    const db = await openPostgres(proxy.url, { nowMs: 0 })
    t.after(async () => {
      await db.close()
      await proxy.close()
    })
    await db.write((sql) => sql.get('SELECT 1'))
    // Slow enough that an answer never overtakes what is still being sent.
    proxy.delay(20)
    const roundTripsOf = async (work: (sql: Sql) => Promise<unknown>): Promise<number> => {
      const before = proxy.roundTrips()
      await db.write(work)
      return proxy.roundTrips() - before
    }
    const insert = 'INSERT INTO revision VALUES (?, 1)'
    const rows = (prefix: string) => Array.from({ length: 40 }, (_, n) => [`${prefix}${n}`])
    assert.equal(await roundTripsOf((sql) => sql.runEach(insert, rows('a'))), 2)
    assert.equal(await roundTripsOf((sql) => Promise.all(rows('b').map((row) => sql.run(insert, ...row)))), 2)
    const oneByOne = await roundTripsOf(async (sql) => {
      for (const row of rows('c').slice(0, 10)) await sql.run(insert, ...row)
    })
    assert.equal(oneByOne, 11, 'control: each awaited')
  })

  it('when it cannot begin, what was sent behind the begin does not count', async (t) => {
    const proxy = await startCutProxy(await server().createDatabase())
    const db = await openPostgres(proxy.url, { nowMs: 0 })
    t.after(async () => {
      await db.close()
      await proxy.close()
    })
    const look = (sql: Sql): Promise<unknown> => sql.get('SELECT name FROM revision')
    const insert = (sql: Sql): Promise<unknown> => sql.runEach('INSERT INTO revision VALUES (?, 1)', [['a'], ['b']])
    const tries = [() => db.write(insert), () => db.write(look), () => db.read(look)]
    for (const attempt of tries) {
      proxy.spoilBegin()
      await assert.rejects(attempt(), /syntax error/)
    }
    assert.equal(await countOwnRevisions(db), 0)
    await db.write((sql) => sql.run("INSERT INTO revision VALUES ('a', 1)"))
  })

  it('who waits for others of the same process longer than allowed is told so, and does not begin later', async (t) => {
    const [db] = await open(t)
    assert.ok(db)
    const release = Promise.withResolvers<void>()
    const slow = db.write(async (sql) => {
      await sql.get('SELECT 1')
      await release.promise
    })
    const insert = (sql: Sql): Promise<number> => sql.run("INSERT INTO revision VALUES ('late', 1)")
    await assert.rejects(db.write(insert, { maxWaitMs: 50 }), { code: 'storage_unavailable' })
    release.resolve()
    await slow
    await db.write((sql) => sql.get('SELECT 1'))
    assert.equal(await countOwnRevisions(db), 0)
  })

  it('a transaction that has ended takes no statements', async (t) => {
    const [db] = await open(t)
    assert.ok(db)
    let kept: Sql | undefined
    await db.write(async (sql) => {
      kept = sql
    })
    await assert.rejects(async () => kept?.run("INSERT INTO revision VALUES ('late', 1)"), /after its transaction/)
    await db.write((sql) => addWorkspace(sql, 'a'))
    assert.equal(await countOwnRevisions(db), 0)
  })

  it('what was prepared before another process changed the table is prepared again', async (t) => {
    const [db, other] = await open(t, 2)
    assert.ok(db && other)
    const read = (sql: Sql): Promise<{ value: bigint } | undefined> =>
      sql.get("SELECT value FROM revision WHERE name = 'policy'")
    await db.write(read)
    await db.read(read)
    await other.script('ALTER TABLE revision ALTER COLUMN value TYPE NUMERIC')
    assert.equal((await db.write(read))?.value, 0n)
    assert.equal((await db.read(read))?.value, 0n)
  })

  it('what a work throws is thrown, also when a statement had failed before', async (t) => {
    const [db] = await open(t)
    assert.ok(db)
    const verdict = new Error('my own words')
    const work = async (sql: Sql): Promise<void> => {
      await addWorkspace(sql, 'a')
      await addWorkspace(sql, 'a').catch(() => {
        throw verdict
      })
    }
    await assert.rejects(db.write(work), (error) => error === verdict)
  })

  it('a statement that runs too long is ended on the server as well', async (t) => {
    const url = await server().createDatabase()
    const db = await openPostgres(url, { nowMs: 0, statementTimeoutMs: 200 })
    t.after(() => db.close())
    await assert.rejects(db.get('SELECT pg_sleep(30)'), { code: 'storage_unavailable' })
    await assert.rejects(
      db.read((sql) => sql.get('SELECT pg_sleep(30)')),
      { code: 'storage_unavailable' },
    )
    const sleeping =
      "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    for (let left = 1n; left > 0n; ) left = (await db.get<{ n: bigint }>(sleeping))?.n ?? 0n
  })
})

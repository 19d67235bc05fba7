/** A PostgreSQL server that is killed, frozen, restarted or out of reach: clear refusals, no hanging, no restart. */
import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import type { Database } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { isUnknownOutcome } from '../../src/store/unknown-outcome.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import { describeWithPostgres } from '../support/engines.ts'
import { within } from '../support/until.ts'
import { addWorkspace, countWorkspaces } from './rows.ts'

const STATEMENT_TIMEOUT_MS = 300
/** Far beyond any limit that the calls have: who needs longer hangs. */
const HANG_MS = 10_000

describeWithPostgres('a PostgreSQL server that fails', (server) => {
  async function open(t: TestContext, url?: string): Promise<Database> {
    const place = url ?? (await server().createDatabase())
    const db = await openPostgres(place, { nowMs: 0, statementTimeoutMs: STATEMENT_TIMEOUT_MS })
    t.after(() => db.close())
    return db
  }

  /** One of each kind; all must be refused in the same words. */
  const calls: readonly ((db: Database) => Promise<unknown>)[] = [
    (db) => countWorkspaces(db),
    (db) => db.run("UPDATE workspace SET name = 'x'"),
    (db) => db.read(countWorkspaces),
    (db) => db.write((sql) => addWorkspace(sql, 'lost'), { maxWaitMs: STATEMENT_TIMEOUT_MS }),
    (db) => Promise.all([countWorkspaces(db), countWorkspaces(db), db.read(countWorkspaces), db.read(countWorkspaces)]),
  ]

  async function assertRefused(db: Database): Promise<void> {
    for (const call of calls) {
      await assert.rejects(within('a call is refused', call(db), HANG_MS), {
        code: 'storage_unavailable',
        status: 503,
        retryAfterSeconds: 1,
      })
    }
  }

  async function assertWorks(db: Database, name: string): Promise<void> {
    const before = await within('a read', countWorkspaces(db), HANG_MS)
    await within(
      'a write',
      db.write((sql) => addWorkspace(sql, name)),
      HANG_MS,
    )
    assert.equal(await within('a snapshot', db.read(countWorkspaces), HANG_MS), before + 1)
  }

  it('killed and started again: refused in between, and the first call after it works', async (t) => {
    const db = await open(t)
    for (let round = 0; round < 3; round++) {
      await assertWorks(db, `before ${round}`)
      await server().kill()
      await assertRefused(db)
      await server().start()
      await assertWorks(db, `after ${round}`)
    }
  })

  it('stopped in order and started again while nobody asked: the first call works', async (t) => {
    const db = await open(t)
    await assertWorks(db, 'before')
    await server().stop()
    await server().start()
    await assertWorks(db, 'after')
  })

  it('killed in the middle of a transaction: nothing of it stands, and that is certain', async (t) => {
    const db = await open(t)
    const written = Promise.withResolvers<void>()
    const killed = Promise.withResolvers<void>()
    const write = db.write(async (sql) => {
      await addWorkspace(sql, 'half')
      written.resolve()
      await killed.promise
      await addWorkspace(sql, 'other half')
    })
    const failed = assert.rejects(write, (error) => {
      assert.equal(isUnknownOutcome(error), false)
      return (error as { code?: string }).code === 'storage_unavailable'
    })
    await written.promise
    await server().kill()
    killed.resolve()
    await failed
    await server().start()
    assert.equal(await countWorkspaces(db), 0)
  })

  it('frozen: every call is refused when its time is over, and the first call after the thaw works', async (t) => {
    const db = await open(t)
    for (let round = 0; round < 2; round++) {
      await assertWorks(db, `before ${round}`)
      server().freeze()
      try {
        await assertRefused(db)
      } finally {
        server().thaw()
      }
      await assertWorks(db, `after ${round}`)
    }
    const lost = await db.get("SELECT 1 FROM workspace WHERE name = 'lost'")
    assert.equal(lost, undefined, 'what was refused before its commit was sent is not there')
  })

  it('frozen: closing does not hang, and neither does opening', async () => {
    const url = await server().createDatabase()
    const options = { nowMs: 0, statementTimeoutMs: STATEMENT_TIMEOUT_MS }
    const db = await openPostgres(url, options)
    await Promise.all([countWorkspaces(db), db.read(countWorkspaces)])
    server().freeze()
    try {
      await within('close', db.close(), HANG_MS)
      await assert.rejects(within('open', openPostgres(url, options), HANG_MS), { code: 'storage_unavailable' })
    } finally {
      server().thaw()
    }
  })

  it('a closed database refuses, and closing it again does nothing', async () => {
    const db = await openPostgres(await server().createDatabase(), { nowMs: 0 })
    await db.close()
    await db.close()
    await assertRefused(db)
  })

  it('a server that closes every connection, then recovers', async (t) => {
    const proxy = await startCutProxy(await server().createDatabase())
    t.after(() => proxy.close())
    const db = await open(t, proxy.url)
    await assertWorks(db, 'before')
    proxy.refuse(true)
    proxy.cut()
    await assertRefused(db)
    proxy.refuse(false)
    await assertWorks(db, 'after')
  })

  it('connections that were cut while idle are replaced without anybody being told', async (t) => {
    const proxy = await startCutProxy(await server().createDatabase())
    t.after(() => proxy.close())
    const db = await open(t, proxy.url)
    for (let round = 0; round < 5; round++) {
      await assertWorks(db, `round ${round}`)
      proxy.cut()
      // In the same turn, when no connection can know yet.
      const calls = [countWorkspaces(db), db.read(countWorkspaces), db.write((sql) => countWorkspaces(sql))]
      assert.deepEqual(await Promise.all(calls), [round + 1, round + 1, round + 1])
    }
  })

  it('a session that an administrator ends is replaced', async (t) => {
    const db = await open(t)
    const endOthers =
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
    await db.write((sql) => addWorkspace(sql, 'a'))
    await db.all(endOthers)
    await db.write((sql) => addWorkspace(sql, 'b'))
    assert.equal(await countWorkspaces(db), 2)
  })

  it('when every connection is taken, the next call waits for one, and not for ever', async (t) => {
    const url = await server().createDatabase()
    const db = await openPostgres(url, { nowMs: 0, statementTimeoutMs: STATEMENT_TIMEOUT_MS, maxConnections: 2 })
    t.after(() => db.close())
    const release = Promise.withResolvers<void>()
    const taken = Promise.withResolvers<void>()
    const holder = db.read(async (sql) => {
      await countWorkspaces(sql)
      taken.resolve()
      await release.promise
    })
    await taken.promise
    await assert.rejects(countWorkspaces(db), { code: 'storage_unavailable' })
    const patient = Promise.all([countWorkspaces(db), countWorkspaces(db)])
    release.resolve()
    assert.deepEqual(await patient, [0, 0])
    await holder
    assert.equal(await countWorkspaces(db), 0)
  })
})

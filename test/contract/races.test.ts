import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine } from '../support/engines.ts'
import { addBalance, addWorkspace, countWorkspaces, WORKSPACE } from './rows.ts'

const METER = 'm1'
const LIMIT = 10n
const BUYERS = 20

/** A counter with room for ten, which only the statements themselves protect. */
async function addMeter(db: Database): Promise<void> {
  await addBalance(db, 0n)
  await db.run(
    'INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount)' +
      " VALUES (?, ?, 'workspace', ?, 'daily', 'calendar', 0, 1, ?)",
    METER,
    WORKSPACE,
    WORKSPACE,
    LIMIT,
  )
}

async function heldOn(db: Database): Promise<bigint | undefined> {
  return (await db.get<{ held: bigint }>('SELECT held FROM meter WHERE id = ?', METER))?.held
}

/** Each of three processes' worth of connections buys twenty times, all at once; resolves with how many were let in. */
async function buyAll(databases: readonly Database[], buy: (db: Database) => Promise<boolean>): Promise<bigint> {
  const buyers = databases.flatMap((db) => Array.from({ length: BUYERS }, () => buy(db)))
  return BigInt((await Promise.all(buyers)).filter(Boolean).length)
}

forEachEngine((engine) => {
  describe('races between processes', () => {
    it('a conditional update lets in exactly as many as there is room for', async (t) => {
      const databases = await engine.openDatabases(t, 3)
      await addMeter(databases[0] as Database)
      const hold = 'UPDATE meter SET held = held + 1 WHERE id = ? AND settled + held + 1 <= limit_amount'
      const admitted = await buyAll(databases, async (db) => (await db.write((sql) => sql.run(hold, METER))) === 1)
      assert.equal(admitted, LIMIT)
      assert.equal(await heldOn(databases[0] as Database), LIMIT)
    })

    it('control: looking first and then taking lets in too many', async (t) => {
      const databases = await engine.openDatabases(t, 3)
      await addMeter(databases[0] as Database)
      const admitted = await buyAll(databases, async (db) => {
        const row = await db.get<{ room: bigint }>('SELECT limit_amount - held AS room FROM meter WHERE id = ?', METER)
        if (row === undefined || row.room <= 0n) return false
        await db.write((sql) => sql.run('UPDATE meter SET held = held + 1 WHERE id = ?', METER))
        return true
      })
      assert.ok(admitted > LIMIT, `${admitted} were let in`)
      assert.equal(await heldOn(databases[0] as Database), admitted)
    })

    it('counters that all add to lose nothing', async (t) => {
      const databases = await engine.openDatabases(t, 3)
      await addMeter(databases[0] as Database)
      await buyAll(databases, async (db) => {
        await db.run('UPDATE meter SET held = held + 1 WHERE id = ?', METER)
        return true
      })
      assert.equal(await heldOn(databases[0] as Database), BigInt(3 * BUYERS))
    })

    it('who waits for another process longer than allowed is told so, and has written nothing', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      await addMeter(db)
      const holding = Promise.withResolvers<void>()
      const released = Promise.withResolvers<void>()
      const slow = other.write(async (sql) => {
        await sql.run('UPDATE meter SET held = held + 1 WHERE id = ?', METER)
        holding.resolve()
        await released.promise
      })
      await holding.promise
      const blocked = db.write(
        async (sql) => {
          await addWorkspace(sql, 'w')
          await sql.run('UPDATE meter SET held = held + 1 WHERE id = ?', METER)
        },
        { maxWaitMs: 200 },
      )
      await assert.rejects(blocked, { code: 'storage_unavailable', status: 503 })
      released.resolve()
      await slow
      assert.equal(await heldOn(db), 1n)
      assert.equal(await countWorkspaces(db), 1)
      await db.write((sql) => sql.run('UPDATE meter SET held = held + 1 WHERE id = ?', METER))
      assert.equal(await heldOn(other), 2n)
    })

    it('who waits for another process, and not too long, goes on from what that one left', async (t) => {
      const [db, other] = await engine.openDatabases(t, 2)
      assert.ok(db && other)
      await addMeter(db)
      const holding = Promise.withResolvers<void>()
      const slow = other.write(async (sql) => {
        await sql.run('UPDATE meter SET held = limit_amount WHERE id = ?', METER)
        holding.resolve()
        await delay(50)
      })
      await holding.promise
      const take = 'UPDATE meter SET held = held + 1 WHERE id = ? AND held < limit_amount'
      assert.equal(await db.write((sql) => sql.run(take, METER)), 0)
      await slow
    })
  })
})

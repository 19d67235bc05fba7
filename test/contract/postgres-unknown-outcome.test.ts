/** The connection breaks after the commit was sent: what was written may stand or not, and asking again settles it. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Database, Sql } from '../../src/store/database.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { isUnknownOutcome } from '../../src/store/unknown-outcome.ts'
import { type CutMoment, type CutProxy, startCutProxy } from '../support/cut-proxy.ts'
import { describeWithPostgres } from '../support/engines.ts'
import { runSql } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import { addBalance, BALANCE, fieldsOf, heldOf, WORKSPACE } from './rows.ts'

const ROUNDS = Number(process.env.ZENDO_CUT_ROUNDS ?? 60)
const MOMENTS: readonly CutMoment[] = ['unsent', 'sent', 'answered']

/** A hold that is made once, however often it is asked for. */
async function holdOnce(sql: Sql, id: string): Promise<void> {
  const added = await sql.run(
    "INSERT INTO transfer (id, kind, created_at) VALUES (?, 'settlement', 1) ON CONFLICT DO NOTHING",
    id,
  )
  if (added === 1) await sql.run('UPDATE account SET held = held + 1 WHERE id = ?', BALANCE)
}

describeWithPostgres('a commit without an answer', (server) => {
  async function withProxy(test: (db: Database, proxy: CutProxy) => Promise<void>): Promise<void> {
    const proxy = await startCutProxy(await server().createDatabase())
    const db = await openPostgres(proxy.url, { nowMs: 0 })
    try {
      await addBalance(db, 1_000_000n)
      await test(db, proxy)
    } finally {
      await db.close()
      await proxy.close()
    }
  }

  const hold = (db: Database, id: string): Promise<void> => db.write((sql) => holdOnce(sql, id), { opensLedger: true })

  for (const moment of MOMENTS) {
    it(`is told as unknown, and the same work asked again is done once (cut when ${moment}, ${ROUNDS} times)`, async () => {
      await withProxy(async (db, proxy) => {
        let stood = 0
        for (let round = 0; round < ROUNDS; round++) {
          const cut = proxy.cutAtCommit(moment)
          await assert.rejects(hold(db, `s:${round}`), (error) => {
            assert.ok(isUnknownOutcome(error))
            const { code, message, cause } = error as { code?: string; message?: string; cause?: unknown }
            assert.equal(code, 'storage_unavailable')
            assert.doesNotMatch(String(message), /nothing/, 'it must not promise that nothing was written')
            return /not answered/.test(String(cause))
          })
          await cut
          if (await db.get('SELECT id FROM transfer WHERE id = ?', `s:${round}`)) stood++
          await hold(db, `s:${round}`)
          await hold(db, `s:${round}`)
        }
        assert.equal(await heldOf(db), BigInt(ROUNDS))
        if (moment === 'unsent') assert.equal(stood, 0)
        if (moment === 'answered') assert.equal(stood, ROUNDS)
      })
    })
  }

  it('control: work that does not ask whether it was done is done twice', async () => {
    await withProxy(async (db, proxy) => {
      const holdBlindly = () =>
        db.write((sql) => sql.run('UPDATE account SET held = held + 1 WHERE id = ?', BALANCE), { opensLedger: true })
      const cut = proxy.cutAtCommit('answered')
      await assert.rejects(holdBlindly(), isUnknownOutcome)
      await cut
      await holdBlindly()
      assert.equal(await heldOf(db), 2n)
    })
  })

  it('a cut before the commit was sent is no unknown: nothing stands', async () => {
    await withProxy(async (db, proxy) => {
      const write = db.write(
        async (sql) => {
          await holdOnce(sql, 's:1')
          proxy.cut()
          await holdOnce(sql, 's:2')
        },
        { opensLedger: true },
      )
      // The connection had been kept, and the work may run again: this time it is cut again, and new.
      await assert.rejects(write, (error) => !isUnknownOutcome(error) && /nothing was charged/.test(String(error)))
      assert.equal(await heldOf(db), 0n)
    })
  })

  it('a lone statement that changes something is told as unknown, one that only reads is sent again', async () => {
    await withProxy(async (db, proxy) => {
      await db.get('SELECT 1')
      const change = db.run("UPDATE workspace SET name = (SELECT 'x' FROM pg_sleep(30))")
      const read = db.get('SELECT id FROM workspace')
      const running =
        "DO $$ BEGIN ASSERT EXISTS (SELECT 1 FROM pg_stat_activity WHERE query LIKE 'UPDATE workspace%'); END $$"
      await until('the change runs', () => succeeds(runSql(server().url(), running)))
      proxy.cut()
      await assert.rejects(change, isUnknownOutcome)
      assert.deepEqual(fieldsOf(await read), { id: WORKSPACE })
    })
  })
})

function succeeds(step: Promise<unknown>): Promise<boolean> {
  return step.then(
    () => true,
    () => false,
  )
}

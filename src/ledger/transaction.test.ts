import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import type { Sql } from '../store/database.ts'
import { balanceOf, endOf, furnish, grant, hold, holdOf, run, whole } from './test-ledger.ts'
import { runCommands } from './transaction.ts'

/** Tells of each statement that is run, with its first value. */
function watched(sql: Sql, tell: (statement: string, value: unknown) => void): Sql {
  return {
    ...sql,
    get<Row>(statement: string, ...values: Parameters<Sql['get']> extends [string, ...infer V] ? V : never) {
      tell(statement, values[0])
      return sql.get<Row>(statement, ...values)
    },
  }
}

forEachEngine((engine) => {
  describe('a transaction of the ledger', () => {
    it('of several workspaces has their balances locked in one order, whatever order the commands have', async (t) => {
      const db = await engine.openDatabase(t)
      const names = ['c', 'a', 'd', 'b']
      await furnish(db, ...names)
      for (const name of names) await grant(db, name, 500n)
      for (const order of [names, names.toReversed()]) {
        const locked: unknown[] = []
        const commands = order.map((name) => holdOf(`req_${name}_${order[0]}`, {}, name))
        const work = (sql: Sql) =>
          runCommands(
            watched(sql, (statement, id) => /FROM account WHERE id = \?/.test(statement) && locked.push(id)),
            commands,
            { receivers: () => [] },
          )
        await db.write(work, { opensLedger: true })
        assert.deepEqual(locked, ['acc_a', 'acc_b', 'acc_c', 'acc_d'])
      }
    })

    it('sees what others did: two processes at once hold all of a balance, and no more', async (t) => {
      const [one, two] = await engine.openDatabases(t, 2)
      assert.ok(one && two)
      await furnish(one, 'a')
      await grant(one, 'a', 1000n)
      const rounds = Array.from({ length: 20 }, (_, n) => n)
      const results = await Promise.all(
        rounds.flatMap((n) => [run(one, holdOf(`req_one_${n}`)), run(two, holdOf(`req_two_${n}`))]),
      )
      const admitted = results.flat().filter((result) => typeof result === 'object' && 'ok' in result && result.ok)
      assert.equal(admitted.length, 10)
      assert.deepEqual(await balanceOf(one), [1000n, 1000n])
    })

    it('that fails leaves nothing behind', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      // The second of them is of a request that stands already.
      await assert.rejects(run(db, endOf(holding, 50n), holdOf('req_1', { size: whole(5n) })))
      assert.deepEqual(await balanceOf(db), [1000n, 100n])
      assert.deepEqual(await run(db, endOf(holding, 50n)), [{ kind: 'ended', charged: 50n }])
    })

    it('alone may change a balance', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      await assert.rejects(
        db.run("UPDATE account SET posted = 5 WHERE id = 'acc_a'"),
        /ledger alone|storage_unavailable/,
      )
      assert.deepEqual(await balanceOf(db), [1000n, 0n])
    })
  })
})

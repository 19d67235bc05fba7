import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { nanoUsd } from '../base/money.ts'
import { grantLot, refundLot } from './credit.ts'
import { balanceOf, endOf, furnish, grant, hold, holdOf, NOON_MS, restsOf, run } from './test-ledger.ts'

forEachEngine((engine) => {
  describe('credit', () => {
    it('of one lot is granted once, however often and by however many at once it is asked for', async (t) => {
      const [one, two] = await engine.openDatabases(t, 2)
      assert.ok(one && two)
      await furnish(one, 'a')
      await Promise.all([one, two, one, two].map((db) => grant(db, 'a', 500n)))
      assert.deepEqual(await balanceOf(one), [500n, 0n])
      assert.deepEqual(await restsOf(one), { lot_a_500: 500n })
    })

    it('of a refund comes from revenue, once for each number', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      await run(db, endOf(await hold(db, holdOf('req_1')), 80n))
      const lot = {
        ...{ workspaceId: 'wrk_a', amount: nanoUsd(30), source: 'refund' as const, note: '' },
        ...{ priority: 100, expiresAtMs: null, createdAtMs: NOON_MS },
      }
      const refund = (n: number, id: string) =>
        db.write((sql) => refundLot(sql, 'acc_a', 'req_1', n, { ...lot, id }), { opensLedger: true })
      await refund(0, 'lot_back')
      assert.equal(await refund(0, 'lot_back_again'), null)
      await refund(1, 'lot_back_2')
      assert.deepEqual(await balanceOf(db), [980n, 0n])
      const row = await db.get<{ posted: bigint }>("SELECT posted FROM account WHERE id = 'usage_revenue'")
      assert.equal(row?.posted, 20n)
    })

    it('for an account that does not exist is refused, and nothing is written', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      const lot = {
        ...{ id: 'lot', workspaceId: 'wrk_a', amount: nanoUsd(30), source: 'operator' as const, note: '' },
        ...{ priority: 100, expiresAtMs: null, createdAtMs: NOON_MS },
      }
      await assert.rejects(
        db.write((sql) => grantLot(sql, 'acc_none', lot), { opensLedger: true }),
        /does not exist/,
      )
      assert.deepEqual(await restsOf(db), {})
    })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { expireCredit } from './expired-credit.ts'
import {
  balanceOf,
  endOf,
  furnish,
  grant,
  hold,
  holdOf,
  NOON_MS,
  refusalOf,
  restsOf,
  run,
  whole,
} from './test-ledger.ts'

const SOON_MS = NOON_MS + 5000
const at = (createdAtMs: number) => ({ facts: { createdAtMs } })

forEachEngine((engine) => {
  describe('credit that expires', () => {
    it('pays until its instant and not at it', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 100n, { expiresAtMs: SOON_MS })
      const holding = await hold(db, holdOf('req_1', at(SOON_MS - 1)))
      await run(db, endOf(holding, 0n))
      assert.equal(await refusalOf(db, holdOf('req_2', at(SOON_MS))), 'balance')
      assert.deepEqual(await balanceOf(db), [0n, 0n])
    })

    it('stays as far as requests under way hold it, and goes when they end', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 100n, { expiresAtMs: SOON_MS })
      const holding = await hold(db, holdOf('req_1', { size: whole(60n) }))
      await expireCredit(db, SOON_MS)
      assert.deepEqual(await balanceOf(db), [60n, 60n])
      await run(db, endOf(holding, 25n))
      assert.deepEqual(await balanceOf(db), [35n, 0n])
      await expireCredit(db, SOON_MS + 1)
      await expireCredit(db, SOON_MS + 2)
      assert.deepEqual(await balanceOf(db), [0n, 0n])
    })

    it('pays for no hold of the transaction in which its last request ends', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 100n, { expiresAtMs: SOON_MS })
      const holding = await hold(db, holdOf('req_1'))
      const [, result] = await run(db, endOf(holding, 0n), holdOf('req_2', at(SOON_MS)))
      assert.ok(typeof result === 'object' && 'ok' in result && !result.ok)
      assert.deepEqual(await balanceOf(db), [0n, 0n])
    })

    it('leaves other lots alone', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a', 'b')
      await grant(db, 'a', 100n, { id: 'lot_soon', expiresAtMs: SOON_MS })
      await grant(db, 'a', 70n, { id: 'lot_later', expiresAtMs: SOON_MS + 1 })
      await grant(db, 'a', 50n, { id: 'lot_kept' })
      await grant(db, 'b', 30n, { id: 'lot_other', expiresAtMs: SOON_MS + 1 })
      assert.equal(await expireCredit(db, SOON_MS), 1)
      assert.deepEqual(await restsOf(db), { lot_kept: 50n, lot_later: 70n, lot_other: 30n, lot_soon: 0n })
    })
  })
})

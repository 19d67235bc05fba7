import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { nanoUsd } from '../base/money.ts'
import { releaseOf } from './release.ts'
import { balanceOf, endOf, furnish, grant, hold, holdOf, NOON_MS, restsOf, run, whole } from './test-ledger.ts'

forEachEngine((engine) => {
  describe('an end', () => {
    it('charges what was used and gives the rest back', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      assert.deepEqual(await balanceOf(db), [1000n, 100n])
      assert.deepEqual(await run(db, endOf(holding, 30n)), [{ kind: 'ended', charged: 30n }])
      assert.deepEqual(await balanceOf(db), [970n, 0n])
    })

    it('told a second time is the same end: in the same transaction, and in a later one', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      const end = endOf(holding, 30n)
      const ended = { kind: 'ended', charged: 30n }
      assert.deepEqual(await run(db, end, end, endOf(holding, 30n)), [ended, ended, ended])
      assert.deepEqual(await run(db, end), [ended])
      assert.deepEqual(await balanceOf(db), [970n, 0n])
    })

    it('of a released request keeps nothing', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      const end = endOf(holding, 0n, { state: 'released', outcome: 'upstream_failed' })
      assert.deepEqual(await run(db, end), [{ kind: 'ended', charged: 0n }])
      assert.deepEqual(await balanceOf(db), [1000n, 0n])
    })

    it('never charges more than was held: the rest is the loss of the operator', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      assert.deepEqual(await run(db, endOf(holding, 250n)), [{ kind: 'ended', charged: 100n }])
      assert.deepEqual(await balanceOf(db), [900n, 0n])
      const rows = await db.all("SELECT id, posted FROM account WHERE id IN ('usage_revenue', 'write_off') ORDER BY id")
      assert.deepEqual(
        rows.map((row) => ({ ...Object(row) })),
        [
          { id: 'usage_revenue', posted: 250n },
          { id: 'write_off', posted: -150n },
        ],
      )
    })

    it('after somebody else has ended the request is not charged, and its cost is noted', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      await run(db, releaseOf(holding, 'sweep', NOON_MS))
      assert.deepEqual(await run(db, endOf(holding, 30n)), [{ kind: 'late' }])
      assert.deepEqual(await balanceOf(db), [1000n, 0n])
      const row = await db.get<{ late_cost: bigint; charged: bigint }>('SELECT late_cost, charged FROM request')
      assert.deepEqual([row?.late_cost, row?.charged], [30n, 0n])
    })

    it('draws on lots in their order: priority, then what expires first, then the oldest', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      const lots = [
        ['lot_old', { createdAtMs: NOON_MS - 5 }],
        ['lot_late', { expiresAtMs: NOON_MS + 9000 }],
        ['lot_soon', { expiresAtMs: NOON_MS + 5000 }],
        ['lot_first', { priority: 1 }],
        ['lot_last', { priority: 200, expiresAtMs: NOON_MS + 4000 }],
      ] as const
      for (const [id, more] of lots) await grant(db, 'a', 10n, { id, ...more })
      const drawn: string[] = []
      for (let n = 0; n < 5; n++) {
        const holding = await hold(db, holdOf(`req_${n}`, { size: whole(10n) }))
        const before = await restsOf(db)
        await run(db, endOf(holding, 10n))
        const rests = await restsOf(db)
        drawn.push(...Object.keys(before).filter((id) => rests[id] !== before[id]))
      }
      assert.deepEqual(drawn, ['lot_first', 'lot_soon', 'lot_late', 'lot_old', 'lot_last'])
    })

    it('frees what a hold of the same transaction needs', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 100n)
      const holding = await hold(db, holdOf('req_1'))
      const [result] = await run(db, holdOf('req_2', { size: whole(nanoUsd(70n)) }), endOf(holding, 30n))
      assert.ok(typeof result === 'object' && 'ok' in result && result.ok)
      assert.deepEqual(await balanceOf(db), [70n, 70n])
    })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { nanoUsd } from '../base/money.ts'
import { HOUR_MS, MINUTE_MS } from '../base/time.ts'
import type { ExtendCommand, Holding, Source } from './command.ts'
import { balanceOf, endOf, furnish, grant, hold, holdOf, NOON_MS, run, sliced } from './test-ledger.ts'

const SLIDING: Source = {
  kind: 'plan',
  seatId: 'seat_a',
  anchorMs: NOON_MS,
  windows: [{ name: 'hour', kind: 'sliding', lengthMs: HOUR_MS, unit: null, limit: nanoUsd(500) }],
}

function extension(holding: Holding, before: number, after: number, atMs = NOON_MS): ExtendCommand {
  return { kind: 'extend', holding, before: nanoUsd(before), after: nanoUsd(after), atMs }
}

forEachEngine((engine) => {
  describe('a hold that grows', () => {
    it('holds more of the balance, as far as there is any, and never beyond what was decided', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 700n)
      const holding = await hold(db, holdOf('req_1', { size: sliced(600, 200) }))
      assert.deepEqual(await balanceOf(db), [700n, 600n])
      const small = await hold(db, holdOf('req_2', { size: sliced(150, 60) }))
      assert.deepEqual(await run(db, extension(small, 60, 100)), [true])
      assert.deepEqual(await balanceOf(db), [700n, 700n])
      assert.deepEqual(await run(db, extension(small, 100, 101)), [false])
      await run(db, endOf(holding, 0n))
      await assert.rejects(run(db, extension(small, 100, 151)))
      assert.deepEqual(await balanceOf(db), [700n, 100n])
    })

    it('does not grow after its end, nor twice from the same', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 500n)
      const holding = await hold(db, holdOf('req_1', { size: sliced(900, 100) }))
      assert.deepEqual(await run(db, extension(holding, 100, 200)), [true])
      assert.deepEqual(await run(db, extension(holding, 100, 200)), [false])
      await run(db, endOf(holding, 150n))
      assert.deepEqual(await run(db, extension(holding, 200, 300)), [false])
      assert.deepEqual(await balanceOf(db), [350n, 0n])
    })

    it('is charged no more than was told when its node never heard that it had grown', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 120n)
      const holding = await hold(db, holdOf('req_1', { size: sliced(150, 60) }))
      assert.deepEqual(await run(db, extension(holding, 60, 100)), [true])
      await run(db, { ...endOf(holding, 100n), knownHold: nanoUsd(60) })
      assert.deepEqual(await balanceOf(db), [60n, 0n])
      const row = await db.get<object>('SELECT hold, cost, charged FROM request WHERE id = ?', 'req_1')
      assert.deepEqual({ ...row }, { hold: 60n, cost: 100n, charged: 60n })
    })

    it('has the room that every bucket of a sliding window leaves', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      const early = await hold(db, holdOf('req_1', { sources: [SLIDING], size: sliced(300, 300) }))
      await run(db, endOf(early, 300n))
      const laterMs = NOON_MS + 10 * MINUTE_MS
      const facts = { createdAtMs: laterMs }
      const holding = await hold(db, holdOf('req_2', { sources: [SLIDING], size: sliced(450, 100), facts }))
      await hold(db, holdOf('req_3', { sources: [SLIDING], size: sliced(60, 60), facts }))
      assert.deepEqual(await run(db, extension(holding, 100, 141, laterMs)), [false])
      assert.deepEqual(await run(db, extension(holding, 100, 140, laterMs)), [true])
      // The first has left the window then.
      assert.deepEqual(await run(db, extension(holding, 140, 200, laterMs + HOUR_MS)), [true])
    })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { nanoUsd } from '../base/money.ts'
import { HOUR_MS, MINUTE_MS } from '../base/time.ts'
import type { Database } from '../store/database.ts'
import type { Source } from './command.ts'
import { endOf, furnish, grant, hold, holdOf, NOON_MS, run, whole } from './test-ledger.ts'

const SLIDING: Source = {
  kind: 'plan',
  seatId: 'seat_a',
  anchorMs: NOON_MS,
  windows: [{ name: 'hour', kind: 'sliding', lengthMs: HOUR_MS, unit: null, limit: nanoUsd(1000) }],
}

async function spend(db: Database, id: string, cost: bigint, sources?: Source[], atMs = NOON_MS): Promise<void> {
  const facts = { createdAtMs: atMs }
  const holding = await hold(db, holdOf(id, { size: whole(cost), facts, ...(sources && { sources }) }))
  await run(db, endOf(holding, cost, { endedAtMs: atMs }))
}

async function thresholdsTold(db: Database, type: string): Promise<number[]> {
  const rows = await db.all<{ payload: string }>(
    'SELECT payload FROM event WHERE type = ? ORDER BY created_at, id',
    type,
  )
  return rows.map(({ payload }) => Number(JSON.parse(payload).threshold)).sort((a, b) => a - b)
}

forEachEngine((engine) => {
  describe('a threshold', () => {
    it('of a sliding window is told once, though each minute is a meter of its own', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      for (let n = 0; n < 10; n++) await spend(db, `req_${n}`, 60n, [SLIDING], NOON_MS + n * MINUTE_MS)
      assert.deepEqual(await thresholdsTold(db, 'limit.threshold'), [50])
      for (let n = 10; n < 16; n++) await spend(db, `req_${n}`, 60n, [SLIDING], NOON_MS + n * MINUTE_MS)
      assert.deepEqual(await thresholdsTold(db, 'limit.threshold'), [50, 80, 95])
    })

    it('of a balance is told once, the highest of a jump alone, and again after new credit', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      await spend(db, 'req_1', 499n)
      assert.deepEqual(await thresholdsTold(db, 'balance.threshold'), [])
      await spend(db, 'req_2', 400n)
      await spend(db, 'req_3', 1n)
      assert.deepEqual(await thresholdsTold(db, 'balance.threshold'), [80])
      await grant(db, 'a', 2000n, { id: 'lot_new' })
      await spend(db, 'req_4', 1700n)
      assert.deepEqual(await thresholdsTold(db, 'balance.threshold'), [80, 80])
    })

    it('that was not committed is told with the end that is', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1', { size: whole(600n) }))
      await assert.rejects(run(db, endOf(holding, 600n), holdOf('req_1')))
      assert.deepEqual(await thresholdsTold(db, 'balance.threshold'), [])
      await run(db, endOf(holding, 600n))
      await run(db, endOf(holding, 600n))
      assert.deepEqual(await thresholdsTold(db, 'balance.threshold'), [50])
    })

    it('is beside an event for what the operator has lost', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      await run(db, endOf(holding, 350n))
      const row = await db.get<{ payload: string }>("SELECT payload FROM event WHERE type = 'ledger.write_off'")
      assert.equal(JSON.parse(row?.payload ?? '{}').amount_nano, '250')
    })
  })
})

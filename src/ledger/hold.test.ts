import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { nanoUsd } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import type { Cap } from '../domain/cap.ts'
import type { Source } from './command.ts'
import { previewHold } from './preview.ts'
import { releaseOf } from './release.ts'
import {
  balanceOf,
  endOf,
  furnish,
  grant,
  hold,
  holdOf,
  NOON_MS,
  refusalOf,
  run,
  sliced,
  whole,
} from './test-ledger.ts'

const CAP: Cap = {
  id: 'cap_1',
  workspaceId: 'wrk_a',
  scope: 'key',
  subjectId: 'key_a',
  unit: 'day',
  limit: nanoUsd(150),
}
const PLAN: Source = {
  kind: 'plan',
  seatId: 'seat_a',
  anchorMs: NOON_MS,
  windows: [{ name: '5 hour', kind: 'session', lengthMs: 5 * HOUR_MS, unit: null, limit: nanoUsd(150) }],
}

forEachEngine((engine) => {
  describe('a hold', () => {
    it('takes no more than what others hold leaves', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 250n)
      await hold(db, holdOf('req_1'))
      await hold(db, holdOf('req_2'))
      assert.equal(await refusalOf(db, holdOf('req_3')), 'balance')
      assert.deepEqual(await balanceOf(db), [250n, 200n])
    })

    it('of the same transaction sees those before it', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 250n)
      const results = await run(db, holdOf('req_1'), holdOf('req_2'), holdOf('req_3'))
      assert.deepEqual(
        results.map((result) => typeof result === 'object' && 'ok' in result && result.ok),
        [true, true, false],
      )
    })

    it('is refused by a cap, and by a cap that was set meanwhile', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 10_000n)
      await hold(db, holdOf('req_1', { caps: [CAP] }))
      assert.equal(await refusalOf(db, holdOf('req_2', { caps: [CAP] })), 'daily key cap')
      assert.equal(await refusalOf(db, holdOf('req_3', { caps: [{ ...CAP, limit: nanoUsd(0) }] })), 'daily key cap')
      assert.equal(await refusalOf(db, holdOf('req_4')), null)
    })

    it('falls back to the balance when the plan has no room, and counts in one of the two', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const sources: Source[] = [PLAN, { kind: 'balance' }]
      assert.equal((await hold(db, holdOf('req_1', { sources }))).funding, 'plan')
      assert.equal((await hold(db, holdOf('req_2', { sources }))).funding, 'balance')
      assert.equal(await refusalOf(db, holdOf('req_3', { sources: [PLAN] })), '5 hour')
      assert.deepEqual(await balanceOf(db), [1000n, 100n])
      const meters = await db.all<{ held: bigint }>('SELECT held FROM meter')
      assert.deepEqual(
        meters.map(({ held }) => held),
        [100n],
      )
    })

    it('of part of the worst case asks for as much output as there is money for', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 700n)
      const [result] = await run(db, holdOf('req_1', { size: sliced(1000, 300) }))
      assert.ok(typeof result === 'object' && 'ok' in result && result.ok)
      assert.deepEqual(result.cover, { hold: 300n, maxHold: 700n, output: 700 })
    })

    it('with an idempotency key is one: while it runs, and when it was charged; what was released leaves it free', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const named = { facts: { idempotencyKey: 'k', bodyDigest: 'd' } }
      const [first, twin] = await run(db, holdOf('req_1', named), holdOf('req_2', named))
      assert.ok(typeof first === 'object' && 'ok' in first && first.ok)
      assert.ok(typeof twin === 'object' && 'ok' in twin && !twin.ok && twin.refusal.kind === 'repeated')
      assert.equal(twin.refusal.requestId, 'req_1')
      await run(db, releaseOf({ ...holdingBase, requestId: 'req_1' }, 'sweep', NOON_MS))
      const again = await hold(db, holdOf('req_3', named))
      assert.equal(await refusalOf(db, holdOf('req_4', named)), 'repeated')
      await run(db, endOf(again, 10n))
      assert.equal(await refusalOf(db, holdOf('req_5', named)), 'repeated')
    })

    it('is decided by a preview as it would be, and nothing is held for that', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 150n)
      for (const command of [
        holdOf('req_1'),
        holdOf('req_2', { size: whole(151n) }),
        holdOf('req_3', { sources: [PLAN] }),
      ]) {
        const preview = await db.read((sql) => previewHold(sql, command))
        assert.deepEqual(await balanceOf(db), [150n, 0n])
        const [result] = await run(db, command)
        assert.deepEqual(preview, result)
        if (preview.ok)
          await run(
            db,
            releaseOf(
              { ...holdingBase, requestId: command.request.id, funding: preview.funding, meters: preview.meters },
              'sweep',
              NOON_MS,
            ),
          )
      }
    })
  })
})

const holdingBase = {
  workspaceId: 'wrk_a',
  accountId: 'acc_a',
  funding: 'balance' as const,
  weightPpm: 1_000_000n,
  meters: [] as readonly string[],
}

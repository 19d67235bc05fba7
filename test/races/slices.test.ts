/** A hold that grows while its answer streams stays within every limit that it was held of, whoever else takes of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nanoUsd } from '../../src/base/money.ts'
import { MINUTE_MS } from '../../src/base/time.ts'
import { holdingOf } from '../../src/ledger/release.ts'
import { forEachEngine } from '../support/engines.ts'
import { fullViolationsOf } from './checker.ts'
import { createField, type Field } from './nodes.ts'
import { addBuyer, CENT, endCommand, holdCommand, NOON_MS, planOf, windowOf } from './world.ts'

/** A prompt that is free, and two slices of output: a cent each. */
const TWO_SLICES = { prompt: 0n, outputRate: nanoUsd(CENT), output: 2_000_000, leastOutput: 1, slice: 1_000_000 }

async function sumHeld({ db }: Field, workspaceId: string): Promise<bigint> {
  const rows = await db.all<{ held: bigint; settled: bigint }>(
    'SELECT held, settled FROM meter WHERE workspace_id = ?',
    workspaceId,
  )
  return rows.reduce((sum, { held, settled }) => sum + held + settled, 0n)
}

forEachEngine((engine) => {
  describe('a hold that grows', () => {
    it('counts what other buckets of a sliding window have', async (t) => {
      const field = await createField(t, engine)
      const buyer = await addBuyer(field.db, 0n)
      const sources = [planOf(buyer, [windowOf('sliding', 4n * CENT)])]
      const node = field.nodeOf(0)
      const early = holdCommand(buyer, { sources, amount: 2n * CENT })
      assert.equal((await node.hold(early)).ok, true)
      // Two cents of room are left, and a request of a later bucket wants up to two; a third takes one of them.
      const atMs = NOON_MS + 30 * MINUTE_MS
      const growing = holdCommand(buyer, { sources, amount: 0n, atMs, size: { ...TWO_SLICES, output: 3_000_000 } })
      const held = await node.hold(growing)
      assert.ok(held.ok)
      assert.equal(held.cover.hold, CENT)
      const between = holdCommand(buyer, { sources, amount: CENT, atMs })
      assert.equal((await node.hold(between)).ok, true)
      const holding = holdingOf(growing, held)
      const grown = await node.extend({
        kind: 'extend',
        holding,
        before: nanoUsd(CENT),
        after: nanoUsd(2n * CENT),
        atMs,
      })
      assert.equal(grown, false, `${await sumHeld(field, buyer.workspaceId)} of ${4n * CENT} is held`)
      await node.end(endCommand(growing, held, CENT))
      assert.deepEqual(await fullViolationsOf(field.db), [])
    })
  })
})

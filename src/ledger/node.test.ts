import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { forEachEngine } from '../../test/support/engines.ts'
import { endNode, insertNode, listLiveNodes } from '../store/node.ts'
import { recoverPlaces, sweepDead } from './node.ts'
import { openSpill } from './spill.ts'
import { balanceOf, endOf, furnish, grant, hold, holdOf, NOON_MS, run } from './test-ledger.ts'

forEachEngine((engine) => {
  describe('a start', () => {
    it('does first what the spill says, then releases what is left, and leaves other places alone', async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'zendo-node-'))
      t.after(() => rmSync(directory, { recursive: true, force: true }))
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await insertNode(db, { id: 'node_b', place: 'there' }, NOON_MS)
      await grant(db, 'a', 1000n)
      const told = await hold(db, holdOf('req_told'))
      await hold(db, holdOf('req_open'))
      await hold(db, holdOf('req_other', { facts: { nodeId: 'node_b' } }))
      const path = join(directory, 'spill.bin')
      const spill = await openSpill(path)
      // Twice on disk is still one end.
      await spill.append(endOf(told, 30n))
      await spill.append(endOf(told, 30n))
      await spill.close()
      const places = { isOurs: (place: string) => place === 'here', spills: [path] }
      assert.deepEqual(await recoverPlaces(db, places, NOON_MS), { settled: 2, released: 1 })
      assert.deepEqual(await balanceOf(db), [970n, 100n])
      assert.deepEqual(await recoverPlaces(db, places, NOON_MS), { settled: 2, released: 0 })
      assert.deepEqual(await balanceOf(db), [970n, 100n])
    })
  })

  describe('the sweep', () => {
    it('releases what dead processes held, and their word comes too late', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      await grant(db, 'a', 1000n)
      const holding = await hold(db, holdOf('req_1'))
      assert.equal(await sweepDead(db, NOON_MS), 0)
      const [node] = await listLiveNodes(db)
      assert.ok(node)
      await endNode(db, node, NOON_MS)
      assert.deepEqual(await Promise.all([sweepDead(db, NOON_MS), sweepDead(db, NOON_MS)]).then(() => balanceOf(db)), [
        1000n,
        0n,
      ])
      assert.deepEqual(await run(db, endOf(holding, 30n)), [{ kind: 'late' }])
    })

    it('does not take a process for dead that has beaten meanwhile', async (t) => {
      const db = await engine.openDatabase(t)
      await furnish(db, 'a')
      const [seen] = await listLiveNodes(db)
      assert.ok(seen)
      await db.run('UPDATE node SET beat = beat + 1')
      assert.equal(await endNode(db, seen, NOON_MS), false)
      assert.equal((await listLiveNodes(db)).length, 1)
    })
  })
})

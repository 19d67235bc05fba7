/** No gain from deleting and making again: what comes out of a workspace is at most what its operator put in. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../src/base/errors.ts'
import { newId } from '../../src/base/ids.ts'
import { changeOnRecord } from '../../src/control/acting.ts'
import { assignSeat } from '../../src/control/seat-assignment.ts'
import { PLANS } from '../../src/control/test-instance.ts'
import { furnish } from '../../src/ledger/test-ledger.ts'
import type { Database } from '../../src/store/database.ts'
import { loadAllowance } from '../../src/store/plan-allowance.ts'
import { countSeats } from '../../src/store/seat.ts'
import { insertSeat, listSeats } from '../../src/store/workspace.ts'
import { createRandom } from '../races/random.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { type Assign, type Haul, runAttack } from './attack.ts'

/** Thousands are run by hand: `ZENDO_ATTACKS=5000`. */
const PROGRAMS = Number(process.env.ZENDO_ATTACKS ?? 60)

const asBuilt: Assign = (db, acting, request) => assignSeat(db, acting, request, { plans: PLANS, bound: 'allowance' })

/** What one would write first: as many seats in use as are allowed, each given anew. */
const anew: Assign = (db, acting, { workspaceId, memberId, planId, useBalance }) =>
  changeOnRecord(db, acting, async (sql) => {
    const inUse = (await countSeats(sql, workspaceId)).get(planId) ?? 0
    const hasOne = (await listSeats(sql, workspaceId)).some((seat) => seat.memberId === memberId)
    if (hasOne || inUse >= (await loadAllowance(sql, workspaceId, planId)))
      throw new AppError('conflict', 'all are in use')
    const seat = { id: newId('seat', acting.nowMs), memberId, planId, useBalance, startedAtMs: acting.nowMs }
    await insertSeat(sql, { ...seat, workspaceId })
    return seat
  })

const isGain = ({ plan, planWorth, balance, balanceWorth }: Haul): boolean => plan > planWorth || balance > balanceWorth

async function attackOften(db: Database, count: number, seed: number, assign: Assign): Promise<Haul[]> {
  const random = createRandom(seed)
  const hauls: Haul[] = []
  while (hauls.length < count) hauls.push(await runAttack(db, random, assign))
  return hauls
}

async function openWorld(t: Parameters<TestEngine['openDatabase']>[0], engine: TestEngine): Promise<Database> {
  const db = await engine.openDatabase(t)
  await furnish(db)
  return db
}

describe('whoever deletes and makes again', () => {
  forEachEngine((engine) => {
    const programs = engine.name === 'sqlite' ? PROGRAMS : Math.ceil(PROGRAMS / 4)
    it(`gains nothing, in ${programs} random programs`, async (t) => {
      const seed = Number(process.env.ZENDO_SEED ?? Date.now())
      t.diagnostic(`seed ${seed}`)
      const hauls = await attackOften(await openWorld(t, engine), programs, seed, asBuilt)
      assert.deepEqual(hauls.filter(isGain), [])
      const full = hauls.filter(({ plan, planWorth }) => plan === planWorth).length
      t.diagnostic(`${full} programs took all that the plan was worth`)
      assert.ok(hauls.some(({ plan }) => plan > 0n))
    })

    it('would gain if an ended seat were given anew, and this test sees it', async (t) => {
      const hauls = await attackOften(await openWorld(t, engine), 8, 7, anew)
      const gains = hauls.filter(isGain).length
      t.diagnostic(`${gains} of 8 programs gained`)
      assert.ok(gains > 0)
    })
  })
})

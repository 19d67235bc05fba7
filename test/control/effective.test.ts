/**
 * What is shown as left is what can be spent (PP-78): in random histories of caps, credit, holds and waiting, a request
 * of exactly the reported size is admitted and one that is a nano-dollar larger is not, on both engines.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { type NanoUsd, nanoUsd } from '../../src/base/money.ts'
import { HOUR_MS } from '../../src/base/time.ts'
import { NO_USAGE } from '../../src/base/usage.ts'
import { setCap } from '../../src/control/cap.ts'
import { grantCredit } from '../../src/control/credit.ts'
import { switchUseBalance } from '../../src/control/seat-assignment.ts'
import {
  endSample,
  NOON_MS,
  ofFirstSeat,
  PLANS,
  type SampleRequest,
  setUpTestInstance,
  type TestInstance,
  testActing,
  tryHoldSample,
} from '../../src/control/test-instance.ts'
import { reportUsage } from '../../src/control/usage.ts'
import { updateWorkspace } from '../../src/control/workspace-settings.ts'
import type { HoldResult } from '../../src/ledger/command.ts'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'

const amounts = fc.bigInt({ min: 0n, max: 9_000_000_000n })
const steps = fc.oneof(
  fc.record({
    kind: fc.constant('cap' as const),
    scope: fc.constantFrom('key' as const, 'member' as const, 'workspace' as const),
    unit: fc.constantFrom('day' as const, 'week' as const, 'month' as const),
    amount: amounts,
  }),
  fc.record({
    kind: fc.constant('hold' as const),
    funding: fc.constantFrom('balance' as const, 'plan' as const),
    amount: amounts,
  }),
  fc.record({ kind: fc.constant('end' as const), output: fc.integer({ min: 0, max: 2_000_000 }) }),
  fc.record({
    kind: fc.constant('grant' as const),
    amount: fc.bigInt({ min: 1n, max: 9_000_000_000n }),
    lastsHours: fc.option(fc.integer({ min: 1, max: 200 })),
  }),
  fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('use_balance' as const), isOn: fc.boolean() }),
  fc.record({
    kind: fc.constant('calendar' as const),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Pacific/Kiritimati'),
  }),
)
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never

/** An instance, its clock, and what is under way. */
interface World {
  readonly instance: TestInstance
  nowMs: number
  useBalance: boolean
  count: number
  readonly open: SampleRequest[]
}

async function take(world: World, step: Step): Promise<void> {
  const { instance } = world
  const { db, setup } = instance
  const workspaceId = setup.workspace.id
  const acting = testActing(world.nowMs)
  switch (step.kind) {
    case 'cap': {
      const { scope, unit } = step
      const subjectId = { key: setup.keyId, member: setup.memberId, workspace: workspaceId }[scope]
      await setCap(db, acting, { workspaceId, scope, subjectId, unit, limit: nanoUsd(step.amount) })
      return
    }
    case 'hold': {
      const id = `req_${world.count++}`
      const sample = { id, funding: step.funding, atMs: world.nowMs, hold: nanoUsd(step.amount) }
      if ((await tryHoldSample(instance, sample)).ok) world.open.push(sample)
      return
    }
    case 'end': {
      const sample = world.open.shift()
      if (sample) await endSample(instance, sample, { usage: { ...NO_USAGE, output: step.output } })
      return
    }
    case 'grant': {
      const expires = step.lastsHours === null ? {} : { expiresAtMs: world.nowMs + step.lastsHours * HOUR_MS }
      await grantCredit(db, acting, { workspaceId, amount: nanoUsd(step.amount), note: '', ...expires })
      return
    }
    case 'wait':
      world.nowMs += step.hours * HOUR_MS
      return
    case 'use_balance':
      world.useBalance = (await switchUseBalance(db, acting, ofFirstSeat(instance), step.isOn)).useBalance
      return
    case 'calendar':
      await updateWorkspace(db, acting, workspaceId, { timeZone: step.timeZone })
  }
}

class Undone extends Error {}

/** Its transactions are done in full, and then undone. */
function undoing(db: Database): Database {
  return {
    ...db,
    async write(work, options) {
      const results: Awaited<ReturnType<typeof work>>[] = []
      const undone = db.write(async (sql) => {
        results.push(await work(sql))
        throw new Undone()
      }, options)
      await assert.rejects(undone, Undone)
      const [result] = results
      if (result === undefined) throw new Error('the work gave no result')
      return result
    },
  }
}

async function wouldHold(
  { instance, nowMs, useBalance }: World,
  funding: 'balance' | 'plan',
  hold: NanoUsd,
): Promise<HoldResult> {
  const undone = { ...instance, db: undoing(instance.db) }
  return await tryHoldSample(undone, {
    ...{ id: 'req_probe', funding, atMs: nowMs, hold },
    orBalance: funding === 'plan' && useBalance,
  })
}

async function check(world: World): Promise<void> {
  const { db, setup } = world.instance
  const scope = { workspaceId: setup.workspace.id, memberId: setup.memberId, keyId: setup.keyId }
  const report = await reportUsage(db, PLANS, scope, world.nowMs)
  for (const [product, funding] of [
    ['zen', 'balance'],
    ['go', 'plan'],
  ] as const) {
    const left = report.effective[product]
    assert.ok(left?.remaining_nano)
    const largest = nanoUsd(BigInt(left.remaining_nano))
    assert.equal((await wouldHold(world, funding, largest)).ok, true, `${product}: ${largest} is refused`)
    const more = await wouldHold(world, funding, nanoUsd(largest + 1n))
    assert.ok(!more.ok, `${product}: more than ${largest} is admitted`)
  }
  const least = [report.balance.available_nano, ...report.caps.map((cap) => cap.remaining_nano)].map(BigInt)
  const shown = BigInt(report.effective.zen?.remaining_nano ?? -1n)
  assert.equal(
    shown,
    least.reduce((a, b) => (a < b ? a : b)),
  )
}

async function live(t: TestContext, engine: TestEngine, history: readonly Step[]): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'zendo-left-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const instance = await setUpTestInstance(await engine.openDatabase(t), { dataDir })
  const world: World = { instance, nowMs: NOON_MS, useBalance: false, count: 0, open: [] }
  for (const step of history) {
    await take(world, step)
    await check(world)
  }
}

describe('what is shown as left', () => {
  forEachEngine((engine) => {
    it('is the largest request that is admitted', { timeout: 120_000 }, async (t) => {
      const histories = fc.asyncProperty(fc.array(steps, { minLength: 25, maxLength: 40 }), (history) =>
        live(t, engine, history),
      )
      await fc.assert(histories, { numRuns: engine.name === 'sqlite' ? 15 : 5, endOnFailure: true })
    })
  })
})

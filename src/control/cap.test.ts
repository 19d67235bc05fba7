import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { nanoUsd, parseUsd } from '../base/money.ts'
import { DAY_MS, HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { hashKey } from '../domain/api-key.ts'
import type { Cap } from '../domain/cap.ts'
import { loadKeyOwner } from '../store/key.ts'
import { loadRevision } from '../store/revision.ts'
import { changeOnRecord } from './acting.ts'
import { listCapReports, parseCapAmount, removeCap, setCap } from './cap.ts'
import { grantCredit } from './credit.ts'
import { insertKey, makeKey } from './key.ts'
import { switchUseBalance } from './seat-assignment.ts'
import {
  createTestInstance,
  endSample,
  holdSample,
  NOON_MS,
  ofFirstSeat,
  PLANS,
  type TestInstance,
  testActing,
} from './test-instance.ts'
import { reportUsage } from './usage.ts'

/** Of the first key, its member or their workspace. */
async function set(
  { db, setup }: TestInstance,
  scope: Cap['scope'],
  dollars: Partial<Record<Cap['unit'], string>>,
): Promise<Cap[]> {
  const workspaceId = setup.workspace.id
  const subjectId = { key: setup.keyId, member: setup.memberId, workspace: workspaceId }[scope]
  const caps: Cap[] = []
  for (const [unit, text] of Object.entries(dollars)) {
    const wanted = { workspaceId, scope, subjectId, unit: unit as Cap['unit'], limit: parseUsd(text) }
    caps.push(await setCap(db, testActing(), wanted))
  }
  return caps
}

const list = ({ db, setup }: TestInstance, nowMs = NOON_MS) => listCapReports(db, setup.workspace, nowMs)

/** Costs $4.40. */
async function spend(instance: TestInstance, id: string, atMs = NOON_MS): Promise<void> {
  const sample = { id, funding: 'balance', hold: parseUsd('4.5'), atMs } as const
  await holdSample(instance, sample)
  await endSample(instance, sample, { usage: { ...NO_USAGE, output: 1_000_000 } })
}

function report({ db, setup }: TestInstance, nowMs = NOON_MS) {
  const scope = { workspaceId: setup.workspace.id, memberId: setup.memberId, keyId: setup.keyId }
  return reportUsage(db, PLANS, scope, nowMs)
}

describe('caps', () => {
  it('are set, take the place of earlier ones, are told to every process, and are removed', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const seen = [await loadRevision(db)]
    const [first] = await set(instance, 'key', { day: '1', month: '20' })
    seen.push(await loadRevision(db))
    const [again] = await set(instance, 'key', { day: '2' })
    assert.deepEqual([again?.id, again?.limit], [first?.id, 2_000_000_000n])
    const owner = await loadKeyOwner(db, hashKey(setup.key))
    assert.deepEqual(owner?.caps.map(({ unit, limit }) => [unit, limit]).sort(), [
      ['day', 2_000_000_000n],
      ['month', 20_000_000_000n],
    ])
    await removeCap(db, testActing(), setup.workspace.id, String(first?.id))
    await assert.rejects(removeCap(db, testActing(), setup.workspace.id, String(first?.id)), { code: 'not_found' })
    seen.push(await loadRevision(db))
    assert.deepEqual(new Set(seen).size, 3)
    assert.deepEqual(
      (await list(instance)).map(({ name }) => name),
      ['monthly key cap'],
    )
  })

  it('are of subjects of the workspace alone', async (t) => {
    const instance = await createTestInstance(t)
    const own = { workspaceId: instance.setup.workspace.id, unit: 'day', limit: parseUsd(1) } as const
    for (const wanted of [
      { ...own, scope: 'key', subjectId: 'key_other' },
      { ...own, scope: 'member', subjectId: 'mem_other' },
      { ...own, scope: 'workspace', subjectId: 'wrk_other' },
      { ...own, scope: 'member', subjectId: instance.setup.memberId, workspaceId: 'wrk_other' },
    ] as const) {
      await assert.rejects(
        setCap(instance.db, testActing(), wanted),
        { code: 'not_found' },
        JSON.stringify(wanted.scope),
      )
    }
    assert.deepEqual(await list(instance), [])
  })

  it('are exact amounts from nothing to a billion dollars', () => {
    assert.deepEqual([parseCapAmount('0'), parseCapAmount('0.000000001')], [0n, 1n])
    for (const text of ['-1', '', 'x', '1e3', '0.0000000001', '1000000000.01']) {
      assert.throws(() => parseCapAmount(text), { code: 'invalid_request' }, text)
    }
  })

  it('show what was used of them, and when they reset', async (t) => {
    const instance = await createTestInstance(t)
    await set(instance, 'workspace', { month: '4.8' })
    await spend(instance, 'req_1')
    const [cap] = (await report(instance)).caps
    assert.deepEqual(cap, {
      ...{ scope: 'workspace', subject: instance.setup.workspace.id, unit: 'month', name: 'monthly workspace cap' },
      ...{ kind: 'calendar', limit: '4.80', limit_nano: '4800000000', settled: '4.40', settled_nano: '4400000000' },
      ...{ held: '0.00', held_nano: '0', used: '4.40', used_nano: '4400000000', remaining: '0.40' },
      ...{ remaining_nano: '400000000', percent: 91, status: 'ok' },
      ...{ starts_at: '2026-11-01T00:00:00.000Z', resets_at: '2026-12-01T00:00:00.000Z' },
    })
    const more = { id: 'req_2', funding: 'balance', hold: parseUsd('0.5') } as const
    await assert.rejects(holdSample(instance, more), /monthly workspace cap refuses/)
    // Caps are of the balance: what a plan pays is limited by its windows.
    await holdSample(instance, { id: 'req_3', funding: 'plan' })
    const [next] = (await report(instance, NOON_MS + 11 * DAY_MS)).caps
    assert.deepEqual([next?.used, next?.resets_at], ['0.00', '2027-01-01T00:00:00.000Z'])
  })

  it('of other keys and members are not in the report of a key', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const other = makeKey({ memberId: setup.memberId, name: 'other' }, { nowMs: NOON_MS, randomBytes })
    await changeOnRecord(db, testActing(), (sql) => insertKey(sql, setup.workspace.id, other))
    const cap = { scope: 'key', subjectId: other.id, unit: 'day', limit: parseUsd(1) } as const
    await setCap(db, testActing(), { workspaceId: setup.workspace.id, ...cap })
    await set(instance, 'member', { week: '2' })
    await set(instance, 'workspace', { month: '3' })
    assert.deepEqual(
      (await report(instance)).caps.map(({ name }) => name),
      ['weekly member cap', 'monthly workspace cap'],
    )
    const whole = await reportUsage(db, PLANS, { workspaceId: setup.workspace.id, memberId: null }, NOON_MS)
    assert.deepEqual(
      whole.caps.map(({ name }) => name),
      ['monthly workspace cap'],
    )
  })
})

describe('what can be spent in all', () => {
  it('is the least that balance and caps leave, and names the limit that ends it', async (t) => {
    const instance = await createTestInstance(t)
    assert.deepEqual((await report(instance)).effective.zen, {
      ...{ remaining: '5.00', remaining_nano: '5000000000', binding: 'balance', resets_at: null },
    })
    await set(instance, 'key', { day: '4' })
    await set(instance, 'member', { week: '3' })
    assert.deepEqual((await report(instance)).effective.zen, {
      ...{ remaining: '3.00', remaining_nano: '3000000000', binding: 'weekly member cap' },
      resets_at: '2026-11-23T00:00:00.000Z',
    })
    await holdSample(instance, { id: 'req_1', funding: 'balance', hold: parseUsd('2.5') })
    const { zen } = (await report(instance)).effective
    assert.deepEqual([zen?.remaining, zen?.binding], ['0.50', 'weekly member cap'])
    const [ofKey] = await list(instance)
    assert.deepEqual(
      [ofKey?.name, ofKey?.remaining, ofKey?.effective?.remaining, ofKey?.effective?.binding],
      ['daily key cap', '1.50', '0.50', 'weekly member cap'],
    )
  })

  it('on a plan is what its windows leave, or the balance where the seat may use it', async (t) => {
    const instance = await createTestInstance(t)
    const { db } = instance
    const go = async () => {
      const { remaining, binding } = (await report(instance)).effective.go ?? {}
      return [remaining, binding]
    }
    assert.deepEqual(await go(), ['12.00', '5 hour'])
    await holdSample(instance, { id: 'req_1', funding: 'plan', hold: parseUsd(11) })
    assert.deepEqual(await go(), ['1.00', '5 hour'])
    await switchUseBalance(db, testActing(), ofFirstSeat(instance), true)
    assert.deepEqual(await go(), ['5.00', 'balance'])
    await set(instance, 'workspace', { month: '0.5' })
    assert.deepEqual(await go(), ['1.00', '5 hour'])
    const empty = await reportUsage(
      db,
      new Map(),
      { workspaceId: instance.setup.workspace.id, memberId: null },
      NOON_MS,
    )
    assert.equal(empty.effective.go, null)
  })

  it('does not say when a session ends that has not begun', async (t) => {
    const instance = await createTestInstance(t)
    assert.equal((await report(instance)).effective.go?.resets_at, null)
    await holdSample(instance, { id: 'req_1', funding: 'plan' })
    assert.equal((await report(instance, NOON_MS + HOUR_MS)).effective.go?.resets_at, '2026-11-20T17:00:00.000Z')
  })

  it('has no part of credit that has expired', async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    const grant = { workspaceId: setup.workspace.id, amount: nanoUsd(7), note: '', expiresAtMs: NOON_MS + HOUR_MS }
    await grantCredit(db, testActing(), grant)
    const at = async (nowMs: number) => {
      const { balance, effective } = await report(instance, nowMs)
      return [balance.available_nano, effective.zen?.remaining_nano, balance.lots.length]
    }
    assert.deepEqual(await at(NOON_MS), ['5000000007', '5000000007', 2])
    assert.deepEqual(await at(NOON_MS + HOUR_MS), ['5000000000', '5000000000', 1])
  })
})

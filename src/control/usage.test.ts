import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import type { Plan } from '../domain/catalog.ts'
import { endAssignedSeat } from './seat-assignment.ts'
import {
  createTestInstance,
  endSample,
  GO_PLAN,
  holdSample,
  NOON_MS,
  PLANS,
  type TestInstance,
  testActing,
} from './test-instance.ts'
import { reportUsage, type UsageReport, type WindowReport } from './usage.ts'
import { updateWorkspace } from './workspace-settings.ts'

function report(
  { db, setup }: TestInstance,
  nowMs = NOON_MS,
  plans: ReadonlyMap<string, Plan> = PLANS,
): Promise<UsageReport> {
  return reportUsage(db, plans, { workspaceId: setup.workspace.id, memberId: setup.memberId }, nowMs)
}

function windowOf(usage: UsageReport, name: string): WindowReport {
  const window = usage.seats[0]?.windows.find((candidate) => candidate.name === name)
  if (!window) throw new Error(`no window ${name}`)
  return window
}

/** Uses the plan for so many output tokens, which cost $4.40 per million. */
async function spend(
  instance: TestInstance,
  id: string,
  outputTokens: number,
  atMs = NOON_MS,
  hold = parseUsd(6),
): Promise<void> {
  const sample = { id, funding: 'plan', hold, atMs } as const
  await holdSample(instance, sample)
  await endSample(instance, sample, { usage: { ...NO_USAGE, output: outputTokens } })
}

const withWindows = async (t: TestContext, windows: Plan['windows']) => ({
  instance: await createTestInstance(t),
  plans: new Map([['go', { ...GO_PLAN, windows }]]),
})

describe('usage report', () => {
  it('of a fresh instance: everything left, and a session window that is not open has no times', async (t) => {
    const instance = await createTestInstance(t)
    const usage = await report(instance)
    assert.equal(usage.workspaceID, instance.setup.workspace.id)
    assert.equal(usage.userID, instance.setup.memberId)
    assert.equal(usage.as_of, '2026-11-20T12:00:00.000Z')
    const { lots, ...balance } = usage.balance
    assert.deepEqual(balance, {
      ...{ available: '5.00', available_nano: '5000000000', held: '0.00', held_nano: '0' },
      ...{ posted: '5.00', posted_nano: '5000000000' },
    })
    assert.deepEqual(lots, [
      {
        ...{ id: lots[0]?.id, source: 'demo', remaining: '5.00', remaining_nano: '5000000000' },
        ...{ amount: '5.00', amount_nano: '5000000000', priority: 100, expires_at: null },
      },
    ])
    assert.deepEqual(usage.caps, [])
    assert.deepEqual(windowOf(usage, '5 hour'), {
      ...{ name: '5 hour', kind: 'session', limit: '12.00', limit_nano: '12000000000', settled: '0.00' },
      ...{ settled_nano: '0', held: '0.00', held_nano: '0', used: '0.00', used_nano: '0', remaining: '12.00' },
      ...{ remaining_nano: '12000000000', percent: 0, status: 'ok', starts_at: null, resets_at: null },
    })
    assert.equal(windowOf(usage, 'weekly').starts_at, '2026-11-16T00:00:00.000Z')
    assert.equal(windowOf(usage, 'weekly').resets_at, '2026-11-23T00:00:00.000Z')
    assert.equal(windowOf(usage, 'monthly').resets_at, '2026-12-20T12:00:00.000Z')
  })

  it("has the public service's shape at the top", async (t) => {
    const instance = await createTestInstance(t)
    await spend(instance, 'req_1', 1_000_000)
    const { usage } = await report(instance, NOON_MS + HOUR_MS)
    // $4.40 of $12, $30 and $60: 36.7, 14.7 and 7.3 percent, rounded down.
    assert.deepEqual(usage, {
      rolling: { status: 'ok', percent: 36, resetsAt: '2026-11-20T17:00:00.000Z' },
      weekly: { status: 'ok', percent: 14, resetsAt: '2026-11-23T00:00:00.000Z' },
      monthly: { status: 'ok', percent: 7, resetsAt: '2026-12-20T12:00:00.000Z' },
    })
  })

  it('counts what requests under way hold as used', async (t) => {
    const instance = await createTestInstance(t)
    await holdSample(instance, { id: 'req_1', funding: 'plan', hold: parseUsd(3) })
    await holdSample(instance, { id: 'req_2', funding: 'balance', hold: parseUsd(2) })
    const usage = await report(instance)
    const window = windowOf(usage, '5 hour')
    assert.deepEqual(
      [window.settled, window.held, window.used, window.remaining, window.percent],
      ['0.00', '3.00', '3.00', '9.00', 25],
    )
    const { lots: _, ...balance } = usage.balance
    assert.deepEqual(balance, {
      ...{ available: '3.00', available_nano: '3000000000', held: '2.00', held_nano: '2000000000' },
      ...{ posted: '5.00', posted_nano: '5000000000' },
    })
  })

  it('shows what a window counted to the nano-dollar, times the weight', async (t) => {
    const instance = await createTestInstance(t)
    const sample = { id: 'req_1', funding: 'plan', weightPpm: 1_500_000n } as const
    await holdSample(instance, sample)
    await endSample(instance, sample, { usage: { ...NO_USAGE, cachedRead: 7 } })
    // 7 tokens at $0.260000003 per million are 1,820 nano-dollars; times 1.5.
    const window = windowOf(await report(instance), 'weekly')
    assert.deepEqual([window.settled_nano, window.used], ['2730', '0.00000273'])
  })

  it('a window that has ended shows as fresh', async (t) => {
    const instance = await createTestInstance(t)
    await spend(instance, 'req_1', 1_000_000)
    const before = windowOf(await report(instance, NOON_MS + 5 * HOUR_MS - 1), '5 hour')
    assert.deepEqual([before.used, before.resets_at], ['4.40', '2026-11-20T17:00:00.000Z'])
    const after = await report(instance, NOON_MS + 5 * HOUR_MS)
    assert.deepEqual([windowOf(after, '5 hour').used, windowOf(after, '5 hour').resets_at], ['0.00', null])
    assert.equal(windowOf(after, 'weekly').used, '4.40')
    assert.equal(windowOf(await report(instance, NOON_MS + 3 * DAY_MS), 'weekly').used, '0.00')
    assert.equal(windowOf(await report(instance, NOON_MS + 31 * DAY_MS), 'monthly').used, '0.00')
  })

  it('resets_at stays where it is as time passes without spending', async (t) => {
    const instance = await createTestInstance(t)
    await spend(instance, 'req_1', 1000)
    const resets = async (nowMs: number) =>
      (await report(instance, nowMs)).seats[0]?.windows.map((window) => window.resets_at)
    for (const laterMs of [1, MINUTE_MS, HOUR_MS, 4 * HOUR_MS]) {
      assert.deepEqual(await resets(NOON_MS + laterMs), await resets(NOON_MS))
    }
  })

  it('names the window with the least left as the binding one', async (t) => {
    const instance = await createTestInstance(t)
    assert.equal((await report(instance)).seats[0]?.binding, '5 hour')
    // Twenty-two dollars in two sessions of one week leave eight of the week and twelve of the session.
    for (const [index, atMs] of [NOON_MS, NOON_MS, NOON_MS + 6 * HOUR_MS, NOON_MS + 6 * HOUR_MS].entries()) {
      await spend(instance, `req_${index}`, 1_250_000, atMs)
    }
    assert.equal((await report(instance, NOON_MS + 7 * HOUR_MS)).seats[0]?.binding, '5 hour')
    assert.equal((await report(instance, NOON_MS + 12 * HOUR_MS)).seats[0]?.binding, 'weekly')
    assert.equal((await report(instance, NOON_MS + 3 * DAY_MS)).seats[0]?.binding, '5 hour')
  })

  it('is limited at exactly the limit, and no sooner', async (t) => {
    const limit = (dollars: string) => [
      { name: '5 hour', kind: 'session', lengthMs: 5 * HOUR_MS, unit: null, limit: parseUsd(dollars) } as const,
    ]
    const { instance } = await withWindows(t, [])
    await spend(instance, 'req_1', 1_000_000)
    const at = async (dollars: string) => {
      const { status, percent, remaining } = windowOf(
        await report(instance, NOON_MS, new Map([['go', { ...GO_PLAN, windows: limit(dollars) }]])),
        '5 hour',
      )
      return [status, percent, remaining]
    }
    assert.deepEqual(await at('4.40'), ['rate-limited', 100, '0.00'])
    assert.deepEqual(await at('4.400000001'), ['ok', 99, '0.000000001'])
    // The operator may lower a limit below what was used: never more than 100 percent, never less than nothing left.
    assert.deepEqual(await at('2.00'), ['rate-limited', 100, '0.00'])
  })

  it('leaves out windows that a plan does not have, and keeps order', async (t) => {
    const { instance, plans } = await withWindows(t, [
      { name: 'per month', kind: 'calendar', lengthMs: 0, unit: 'month', limit: parseUsd(7) },
    ])
    const usage = await report(instance, NOON_MS, plans)
    assert.deepEqual(usage.usage, { monthly: { status: 'ok', percent: 0, resetsAt: '2026-12-01T00:00:00.000Z' } })
    assert.deepEqual(
      usage.seats[0]?.windows.map(({ name }) => name),
      ['per month'],
    )
  })

  it('of a member without a seat has the balance and no windows', async (t) => {
    const instance = await createTestInstance(t)
    await endAssignedSeat(instance.db, testActing(), instance.setup.workspace.id, instance.setup.seatId)
    const usage = await report(instance)
    assert.deepEqual([usage.usage, usage.seats], [null, []])
    assert.equal(usage.balance.available, '5.00')
  })

  it('of a seat whose plan is gone says so by having no windows', async (t) => {
    const instance = await createTestInstance(t)
    const usage = await report(instance, NOON_MS, new Map())
    assert.deepEqual(usage.seats[0]?.windows, [])
    assert.equal(usage.seats[0]?.binding, null)
    assert.deepEqual(usage.usage, {})
  })

  it('of a workspace has the seats of all members', async (t) => {
    const { db, setup } = await createTestInstance(t)
    const whole = await reportUsage(db, PLANS, { workspaceId: setup.workspace.id, memberId: null }, NOON_MS)
    assert.equal(whole.userID, null)
    assert.equal(whole.seats.length, 1)
    const other = await reportUsage(db, PLANS, { workspaceId: setup.workspace.id, memberId: 'mem_other' }, NOON_MS)
    assert.deepEqual(other.seats, [])
  })

  it('of a window that slides: resets when all of it is free again, and begins with what counts', async (t) => {
    const windows = [
      { name: '5 hour', kind: 'sliding', lengthMs: 5 * HOUR_MS, unit: null, limit: parseUsd(12) },
    ] as const
    const { instance, plans } = await withWindows(t, [...windows])
    const idle = windowOf(await report(instance, NOON_MS, plans), '5 hour')
    assert.deepEqual([idle.starts_at, idle.resets_at, idle.remaining], [null, null, '12.00'])
    for (const [id, atMs] of [
      ['req_1', NOON_MS],
      ['req_2', NOON_MS + 2 * HOUR_MS],
    ] as const) {
      const sample = { id, funding: 'plan', hold: parseUsd(5), atMs, windows } as const
      await holdSample(instance, sample)
      await endSample(instance, sample, { usage: { ...NO_USAGE, output: 1_000_000 } })
    }
    const at = async (nowMs: number) => {
      const { used, starts_at, resets_at } = windowOf(await report(instance, nowMs, plans), '5 hour')
      return [used, starts_at, resets_at]
    }
    // Buckets of five minutes: each leaves when all of it is five hours old.
    const both = ['8.80', '2026-11-20T12:00:00.000Z', '2026-11-20T19:05:00.000Z']
    assert.deepEqual(await at(NOON_MS + 2 * HOUR_MS), both)
    assert.deepEqual(await at(NOON_MS + 5 * HOUR_MS + 5 * MINUTE_MS - 1), both)
    assert.deepEqual(await at(NOON_MS + 5 * HOUR_MS + 5 * MINUTE_MS), ['4.40', '2026-11-20T14:00:00.000Z', both[2]])
    assert.deepEqual(await at(NOON_MS + 7 * HOUR_MS + 5 * MINUTE_MS), ['0.00', null, null])
    const { usage } = await report(instance, NOON_MS + 2 * HOUR_MS, plans)
    assert.deepEqual(usage, { rolling: { status: 'ok', percent: 73, resetsAt: both[2] } })
  })

  it("follows the workspace's calendar, and leaves open windows as they are", async (t) => {
    const instance = await createTestInstance(t)
    const { db, setup } = instance
    await updateWorkspace(db, testActing(), setup.workspace.id, { timeZone: 'Pacific/Kiritimati', weekStart: 7 })
    // Sunday, 00:00 at UTC+14.
    const weekly = windowOf(await report(instance), 'weekly')
    assert.deepEqual([weekly.starts_at, weekly.resets_at], ['2026-11-14T10:00:00.000Z', '2026-11-21T10:00:00.000Z'])
    await spend(instance, 'req_1', 1000)
    await updateWorkspace(db, testActing(), setup.workspace.id, { timeZone: 'UTC', weekStart: 1 })
    assert.equal(windowOf(await report(instance), 'weekly').resets_at, '2026-11-21T10:00:00.000Z')
  })

  it('of a workspace that is not there is refused', async (t) => {
    const { db } = await createTestInstance(t)
    await assert.rejects(reportUsage(db, PLANS, { workspaceId: 'wrk_x', memberId: null }, NOON_MS), {
      code: 'invalid_request',
    })
  })
})

/** Thresholds are told exactly, once and with what an operator needs to know. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { nanoUsd, parseUsd } from '../base/money.ts'
import { EVENT_TYPES, eventId, receiversOf } from './event.ts'
import {
  balanceThresholdEvent,
  crossedThreshold,
  type LimitUse,
  limitThresholdEvent,
  THRESHOLDS,
  toldOf,
} from './threshold.ts'

const AT_MS = Date.UTC(2026, 10, 20, 8)
const amounts = fc.bigInt({ min: 0n, max: 2n ** 62n }).map(nanoUsd)
const limits = fc.bigInt({ min: 1n, max: 2n ** 62n }).map(nanoUsd)

/** The percentage as an exact fraction, found by long division: another way than the code's. */
function percentReached(used: bigint, limit: bigint, percent: bigint): boolean {
  const whole = (used / limit) * 100n
  const rest = (used % limit) * 100n
  const hundredths = whole + rest / limit
  return hundredths >= percent
}

/** What a series of uses tells, when each telling is remembered. */
function toldBy(uses: readonly bigint[], limit: bigint): number[] {
  const told: number[] = []
  for (const used of uses) {
    const threshold = crossedThreshold(told.at(-1) ?? 0, nanoUsd(used), nanoUsd(limit))
    if (threshold !== null) told.push(threshold)
  }
  return told
}

describe('a threshold', () => {
  test('is reached exactly: one nano-dollar below is not', () => {
    const limit = parseUsd('12')
    const shares = [
      ['6', 50],
      ['9.60', 80],
      ['11.40', 95],
      ['12', 100],
    ] as const
    for (const [used, percent] of shares) {
      assert.equal(crossedThreshold(0, parseUsd(used), limit), percent)
      const below = crossedThreshold(0, nanoUsd(parseUsd(used) - 1n), limit)
      assert.equal(below, THRESHOLDS[THRESHOLDS.indexOf(percent) - 1] ?? null)
    }
  })

  test('is exact where a float would round, and in a limit of one nano-dollar', () => {
    const limit = nanoUsd(2n ** 62n)
    assert.equal(crossedThreshold(0, nanoUsd(2n ** 61n - 1n), limit), null)
    assert.equal(crossedThreshold(0, nanoUsd(2n ** 61n), limit), 50)
    assert.equal(crossedThreshold(0, nanoUsd(0), nanoUsd(1)), null)
    assert.equal(crossedThreshold(0, nanoUsd(1), nanoUsd(1)), 100)
  })

  test('is the highest that was reached, above what was told', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, ...THRESHOLDS), amounts, limits, (told, used, limit) => {
        const reached = THRESHOLDS.filter((percent) => percentReached(used, limit, BigInt(percent)))
        const expected = reached.filter((percent) => percent > told).at(-1) ?? null
        assert.equal(crossedThreshold(told, used, limit), expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('is told once, however use rises and falls, and in rising order', () => {
    fc.assert(
      fc.property(fc.array(amounts, { maxLength: 60 }), limits, (uses, limit) => {
        const told = toldBy(uses, limit)
        assert.deepEqual(
          told,
          [...new Set(told)].sort((a, b) => a - b),
        )
        const highest = THRESHOLDS.findLast((percent) =>
          uses.some((used) => percentReached(used, limit, BigInt(percent))),
        )
        assert.equal(told.at(-1), highest)
      }),
    )
  })

  test('is told four times on the way up by small steps, and once by one jump', () => {
    assert.deepEqual(
      toldBy(
        Array.from({ length: 1001 }, (_, step) => BigInt(step)),
        1000n,
      ),
      [50, 80, 95, 100],
    )
    assert.deepEqual(toldBy([0n, 970n, 980n], 1000n), [95])
  })

  test('of a limit of nothing is the last one; of less than nothing used there is none', () => {
    assert.equal(crossedThreshold(0, parseUsd('0'), parseUsd('0')), 100)
    assert.equal(crossedThreshold(100, parseUsd('0'), parseUsd('0')), null)
    assert.equal(crossedThreshold(0, parseUsd('-5'), parseUsd('1')), null)
  })

  test('of a sliding window counts as told while any of its meters has told it', () => {
    assert.equal(toldOf([]), 0)
    assert.equal(toldOf([{ told: 0 }, { told: 80 }, { told: 50 }]), 80)
  })
})

const USE: LimitUse = {
  id: 'seat_1:5 hour:1795161600000',
  workspaceId: 'wrk_1',
  scope: 'seat',
  subjectId: 'seat_1',
  name: '5 hour',
  kind: 'session',
  used: parseUsd('9.600000001'),
  limit: parseUsd('12'),
  resetsAtMs: AT_MS + 3_600_000,
}

describe('an event', () => {
  test('of a limit says which, whose, how much of how much, and until when', () => {
    assert.deepEqual(limitThresholdEvent(USE, 80, AT_MS), {
      id: 't:seat_1:5%20hour:1795161600000:80',
      type: 'limit.threshold',
      workspaceId: 'wrk_1',
      payload: {
        workspace: 'wrk_1',
        scope: 'seat',
        subject: 'seat_1',
        name: '5 hour',
        kind: 'session',
        threshold: 80,
        unit: 'usd',
        used: '9.600000001',
        used_nano: '9600000001',
        limit: '12.00',
        limit_nano: '12000000000',
        remaining: '2.399999999',
        remaining_nano: '2399999999',
        resets_at: '2026-11-20T09:00:00.000Z',
        at: '2026-11-20T08:00:00.000Z',
      },
      atMs: AT_MS,
    })
  })

  test('of a balance is another one after each credit', () => {
    const use = {
      accountId: 'acc_1',
      creditId: 'grant_1',
      workspaceId: 'wrk_1',
      used: parseUsd('10'),
      limit: parseUsd('10'),
    }
    const first = balanceThresholdEvent(use, 100, AT_MS)
    assert.equal(first.id, 't:acc_1:grant_1:100')
    assert.equal(balanceThresholdEvent(use, 100, AT_MS + 1).id, first.id)
    assert.notEqual(balanceThresholdEvent({ ...use, creditId: 'grant_2' }, 100, AT_MS).id, first.id)
    const { name, kind, scope, subject, remaining, resets_at } = first.payload
    assert.deepEqual(
      [name, kind, scope, subject, remaining, resets_at],
      ['balance', 'balance', 'workspace', 'wrk_1', '0.00', null],
    )
  })

  test('has an id that can stand in a header and holds no full stop, whatever a window is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 32 }), fc.constantFrom(...THRESHOLDS), (name, threshold) => {
        const { id } = limitThresholdEvent({ ...USE, id: `seat_1:${name}:1` }, threshold, AT_MS)
        assert.match(id, /^[\w:%-]+$/)
        assert.ok(id.endsWith(`:${threshold}`))
      }),
    )
  })

  test('has an id of its own for each name', () => {
    const names = [
      '5 hour',
      '5.hour',
      '5%20hour',
      '5_hour',
      '5-hour',
      'ＦＵＬＬ',
      'full',
      '5/hour',
      "5'hour",
      '5(hour)',
      '5*hour',
      '5!hour',
      '5~hour',
    ]
    assert.equal(new Set(names.map((name) => eventId('t', name, 50))).size, names.length)
  })
})

test('receivers are told the types that they want', () => {
  const webhooks = [
    { name: 'all', events: EVENT_TYPES },
    { name: 'money', events: ['ledger.write_off'] as const },
  ]
  assert.deepEqual(receiversOf(webhooks, 'limit.threshold'), ['all'])
  assert.deepEqual(receiversOf(webhooks, 'ledger.write_off'), ['all', 'money'])
  assert.deepEqual(receiversOf([], 'ledger.write_off'), [])
})

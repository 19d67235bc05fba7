import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd, ZERO_USD } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import type { Plan } from '../domain/catalog.ts'
import { loadCurrentWindows } from './current-window.ts'
import { openTestDatabase } from './test-database.ts'
import { holdWindow, openWindow, settleWindows } from './window.ts'
import { insertMember, insertSeat, insertWorkspace } from './workspace.ts'

const SESSION = { name: '5 hour', kind: 'session', lengthMs: 5 * HOUR_MS, unit: null, limit: parseUsd(12) } as const
const WEEK = { name: 'weekly', kind: 'calendar', lengthMs: 0, unit: 'week', limit: parseUsd(30) } as const
const PLAN: Plan = { id: 'go', price: ZERO_USD, interval: 'month', products: ['go'], windows: [SESSION, WEEK] }
const NOON_MS = Date.UTC(2026, 10, 20, 12)
const SEAT = { id: 'seat_1', memberId: 'mem_1', planId: 'go', useBalance: false, startedAtMs: NOON_MS }

describe('current windows', () => {
  it('are those of the database while they are open, and as they would open before and after', (t) => {
    const db = openTestDatabase(t)
    insertWorkspace(db, { id: 'wrk_1', name: 'w' }, NOON_MS)
    insertMember(db, { id: 'mem_1', workspaceId: 'wrk_1', name: 'm', role: 'admin' }, NOON_MS)
    insertSeat(db, { ...SEAT, workspaceId: 'wrk_1' })
    const at = (nowMs: number) =>
      loadCurrentWindows(db, SEAT, PLAN, nowMs).map(({ id, settled, held, startsAtMs }) => [
        id !== null,
        settled,
        held,
        startsAtMs,
      ])
    const monday = Date.UTC(2026, 10, 16)
    assert.deepEqual(at(NOON_MS), [
      [false, 0n, 0n, NOON_MS],
      [false, 0n, 0n, monday],
    ])
    const bounds = { startsAtMs: NOON_MS, endsAtMs: NOON_MS + 5 * HOUR_MS }
    const id = openWindow(db, { seatId: SEAT.id, name: SESSION.name, kind: SESSION.kind, bounds, limit: SESSION.limit })
    holdWindow(db, id, 'req_1', parseUsd(2), SESSION.limit)
    assert.deepEqual(at(NOON_MS + HOUR_MS)[0], [true, 0n, 2_000_000_000n, NOON_MS])
    settleWindows(db, 'req_1', parseUsd(2), parseUsd(1))
    assert.deepEqual(at(bounds.endsAtMs - 1)[0], [true, 1_000_000_000n, 0n, NOON_MS])
    assert.deepEqual(at(bounds.endsAtMs)[0], [false, 0n, 0n, bounds.endsAtMs])
  })
})

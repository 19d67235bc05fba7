import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { type Cap, capSpec } from './cap.ts'
import { windowStateOf } from './window.ts'

const at = (text: string): number => Date.parse(text)
const cap: Cap = {
  id: 'cap_1',
  workspaceId: 'ws_1',
  scope: 'key',
  subjectId: 'key_1',
  unit: 'day',
  limit: parseUsd(5),
}

describe('caps', () => {
  it('are named by their period and by whom they bind', () => {
    const names = (['workspace', 'member', 'key'] as const).flatMap((scope) =>
      (['day', 'week', 'month'] as const).map((unit) => capSpec({ ...cap, scope, unit }).name),
    )
    assert.deepEqual(names, [
      'daily workspace cap',
      'weekly workspace cap',
      'monthly workspace cap',
      'daily member cap',
      'weekly member cap',
      'monthly member cap',
      'daily key cap',
      'weekly key cap',
      'monthly key cap',
    ])
  })

  it('start over at the midnight of the workspace', () => {
    const zone = { timeZone: 'America/New_York', weekStart: 7 }
    const startOf = (unit: Cap['unit']): string => {
      const state = windowStateOf(capSpec({ ...cap, unit }), [], at('2026-11-01T12:00:00Z'), 0, zone)
      return new Date(state.current.startsAtMs).toISOString()
    }
    // That Sunday is also the first of the month, and begins before the clocks go back.
    assert.equal(startOf('day'), '2026-11-01T04:00:00.000Z')
    assert.equal(startOf('week'), '2026-11-01T04:00:00.000Z')
    assert.equal(startOf('month'), '2026-11-01T04:00:00.000Z')
  })
})

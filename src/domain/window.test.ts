import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { nanoUsd, parseUsd } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import type { WindowSpec } from './catalog.ts'
import { findFullWindow, type WindowState, windowBoundsAt, windowRemaining } from './window.ts'

const session: WindowSpec = { name: '5 hour', kind: 'session', lengthMs: 5 * HOUR_MS, unit: null, limit: parseUsd(12) }
const week: WindowSpec = { name: 'weekly', kind: 'calendar', lengthMs: 0, unit: 'week', limit: parseUsd(30) }
const month: WindowSpec = { name: 'monthly', kind: 'anchored', lengthMs: 0, unit: 'month', limit: parseUsd(60) }
const at = (text: string): number => Date.parse(text)

function boundsText(spec: WindowSpec, now: string, anchor = '2026-01-31T10:30:00Z'): string[] {
  const { startsAtMs, endsAtMs } = windowBoundsAt(spec, at(now), at(anchor))
  return [new Date(startsAtMs).toISOString(), new Date(endsAtMs).toISOString()]
}

describe('window bounds', () => {
  it('a session starts with the request and lasts its hours', () => {
    const bounds = boundsText(session, '2026-11-20T08:00:00Z')
    assert.deepEqual(bounds, ['2026-11-20T08:00:00.000Z', '2026-11-20T13:00:00.000Z'])
  })

  it('a week starts Monday 00:00 UTC', () => {
    const friday = boundsText(week, '2026-11-20T08:00:00Z')
    assert.deepEqual(friday, ['2026-11-16T00:00:00.000Z', '2026-11-23T00:00:00.000Z'])
    assert.deepEqual(boundsText(week, '2026-11-16T00:00:00Z'), friday)
    assert.deepEqual(boundsText(week, '2026-11-22T23:59:59.999Z'), friday)
  })

  it('a month runs from the anchor, and a day that a month lacks is its last', () => {
    assert.deepEqual(boundsText(month, '2026-02-20T00:00:00Z'), [
      '2026-01-31T10:30:00.000Z',
      '2026-02-28T10:30:00.000Z',
    ])
    assert.deepEqual(boundsText(month, '2026-02-28T10:30:00Z'), [
      '2026-02-28T10:30:00.000Z',
      '2026-03-31T10:30:00.000Z',
    ])
    assert.deepEqual(boundsText(month, '2028-02-29T10:29:59Z'), [
      '2028-01-31T10:30:00.000Z',
      '2028-02-29T10:30:00.000Z',
    ])
  })

  it('an anchored week is a week, from the anchor on', () => {
    const anchored: WindowSpec = { ...month, unit: 'week' }
    const bounds = boundsText(anchored, '2026-02-08T10:00:00Z')
    assert.deepEqual(bounds, ['2026-02-07T10:30:00.000Z', '2026-02-14T10:30:00.000Z'])
  })

  it('contain the instant they were asked for, and follow each other without a gap', () => {
    const instant = fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2060-01-01T00:00:00Z') })
    fc.assert(
      fc.property(instant, instant, fc.constantFrom(week, month), (now, anchor, spec) => {
        const { startsAtMs, endsAtMs } = windowBoundsAt(spec, now, anchor)
        assert.ok(startsAtMs <= now && now < endsAtMs)
        assert.equal(windowBoundsAt(spec, endsAtMs, anchor).startsAtMs, endsAtMs)
        assert.equal(windowBoundsAt(spec, startsAtMs - 1, anchor).endsAtMs, startsAtMs)
      }),
    )
  })
})

describe('window limits', () => {
  const state = (spec: WindowSpec, settled: bigint, held: bigint): WindowState => ({
    spec,
    settled: nanoUsd(settled),
    held: nanoUsd(held),
    startsAtMs: 0,
    endsAtMs: 1,
  })

  it('the first window in the order of the plan that a hold does not fit is named', () => {
    const windows = [state(session, 0n, 0n), state(week, parseUsd(29), parseUsd('0.5')), state(month, parseUsd(60), 0n)]
    assert.equal(findFullWindow(windows, parseUsd('0.50000001'))?.spec.name, 'weekly')
    assert.equal(findFullWindow(windows.slice(0, 2), parseUsd('0.5')), null)
  })

  it('what is left is never negative', () => {
    assert.equal(windowRemaining(state(session, parseUsd(13), 0n)), 0n)
    assert.equal(windowRemaining(state(session, parseUsd(2), parseUsd(3))), parseUsd(7))
  })
})

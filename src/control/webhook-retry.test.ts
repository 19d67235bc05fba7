/** Retries come often at first, then seldom, and end within three days. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DAY_MS, HOUR_MS } from '../base/time.ts'
import { parseRetryAfterMs, retryDelayMs } from './webhook-retry.ts'

/** Every delay until it gives up, each with the given randomness. */
function delays(random: () => number): number[] {
  const all: number[] = []
  for (let delay = retryDelayMs(1, random()); delay !== null; delay = retryDelayMs(all.length + 1, random())) {
    all.push(delay)
    assert.ok(all.length < 1000, 'it never gives up')
  }
  return all
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
const randomness = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('retries', () => {
  test('grow from seconds to hours, and go on for most of three days', () => {
    const full = delays(() => 0)
    assert.deepEqual(full.slice(0, 4), [5000, 15_000, 45_000, 135_000])
    assert.equal(full.at(-1), 6 * HOUR_MS)
    assert.ok(sum(full) <= 3 * DAY_MS && sum(full) > 3 * DAY_MS - 6 * HOUR_MS, String(sum(full)))
  })

  test('never last longer than three days, and never much less than two', () => {
    fc.assert(
      fc.property(fc.array(randomness, { minLength: 1, maxLength: 40 }), (sequence) => {
        let next = 0
        const all = delays(() => sequence[next++ % sequence.length] ?? 0)
        assert.ok(sum(all) <= 3 * DAY_MS && sum(all) >= 2 * DAY_MS, String(sum(all)))
        assert.ok(all.every((delay) => delay >= 3750 && delay <= 6 * HOUR_MS))
      }),
    )
  })

  test('of many receivers do not come at the same instant', () => {
    assert.ok(new Set([0, 0.2, 0.4, 0.6, 0.8].map((random) => retryDelayMs(5, random))).size === 5)
  })

  test('wait as long as the receiver asks, up to the longest delay, and not less than their own', () => {
    assert.equal(retryDelayMs(1, 0, 60_000), 60_000)
    assert.equal(retryDelayMs(1, 0, 30 * DAY_MS), 6 * HOUR_MS)
    assert.equal(retryDelayMs(1, 0, 1), 5000)
    assert.equal(retryDelayMs(1000, 0, 60_000), null)
  })

  test('read seconds and dates, and nothing else', () => {
    const nowMs = Date.UTC(2026, 10, 20, 8)
    const cases: [header: string | string[] | undefined, waitMs: number][] = [
      ['120', 120_000],
      ['Fri, 20 Nov 2026 08:01:00 GMT', 60_000],
      ['Fri, 20 Nov 2026 07:59:00 GMT', 0],
      ['soon', 0],
      ['-5', 0],
      ['', 0],
      [['1', '2'], 0],
      [undefined, 0],
    ]
    for (const [header, waitMs] of cases) assert.equal(parseRetryAfterMs(header, nowMs), waitMs, String(header))
  })
})

/** The section `limits`: what it defaults to, what switches a limit off, and what is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { trafficLimits } from './config-limits-schema.ts'
import { parseConfig } from './config-parse.ts'
import { buildForTest } from './test-catalog.ts'

function problemOf(limits: unknown): string {
  const parsed = parseConfig(JSON.stringify({ limits }), 'zendo.jsonc')
  const problem = parsed.ok ? undefined : parsed.problems[0]
  return `${problem?.path}: ${problem?.reason}`
}

describe('limits', () => {
  test('without a file no honest agent meets one: no rate per key, and the others far off', () => {
    assert.deepEqual(buildForTest({}).limits, {
      key: null,
      inFlight: 200,
      address: { requestsPerMinute: 600, burst: 100 },
      loop: { repeats: 20, seconds: 60 },
    })
  })

  test('are what the file says, each alone', () => {
    const { limits } = buildForTest({
      limits: {
        key: { requestsPerMinute: 90, burst: 7, inFlight: 12 },
        address: { requestsPerMinute: 5 },
        loop: { seconds: 10 },
      },
    })
    assert.deepEqual(limits, {
      key: { requestsPerMinute: 90, burst: 7 },
      inFlight: 12,
      address: { requestsPerMinute: 5, burst: 5 },
      loop: { repeats: 20, seconds: 10 },
    })
  })

  test('a rate without a burst takes a minute’s worth at once, at most 100', () => {
    const burstOf = (requestsPerMinute: number) => trafficLimits({ key: { requestsPerMinute } }).key?.burst
    assert.deepEqual([1, 99, 100, 5000].map(burstOf), [1, 99, 100, 100])
  })

  test('are switched off one by one, with 0 or null', () => {
    for (const off of [0, null]) {
      const { limits } = buildForTest({
        limits: {
          key: { requestsPerMinute: off, inFlight: off },
          address: { requestsPerMinute: off, burst: 3 },
          loop: { repeats: off },
        },
      })
      assert.deepEqual(limits, { key: null, inFlight: null, address: null, loop: null })
    }
  })

  const refused: [limits: unknown, problem: RegExp][] = [
    [{ key: { requestsPerMinute: -1 } }, /^limits\.key\.requestsPerMinute: must not be negative/],
    [{ key: { requestsPerMinute: 0.5 } }, /^limits\.key\.requestsPerMinute: expected a whole number/],
    [{ key: { requestsPerMinute: 1_000_001 } }, /^limits\.key\.requestsPerMinute: must not be above 1000000/],
    [{ key: { burst: 0 } }, /^limits\.key\.burst: must be at least 1/],
    [{ key: { inFlight: '20' } }, /^limits\.key\.inFlight: expected a whole number/],
    [{ address: { inFlight: 3 } }, /^limits\.address\.inFlight: there is no such key/],
    [{ loop: { repeats: 1 } }, /^limits\.loop\.repeats: must be 0 \(off\) or at least 2/],
    [{ loop: { seconds: 0 } }, /^limits\.loop\.seconds: must be at least 1/],
    [{ loop: { seconds: 3601 } }, /^limits\.loop\.seconds: must not be above 3600/],
    [null, /^limits: expected an object/],
  ]
  for (const [limits, problem] of refused) {
    test(`${JSON.stringify(limits)} is refused at its place`, () => assert.match(problemOf(limits), problem))
  }
})

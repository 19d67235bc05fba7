/** GCRA against a list of instants: what it lets through, when it says to come back, and what a flood does to it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { MINUTE_MS } from '../base/time.ts'
import type { RateLimit } from '../domain/catalog.ts'
import { createRateLimiter } from './rate-limit.ts'

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)
const START_MS = Date.UTC(2026, 10, 20)
const secret = 'kept between tests'

/** Whether one more at `nowMs` keeps every span that ends there within burst + rate × t; in whole numbers. */
function fits(admittedMs: readonly number[], { requestsPerMinute, burst }: RateLimit, nowMs: number): boolean {
  return [...admittedMs, nowMs].every((fromMs, index, all) => {
    const inSpan = all.length - index
    return inSpan * MINUTE_MS <= burst * MINUTE_MS + requestsPerMinute * (nowMs - fromMs)
  })
}

const anyRate: fc.Arbitrary<RateLimit> = fc.record({
  requestsPerMinute: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constantFrom(1, 7, 60, 600, 999, 1_000_000)),
  burst: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(1, 100)),
})
const anyPause = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 90_000 }))

describe('a request rate', () => {
  it(`never lets through more than burst + rate × t in any span, and refuses nothing that would fit (seed ${seed})`, () => {
    const program = fc.array(anyPause, { minLength: 1, maxLength: 60, size: 'max' })
    fc.assert(
      fc.property(anyRate, program, (rate, pauses) => {
        const limiter = createRateLimiter({ secret })
        const admitted: number[] = []
        let nowMs = START_MS
        for (const pause of pauses) {
          nowMs += pause
          const waitMs = limiter.take('key_a', rate, nowMs)
          assert.equal(waitMs === 0, fits(admitted, rate, nowMs))
          if (waitMs === 0) admitted.push(nowMs)
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it(`says exactly when to come back: then it admits, and a second or a millisecond earlier it does not (seed ${seed})`, () => {
    const program = fc.array(anyPause, { minLength: 1, maxLength: 40, size: 'max' })
    fc.assert(
      fc.property(anyRate, program, (rate, pauses) => {
        const limiter = createRateLimiter({ secret })
        const admitted: number[] = []
        let nowMs = START_MS
        for (const pause of pauses) {
          nowMs += pause
          const waitMs = limiter.take('key_a', rate, nowMs)
          if (waitMs === 0) {
            admitted.push(nowMs)
            continue
          }
          const seconds = Math.ceil(waitMs / 1000)
          assert.ok(fits(admitted, rate, nowMs + seconds * 1000))
          assert.ok(!fits(admitted, rate, nowMs + (seconds - 1) * 1000))
          assert.ok(!fits(admitted, rate, nowMs + waitMs - 1))
          // Asking in between must not put it off.
          limiter.take('key_a', rate, nowMs + waitMs - 1)
          nowMs += waitMs
          assert.equal(limiter.take('key_a', rate, nowMs), 0)
          admitted.push(nowMs)
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it('at five times the rate for a minute, lets through the burst and the rate', () => {
    const rate = { requestsPerMinute: 600, burst: 20 }
    const limiter = createRateLimiter({ secret })
    let admitted = 0
    for (let atMs = 0; atMs < MINUTE_MS; atMs += 20) {
      if (limiter.take('key_a', rate, START_MS + atMs) === 0) admitted++
    }
    assert.equal(admitted, 20 + Math.floor((600 * (MINUTE_MS - 20)) / MINUTE_MS))
  })

  it('is counted for each id alone', () => {
    const rate = { requestsPerMinute: 1, burst: 2 }
    const limiter = createRateLimiter({ secret })
    const waits = ['key_a', 'key_a', 'key_b', 'key_a', 'key_b', 'key_b'].map((id) => limiter.take(id, rate, START_MS))
    assert.deepEqual(waits, [0, 0, 0, MINUTE_MS, 0, MINUTE_MS])
  })

  it('a clock that is set back by a year makes nobody wait for a year', () => {
    const rate = { requestsPerMinute: 60, burst: 3 }
    const limiter = createRateLimiter({ secret })
    for (let n = 0; n < 4; n++) limiter.take('key_a', rate, START_MS)
    for (let n = 0; n < 2; n++) limiter.take('key_b', rate, START_MS)
    const backMs = START_MS - 365 * 86_400_000
    assert.equal(limiter.take('key_a', rate, backMs), 1000)
    assert.equal(limiter.take('key_a', rate, backMs + 1000), 0)
    assert.equal(limiter.take('key_b', rate, backMs), 0, 'two of three were used')
  })

  it('a limit that is changed holds at once, and a smaller burst leaves no debt behind', () => {
    const limiter = createRateLimiter({ secret })
    for (let n = 0; n < 50; n++) limiter.take('key_a', { requestsPerMinute: 60, burst: 50 }, START_MS)
    assert.equal(limiter.take('key_a', { requestsPerMinute: 600, burst: 50 }, START_MS), 100)
    assert.equal(limiter.take('key_a', { requestsPerMinute: 60, burst: 2 }, START_MS), 1000)
    assert.equal(limiter.take('key_a', { requestsPerMinute: 60, burst: 60 }, START_MS), 0)
  })
})

describe('a flood of addresses', () => {
  it(`gives none of them more than its rate, however few are remembered (seed ${seed})`, () => {
    const step = fc.record({ id: fc.integer({ min: 0, max: 9 }), pause: anyPause })
    const table = fc.record({ maxOwn: fc.integer({ min: 1, max: 4 }), maxShared: fc.integer({ min: 1, max: 3 }) })
    const program = fc.array(step, { minLength: 1, maxLength: 120, size: 'max' })
    fc.assert(
      fc.property(anyRate, table, program, (rate, sizes, steps) => {
        const limiter = createRateLimiter({ secret, ...sizes })
        const admitted = new Map<number, number[]>()
        let nowMs = START_MS
        for (const { id, pause } of steps) {
          nowMs += pause
          const before = admitted.get(id) ?? []
          if (limiter.take(`address ${id}`, rate, nowMs) > 0) continue
          assert.ok(fits(before, rate, nowMs), `one more for ${id}`)
          admitted.set(id, [...before, nowMs])
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it('does not free an address that has used up its own, and does not grow the memory', () => {
    const rate = { requestsPerMinute: 1, burst: 5 }
    const limiter = createRateLimiter({ secret })
    const attacker = '203.0.113.9'
    for (let n = 0; n < 5; n++) limiter.take(attacker, rate, START_MS)
    const before = usedHeapMiB()
    let admitted = 0
    for (let n = 0; n < 300_000; n++) {
      if (limiter.take(`2001:db8:${n >> 16}:${n & 0xffff}::/64`, rate, START_MS) === 0) admitted++
    }
    assert.ok(admitted > 0 && admitted < 50_000 + 5 * 1024 + 1, `${admitted} admitted`)
    assert.ok(usedHeapMiB() - before < 20, `${usedHeapMiB() - before} MiB more`)
    assert.equal(limiter.take(attacker, rate, START_MS), MINUTE_MS)
  })

  it('that is over leaves room again for addresses of their own', () => {
    const rate = { requestsPerMinute: 60, burst: 1 }
    const limiter = createRateLimiter({ secret, maxOwn: 8, maxShared: 1 })
    const takeAll = (name: string, nowMs: number): number =>
      Array.from({ length: 8 }, (_, n) => limiter.take(`${name} ${n}`, rate, nowMs)).filter((wait) => wait === 0).length
    assert.equal(takeAll('flood', START_MS), 8)
    assert.equal(takeAll('late', START_MS), 1, 'all that came too late share one bucket')
    assert.equal(takeAll('next', START_MS + 1000), 8)
  })

  it('in which one goes on gives the others buckets of their own again', () => {
    const rate = { requestsPerMinute: 60, burst: 2 }
    const limiter = createRateLimiter({ secret, maxOwn: 16, maxShared: 2 })
    for (let n = 0; n < 16; n++) limiter.take(`flood ${n}`, rate, START_MS)
    const lastsOn = 'late 0'
    assert.deepEqual([limiter.take(lastsOn, rate, START_MS), limiter.take(lastsOn, rate, START_MS)], [0, 0])
    for (let n = 1; n < 16; n++) limiter.take(`late ${n}`, rate, START_MS)
    assert.equal(limiter.take(lastsOn, rate, START_MS + 1000), 0)
    const passing = Array.from({ length: 8 }, (_, n) =>
      [1, 2].every(() => limiter.take(`next ${n}`, rate, START_MS + 2000) === 0),
    )
    assert.ok(passing.filter(Boolean).length >= 3, `${passing}`)
  })
})

function usedHeapMiB(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed / 2 ** 20
}

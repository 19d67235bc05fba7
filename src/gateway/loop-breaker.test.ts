/** The loop breaker against a list of instants: what it lets through, when a loop ends, and what it forgets. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createLoopBreaker, type Loop, type LoopLimit, type Sent } from './loop-breaker.ts'

const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)
const START_MS = Date.UTC(2026, 10, 20)
const secret = 'kept between tests'
const LIMIT: LoopLimit = { repeats: 20, seconds: 60 }

const bodyOf = (text: string, target = ''): Sent => ({
  target,
  body: Buffer.from(JSON.stringify({ messages: [text] })),
})
/** Bodies of different lengths. */
const numbered = (n: number): Sent => bodyOf('x'.repeat(n))

/** How many of `atMs` still count. */
function standing(atMs: readonly number[], { seconds }: LoopLimit, nowMs: number): number {
  return atMs.filter((instant) => instant > nowMs - seconds * 1000).length
}

const anyLimit = fc.record({ repeats: fc.integer({ min: 2, max: 6 }), seconds: fc.integer({ min: 1, max: 60 }) })
const anyStep = fc.record({
  pause: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 70_000 })),
  id: fc.constantFrom('key_a', 'key_b'),
  body: fc.integer({ min: 0, max: 3 }),
})

describe('a loop', () => {
  it(`is refused exactly while as many as are allowed still count, and only for its own caller (seed ${seed})`, () => {
    fc.assert(
      fc.property(anyLimit, fc.array(anyStep, { minLength: 1, maxLength: 80, size: 'max' }), (limit, steps) => {
        const breaker = createLoopBreaker({ secret })
        const admitted = new Map<string, number[]>()
        let nowMs = START_MS
        for (const { pause, id, body } of steps) {
          nowMs += pause
          const name = `${id} ${body}`
          const before = admitted.get(name) ?? []
          const loop = breaker.judge(id, numbered(body), limit, nowMs)
          const count = standing(before, limit, nowMs)
          assert.equal(loop !== null, count >= limit.repeats)
          if (!loop) {
            admitted.set(name, [...before, nowMs])
            continue
          }
          assert.equal(loop.count, count)
          const soonestMs = nowMs + loop.retryAfterMs
          assert.ok(standing(before, limit, soonestMs) < limit.repeats, 'waiting it out is enough')
          assert.ok(standing(before, limit, soonestMs - 1) >= limit.repeats, 'and no more than needed')
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it(`among bodies of one length is found at the last allowed repetition at the earliest (seed ${seed})`, () => {
    const step = fc.record({ pause: fc.nat(20_000), body: fc.constantFrom('one', 'two', 'six') })
    fc.assert(
      fc.property(anyLimit, fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }), (limit, steps) => {
        const breaker = createLoopBreaker({ secret })
        const admitted = new Map<string, number[]>()
        let nowMs = START_MS
        for (const { pause, body } of steps) {
          nowMs += pause
          const before = admitted.get(body) ?? []
          const count = standing(before, limit, nowMs)
          if (breaker.judge('key_a', bodyOf(body), limit, nowMs)) assert.ok(count >= limit.repeats - 1)
          else {
            assert.ok(count < limit.repeats)
            admitted.set(body, [...before, nowMs])
          }
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it('of 50 identical bodies in a minute is stopped after 20, and told as new once', () => {
    const breaker = createLoopBreaker({ secret })
    const body = bodyOf('again')
    const verdicts = Array.from({ length: 50 }, (_, n) => breaker.judge('key_a', body, LIMIT, START_MS + n * 1000))
    assert.deepEqual(
      verdicts.map((loop) => loop === null),
      Array.from({ length: 50 }, (_, n) => n < 20),
    )
    const loops = verdicts.filter((loop): loop is Loop => loop !== null)
    assert.equal(loops.filter(({ isNew }) => isNew).length, 1)
    assert.ok(loops.every(({ hash, count }) => /^[0-9a-f]{8}$/.test(hash) && count === 20))
  })

  it('that goes on unheard lets one through for each that no longer counts, not none for ever', () => {
    const breaker = createLoopBreaker({ secret })
    const body = bodyOf('again')
    const sentPerMinute = (minute: number): number => {
      let admitted = 0
      for (let second = 0; second < 60; second++) {
        const nowMs = START_MS + (minute * 60 + second) * 1000
        if (!breaker.judge('key_a', body, LIMIT, nowMs)) admitted++
      }
      return admitted
    }
    assert.deepEqual([0, 1, 2, 3].map(sentPerMinute), [20, 20, 20, 20])
  })

  it('under a limit that was made smaller ends when fewer than that count', () => {
    const breaker = createLoopBreaker({ secret })
    const smaller = { repeats: 3, seconds: 60 }
    const judge = (limit: LoopLimit, second: number) =>
      breaker.judge('key_a', bodyOf('again'), limit, START_MS + second * 1000)
    for (let second = 0; second < 6; second++) assert.equal(judge(LIMIT, second), null)
    const loop = judge(smaller, 10)
    assert.deepEqual([loop?.count, loop?.retryAfterMs], [6, 53_000])
    assert.notEqual(judge(smaller, 59), null)
    assert.equal(judge(smaller, 63), null)
  })

  it('is told as new again after it had ended', () => {
    const breaker = createLoopBreaker({ secret })
    const loopAt = (fromMs: number): boolean[] =>
      Array.from({ length: 25 }, () => breaker.judge('key_a', bodyOf('again'), LIMIT, fromMs)?.isNew === true)
    assert.equal(loopAt(START_MS).filter(Boolean).length, 1)
    assert.equal(loopAt(START_MS + 60_000).filter(Boolean).length, 1)
  })

  it('is not freed by a flood of other bodies, of its own length or of others', () => {
    const breaker = createLoopBreaker({ secret, maxTraces: 100 })
    const body = bodyOf('again')
    for (let n = 0; n < 20; n++) breaker.judge('key_a', body, LIMIT, START_MS)
    for (let n = 0; n < 5000; n++) {
      breaker.judge('key_a', n % 2 === 0 ? numbered(n) : bodyOf(String(10_000 + n)), LIMIT, START_MS)
      assert.notEqual(breaker.judge('key_a', body, LIMIT, START_MS), null)
    }
  })

  it('is found during a flood of other bodies', () => {
    const breaker = createLoopBreaker({ secret, maxTraces: 100 })
    let admitted = 0
    for (let n = 0; n < 5000; n++) {
      breaker.judge('key_b', numbered(n), LIMIT, START_MS)
      if (n % 10 === 0 && !breaker.judge('key_a', bodyOf('again'), LIMIT, START_MS)) admitted++
    }
    assert.equal(admitted, 20)
  })

  it('is none when the same body goes to other models, whose names stand in the path', () => {
    const breaker = createLoopBreaker({ secret })
    const judge = (target: string) => breaker.judge('key_a', bodyOf('again', target), LIMIT, START_MS)
    const verdicts = Array.from({ length: 300 }, (_, n) => judge(`model-${100 + n}`))
    assert.ok(verdicts.every((loop) => loop === null))
    for (let n = 0; n < 18; n++) assert.equal(judge('model-150'), null)
    assert.notEqual(judge('model-150'), null)
  })

  it('leaves no trace of a clock that was ahead', () => {
    const breaker = createLoopBreaker({ secret })
    for (let n = 0; n < 20; n++) breaker.judge('key_a', bodyOf('again'), LIMIT, START_MS + 86_400_000)
    assert.equal(breaker.judge('key_a', bodyOf('again'), LIMIT, START_MS), null)
  })
})

describe('the hash', () => {
  it('says nothing to who does not have the secret', () => {
    const hashOf = (key: string): string | undefined => {
      const breaker = createLoopBreaker({ secret: key })
      const verdicts = Array.from({ length: 3 }, () =>
        breaker.judge('key_a', bodyOf('again'), { repeats: 2, seconds: 60 }, START_MS),
      )
      return verdicts.at(-1)?.hash
    }
    assert.equal(hashOf('one'), hashOf('one'))
    assert.notEqual(hashOf('one'), hashOf('two'))
  })
})

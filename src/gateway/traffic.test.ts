/** What a caller may send: refusals in full, limits that change while it runs, and an agent that never meets one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../base/errors.ts'
import type { TrafficLimits } from '../domain/catalog.ts'
import { trafficLimits } from '../domain/config-limits-schema.ts'
import { type Caller, createTraffic, type Traffic } from './traffic.ts'

const START_MS = Date.UTC(2026, 10, 20)
const NONE: TrafficLimits = { key: null, inFlight: null, address: null, loop: null }
const KEY: Caller = { keyId: 'key_a', address: '203.0.113.9' }
const OTHER_KEY: Caller = { keyId: 'key_b', address: '203.0.113.9' }
const STRANGER: Caller = { keyId: null, address: '203.0.113.9' }

interface Scene {
  readonly traffic: Traffic
  limits: TrafficLimits
  nowMs: number
  readonly logged: Record<string, unknown>[]
  /** Another body each time. */
  enter(who: Caller): () => void
}

function start(limits: Partial<TrafficLimits>, share = 1): Scene {
  let serial = 0
  const logged: Record<string, unknown>[] = []
  const scene: Scene = {
    limits: { ...NONE, ...limits },
    nowMs: START_MS,
    logged,
    enter: (who) => scene.traffic.enter(who, Buffer.from(`body ${serial++}`)),
    traffic: createTraffic({
      limits: () => scene.limits,
      share,
      secret: 'kept between tests',
      clock: () => scene.nowMs,
      log: { warn: (fields: unknown) => void logged.push(Object(fields)) },
    }),
  }
  return scene
}

function refusalOf(action: () => unknown): AppError {
  try {
    action()
  } catch (error) {
    assert.ok(error instanceof AppError)
    return error
  }
  return assert.fail('not refused')
}

/** How many of `times` pass. */
function passing(times: number, action: () => unknown): number {
  let passed = 0
  for (let n = 0; n < times; n++) {
    try {
      action()
      passed++
    } catch (error) {
      assert.ok(error instanceof AppError)
    }
  }
  return passed
}

describe('a request rate', () => {
  it('of a key is refused with the limit, when it is over, and what to do', () => {
    const scene = start({ key: { requestsPerMinute: 25, burst: 3 } })
    assert.equal(
      passing(3, () => scene.enter(KEY)),
      3,
    )
    scene.nowMs += 100
    const error = refusalOf(() => scene.enter(KEY))
    assert.equal(error.code, 'rate_limited')
    assert.equal(error.status, 429)
    assert.equal(error.retryAfterSeconds, 3)
    assert.equal(error.message, 'This key may send 25 requests a minute, and 3 at once. Try again in 3 seconds.')
    assert.deepEqual(error.limit, {
      name: 'request rate',
      kind: 'rate',
      scope: 'key',
      used: '3',
      limit: '3',
      unit: 'requests',
      resetsAtMs: START_MS + 2400,
    })
    scene.nowMs = START_MS + 2399
    refusalOf(() => scene.enter(KEY))
    scene.nowMs++
    scene.enter(KEY)
    scene.enter(OTHER_KEY)
  })

  it('without a key is one for all addresses of a /64, and leaves callers with a key alone', () => {
    const scene = start({ address: { requestsPerMinute: 60, burst: 4 } })
    let host = 0
    const from = (network: string): Caller => ({ keyId: null, address: `${network}::${(++host).toString(16)}` })
    assert.equal(
      passing(1000, () => scene.enter(from('2001:db8:1:2'))),
      4,
    )
    assert.equal(
      passing(1000, () => scene.enter(from('2001:db8:1:3'))),
      4,
    )
    const error = refusalOf(() => scene.enter(from('2001:db8:1:2')))
    assert.equal(error.limit?.scope, 'address')
    assert.match(error.message, /^An address without a valid key may send 60 requests a minute, and 4 at once\./)
    scene.enter({ keyId: 'key_a', address: '2001:db8:1:2::1' })
  })

  it('of an address counts refused keys, counts of tokens and requests without a key together', () => {
    const scene = start({ address: { requestsPerMinute: 60, burst: 6 } })
    const turns = [
      () => scene.traffic.checkAddress(STRANGER.address),
      () => scene.traffic.check(STRANGER),
      () => scene.enter(STRANGER),
    ]
    let turn = 0
    assert.equal(
      passing(30, () => turns[turn++ % turns.length]?.()),
      6,
    )
  })

  it('of a key counts its counts of tokens', () => {
    const scene = start({ key: { requestsPerMinute: 60, burst: 2 } })
    scene.traffic.check(KEY)
    scene.enter(KEY)
    refusalOf(() => scene.traffic.check(KEY))
  })

  it('is taken by each of three processes to its share', () => {
    const shares = [1, 2, 3].map(() => start({ key: { requestsPerMinute: 60, burst: 30 }, inFlight: 200 }, 1 / 3))
    let admitted = 0
    for (let second = 0; second <= 60; second++) {
      for (const scene of shares) {
        scene.nowMs = START_MS + second * 1000
        admitted += passing(5, () => scene.enter(KEY)())
      }
    }
    assert.equal(admitted, 90)
  })

  it('is left to one process out of more processes than requests', () => {
    const scene = start({ key: { requestsPerMinute: 2, burst: 1 }, inFlight: 1 }, 1 / 8)
    scene.enter(KEY)()
    scene.nowMs += 60_000
    scene.enter(KEY)
  })
})

describe('requests at once', () => {
  it('of a key are refused above the limit until one has ended', () => {
    const scene = start({ inFlight: 2 })
    const [leave] = [scene.enter(KEY), scene.enter(KEY)]
    const error = refusalOf(() => scene.enter(KEY))
    assert.equal(error.code, 'rate_limited')
    assert.equal(error.retryAfterSeconds, 1)
    assert.match(error.message, /2 requests under way/)
    assert.deepEqual(error.limit, {
      name: 'requests at once',
      kind: 'concurrency',
      scope: 'key',
      used: '2',
      limit: '2',
      unit: 'requests',
      resetsAtMs: null,
    })
    scene.enter(OTHER_KEY)
    leave()
    leave()
    scene.enter(KEY)
    refusalOf(() => scene.enter(KEY))
  })

  it('are not counted for what another limit refuses', () => {
    const scene = start({ inFlight: 2, key: { requestsPerMinute: 60, burst: 1 }, loop: { repeats: 2, seconds: 60 } })
    scene.enter(KEY)
    passing(10, () => scene.enter(KEY))
    const body = Buffer.from('again')
    for (let n = 0; n < 10; n++) {
      scene.nowMs += 1000
      passing(1, () => scene.traffic.enter(OTHER_KEY, body)())
    }
    scene.nowMs += 1000
    scene.enter(KEY)
    scene.enter(OTHER_KEY)
  })

  it('that are too many take nothing from the rate', () => {
    const scene = start({ inFlight: 1, key: { requestsPerMinute: 1, burst: 2 } })
    const leave = scene.enter(KEY)
    passing(10, () => scene.enter(KEY))
    leave()
    scene.enter(KEY)
  })
})

describe('a loop', () => {
  it('of 50 identical bodies in a minute is refused after 20 with count, time and hash, and logged once', () => {
    const scene = start(trafficLimits())
    const body = Buffer.from('{"messages":["prompt-canary"]}')
    const send = (): void => {
      scene.nowMs += 1000
      scene.traffic.enter(KEY, body)()
    }
    assert.equal(passing(50, send), 20)
    const error = refusalOf(send)
    assert.equal(error.code, 'loop_detected')
    assert.equal(error.status, 429)
    // The first was sent 50 seconds ago.
    assert.equal(error.retryAfterSeconds, 10)
    assert.match(error.message, /sent 20 times within 60 seconds \(body [0-9a-f]{8}\).*nothing was charged/)
    const { resetsAtMs, ...limit } = error.limit ?? assert.fail('without its limit')
    assert.equal(resetsAtMs, scene.nowMs + 10_000)
    assert.deepEqual(limit, {
      name: 'identical requests',
      kind: 'loop',
      scope: 'key',
      used: '20',
      limit: '20',
      unit: 'requests',
    })
    const hash = /body ([0-9a-f]{8})/.exec(error.message)?.[1]
    assert.deepEqual(scene.logged, [{ keyId: 'key_a', body: hash, count: 20, seconds: 60 }])
    scene.traffic.enter(OTHER_KEY, body)
    scene.enter(KEY)
  })

  it('is judged whole by each process: a few retries are fine wherever they arrive', () => {
    const scene = start(trafficLimits(), 1 / 8)
    assert.equal(
      passing(50, () => scene.traffic.enter(KEY, Buffer.from('again'))()),
      20,
    )
  })

  it('is nothing that an agent of 300 turns does, with titles, retries and five sessions at once', () => {
    const scene = start(trafficLimits())
    let sent = 0
    for (const { atMs, body } of agentTrace()) {
      scene.nowMs = START_MS + atMs
      scene.traffic.enter(KEY, body)()
      sent++
    }
    assert.ok(sent > 1500, `${sent} requests`)
    assert.deepEqual(scene.logged, [])
  })
})

describe('limits', () => {
  it('change with the configuration, for callers that are known already too', () => {
    const scene = start({})
    for (let n = 0; n < 50; n++) scene.enter(KEY)
    scene.limits = { ...NONE, inFlight: 50 }
    refusalOf(() => scene.enter(KEY))
    scene.limits = { ...NONE, key: { requestsPerMinute: 60, burst: 1 } }
    assert.equal(
      passing(5, () => scene.enter(KEY)),
      1,
    )
    scene.limits = NONE
    assert.equal(
      passing(5, () => scene.enter(KEY)),
      5,
    )
  })

  it('that are off refuse nothing', () => {
    const off = { requestsPerMinute: 0 }
    const scene = start(trafficLimits({ key: { ...off, inFlight: 0 }, address: off, loop: { repeats: 0 } }))
    for (const who of [KEY, STRANGER]) {
      assert.equal(
        passing(2000, () => scene.traffic.enter(who, Buffer.from('again'))),
        2000,
      )
    }
  })

  it('refuse a share that is none', () => {
    for (const share of [0, -1, 1.5, Number.NaN]) assert.throws(() => start({}, share), RangeError)
  })
})

/**
 * Five sessions side by side, sharing a key and a task. At the start all of them ask three times for the same title, and
 * later every ten turns for one of what was said since; each turn repeats everything said before and lasts two seconds,
 * and every fourth one is retried four times.
 */
function* agentTrace(): Generator<{ atMs: number; body: Buffer }> {
  const titleOf = (text: string): Buffer => Buffer.from(JSON.stringify({ model: 'small', messages: ['Title', text] }))
  const said = Array.from({ length: 5 }, (_, session) => [`You are an agent in directory ${session}.`])
  for (let turn = 0; turn < 300; turn++) {
    for (const [session, messages] of said.entries()) {
      const atMs = turn * 2000 + session * 300
      if (turn === 0) for (let n = 0; n < 3; n++) yield { atMs, body: titleOf('Fix the tests') }
      if (turn % 10 === 5) yield { atMs, body: titleOf(messages.at(-1) ?? '') }
      messages.push(`Turn ${turn}: the tool answered ${'.'.repeat((turn * 37) % 200)}`)
      const body = Buffer.from(JSON.stringify({ model: 'large', messages }))
      const tries = turn % 4 === 0 ? 5 : 1
      for (let n = 0; n < tries; n++) yield { atMs: atMs + n * 50, body }
    }
  }
}

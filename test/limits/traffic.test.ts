/** Request rates, requests at once and loops, seen by clients of the real gateway. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Instance, startInstance } from '../support/instance.ts'
import { openLedger } from '../support/ledger.ts'
import { addTenants } from '../support/tenants.ts'
import { until } from '../support/until.ts'

const UNKNOWN_KEY = `sk-zendo-${'0'.repeat(34)}`
const PROMPT_CANARY = 'prompt-canary-77ac01'

interface Answer {
  readonly status: number
  readonly retryAfter: number | null
  readonly body: Record<string, unknown>
  readonly error: Record<string, unknown>
}

interface Ask {
  readonly path?: string
  readonly key?: string
  readonly forwardedFor?: string
  readonly body: object
}

let serial = 0
/** A request that costs little and is unlike every other. */
function fresh(model = 'sim/echo'): object {
  return { model, messages: [{ role: 'user', content: `one ${serial++}` }], max_tokens: 8 }
}

function send(
  instance: Instance,
  { path = '/zen/v1/chat/completions', key, forwardedFor, body }: Ask,
): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
  }
  return fetch(`${instance.baseUrl()}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

async function ask(instance: Instance, question: Ask): Promise<Answer> {
  const response = await send(instance, question)
  const body = membersOf(JSON.parse(await response.text()))
  const retryAfter = response.headers.get('retry-after')
  return {
    status: response.status,
    retryAfter: retryAfter === null ? null : Number(retryAfter),
    body,
    error: membersOf(body.error ?? {}),
  }
}

function membersOf(value: unknown): Record<string, unknown> {
  assert.ok(typeof value === 'object' && value !== null, `not an object: ${JSON.stringify(value)}`)
  return Object.fromEntries(Object.entries(value))
}

/** What came, by status and the code of the refusal: `{ '200': 20, '429 loop_detected': 30 }`. */
function tally(answers: readonly Answer[]): Record<string, number> {
  const kinds = answers.map(({ status, error }) => (status === 200 ? '200' : `${status} ${String(error.code)}`))
  return Object.fromEntries([...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]) => [kind, all.length]))
}

async function askAll(instance: Instance, questions: readonly Ask[]): Promise<Answer[]> {
  return await Promise.all(questions.map((question) => ask(instance, question)))
}

const times = (count: number, question: () => Ask): Ask[] => Array.from({ length: count }, question)

describe('an agent that is stuck', () => {
  let instance: Instance
  before(async () => {
    const routes = [{ provider: 'sim', model: 'echo' }]
    const names = Array.from({ length: 30 }, (_, n) => `same-${100 + n}`)
    const models = Object.fromEntries(names.map((name) => [name, { free: true, routes }]))
    instance = await startInstance({ config: { models } })
  })
  after(() => instance.remove())

  const again = { model: 'sim/echo', messages: [{ role: 'user', content: PROMPT_CANARY }], max_tokens: 8 }

  it('is stopped after 20 of 50 identical requests; the others are told why, not charged, and logged once', async () => {
    const key = instance.apiKey
    const answers = await askAll(
      instance,
      times(50, () => ({ key, body: again })),
    )
    assert.deepEqual(tally(answers), { '200': 20, '429 loop_detected': 30 })
    for (const { error, retryAfter, body } of answers.filter(({ status }) => status === 429)) {
      assert.match(String(error.message), /sent 20 times within 60 seconds \(body [0-9a-f]{8}\)/)
      assert.equal(error.type, 'RateLimitError')
      const { resets_at: resetsAt, ...limit } = membersOf(error.limit)
      assert.ok(Date.parse(String(resetsAt)) > Date.now())
      assert.deepEqual(limit, {
        name: 'identical requests',
        kind: 'loop',
        scope: 'key',
        used: '20',
        limit: '20',
        unit: 'requests',
      })
      assert.ok(retryAfter !== null && retryAfter > 30 && retryAfter <= 60, `retry-after ${retryAfter}`)
      assert.equal(membersOf(body.metadata).limitName, 'identical requests')
    }
    const ledger = openLedger(instance.dataDir)
    assert.equal(ledger.rows().length, 20)
    ledger.close()
    const lines = instance
      .output()
      .split('\n')
      .filter((line) => line.includes('a loop'))
    assert.equal(lines.length, 1, instance.output())
    assert.ok(!instance.output().includes(PROMPT_CANARY))
  })

  it('is told so in the form of each protocol, and a changed request passes', async () => {
    const key = instance.apiKey
    const routes: [path: string, body: object][] = [
      ['/zen/v1/messages', again],
      ['/zen/v1/responses', { model: 'sim/echo', input: 'again', max_output_tokens: 16 }],
      ['/zen/v1beta/models/sim/echo:generateContent', { contents: [{ role: 'user', parts: [{ text: 'again' }] }] }],
    ]
    for (const [path, body] of routes) {
      await askAll(
        instance,
        times(20, () => ({ path, key, body })),
      )
      const told = await ask(instance, { path, key, body })
      assert.equal(told.status, 429, path)
      assert.match(JSON.stringify(told.body), /LOOP_DETECTED|loop_detected/)
      assert.equal((await ask(instance, { path, key, body: { ...body, temperature: 0.5 } })).status, 200, path)
    }
  })

  it('is not who asks 30 models the same by the route that has the model in its path', async () => {
    const body = { contents: [{ role: 'user', parts: [{ text: 'Which model are you?' }] }] }
    let model = 100
    const answers = await askAll(
      instance,
      times(30, () => ({ path: `/zen/v1beta/models/same-${model++}:generateContent`, key: instance.apiKey, body })),
    )
    assert.deepEqual(tally(answers), { '200': 30 })
  })
})

describe('a key', () => {
  let instance: Instance
  const limits = { key: { requestsPerMinute: 120, burst: 5, inFlight: 3 } }
  before(async () => {
    instance = await startInstance({ config: { limits } })
  })
  after(() => instance.remove())

  it('gets no more than its burst and its rate, told exactly when to come back; other keys are not concerned', async () => {
    const [tenant] = addTenants(instance.dataDir, 1)
    const startedAt = performance.now()
    let admitted = 0
    let refused = 0
    while (performance.now() - startedAt < 3000) {
      const answer = await ask(instance, { key: instance.apiKey, body: fresh() })
      if (answer.status === 200) admitted++
      else {
        refused++
        assert.equal(answer.error.code, 'rate_limited')
        assert.equal(answer.retryAfter, 1)
        const { resets_at: resetsAt, ...limit } = membersOf(answer.error.limit)
        assert.ok(Math.abs(Date.parse(String(resetsAt)) - Date.now()) <= 1000)
        assert.deepEqual(limit, {
          name: 'request rate',
          kind: 'rate',
          scope: 'key',
          used: '5',
          limit: '5',
          unit: 'requests',
        })
      }
      await delay(20)
    }
    const allowed = 5 + ((performance.now() - startedAt) / 60_000) * 120
    assert.ok(refused > 0 && admitted >= 10 && admitted <= allowed, `${admitted} of ${allowed}, ${refused} refused`)
    const other = await ask(instance, { key: tenant?.key ?? '', body: fresh() })
    assert.equal(other.status, 200)
    await delay(1000)
    assert.equal((await ask(instance, { key: instance.apiKey, body: fresh() })).status, 200)
  })

  it('has no more requests under way than it may, and gets its place back however one ends', async () => {
    const [tenant] = addTenants(instance.dataDir, 1)
    const key = tenant?.key ?? ''
    const slow = (): object => ({
      model: 'sim/slow-first-token',
      stream: true,
      messages: [{ role: 'user', content: `[[sim delayMs=20000]] ${serial++}` }],
      max_tokens: 8,
    })
    const leaving = new AbortController()
    const open = times(3, () => ({ key, body: slow() })).map(({ body }) =>
      fetch(`${instance.baseUrl()}/zen/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify(body),
        signal: leaving.signal,
      }).then(
        () => assert.fail('answered'),
        () => {},
      ),
    )
    let told: Answer | undefined
    await until('all three are under way', async () => {
      told = await ask(instance, { key, body: fresh('no-such-model') })
      return told.status === 429 && membersOf(told.error.limit).kind === 'concurrency'
    })
    assert.equal(told?.retryAfter, 1)
    assert.equal(told?.error.code, 'rate_limited')
    assert.match(String(told?.error.message), /3 requests under way/)
    leaving.abort()
    await Promise.all(open)
    await until('a place is free', async () => (await ask(instance, { key, body: fresh() })).status === 200, 10_000)
  })

  it('is not held to a limit that was taken out of the configuration', async () => {
    await instance.writeConfig({})
    await until('the file was read again', () => instance.output().includes('configuration was read again'), 10_000)
    const answers = await askAll(
      instance,
      times(40, () => ({ key: instance.apiKey, body: fresh() })),
    )
    assert.deepEqual(tally(answers), { '200': 40 })
  })
})

describe('an address without a valid key', () => {
  let instance: Instance
  const address = { requestsPerMinute: 6, burst: 6 }
  before(async () => {
    instance = await startInstance({
      config: { limits: { address }, server: { trustedProxies: ['127.0.0.1'] } },
    })
  })
  after(() => instance.remove())

  it('guesses keys no faster than its rate, and does not hinder who has one', async () => {
    const forwardedFor = '203.0.113.9'
    const guess = (): Ask => ({ key: UNKNOWN_KEY, forwardedFor, body: fresh() })
    const answers = await askAll(instance, times(30, guess))
    assert.deepEqual(tally(answers), { '401 invalid_key': 6, '429 rate_limited': 24 })
    const told = answers.find(({ status }) => status === 429)
    assert.equal(membersOf(told?.error.limit).scope, 'address')
    assert.ok(told?.retryAfter && told.retryAfter <= 10)
    const honest = await ask(instance, { key: instance.apiKey, forwardedFor, body: fresh() })
    assert.equal(honest.status, 200)
    const elsewhere = await ask(instance, { ...guess(), forwardedFor: '203.0.113.10' })
    assert.equal(elsewhere.status, 401)
  })

  it('counts tokens and calls free models within one rate', async () => {
    const forwardedFor = '203.0.113.20'
    const body = { model: 'sim/free', messages: [{ role: 'user', content: 'How many?' }] }
    const count: Ask = { path: '/zen/v1/messages/count_tokens', forwardedFor, body }
    assert.deepEqual(
      tally(
        await askAll(
          instance,
          times(3, () => count),
        ),
      ),
      { '200': 3 },
    )
    const call = (): Ask => ({ forwardedFor, body: fresh('sim/free') })
    assert.deepEqual(tally(await askAll(instance, times(5, call))), { '200': 3, '429 rate_limited': 2 })
    assert.equal((await ask(instance, count)).error.code, 'rate_limited')
  })

  it('is one for the whole /64 that it is of', async () => {
    let host = 0
    const from = (network: string): Ask => ({
      forwardedFor: `${network}:${(++host).toString(16)}::1`,
      body: fresh('sim/free'),
    })
    const answers: Answer[] = []
    // 1,000 addresses, in parts that the connections of this process can carry.
    for (let part = 0; part < 20; part++) {
      const questions = times(50, () => ({
        forwardedFor: `2001:db8:1:2::${(++host).toString(16)}`,
        body: fresh('sim/free'),
      }))
      answers.push(...(await askAll(instance, questions)))
    }
    const { '200': admitted = 0, '429 rate_limited': refused = 0 } = tally(answers)
    assert.equal(admitted + refused, 1000)
    assert.ok(admitted >= 6 && admitted <= 8, `${admitted} admitted`)
    assert.equal((await ask(instance, from('2001:db8:1'))).status, 200)
  })
})

describe('an address behind no trusted proxy', () => {
  let instance: Instance
  before(async () => {
    instance = await startInstance({ config: { limits: { address: { requestsPerMinute: 6, burst: 6 } } } })
  })
  after(() => instance.remove())

  it('gets no more by claiming to be others', async () => {
    const claims = times(100, () => ({ forwardedFor: `198.51.100.${serial++ % 250}`, body: fresh('sim/free') }))
    assert.deepEqual(tally(await askAll(instance, claims)), { '200': 6, '429 rate_limited': 94 })
  })
})

/** Through the whole gateway: requests fill a window and empty a balance, and the operator is told of each threshold once. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { Webhook as Verifier } from 'standardwebhooks'
import { type Instance, startInstance } from '../support/instance.ts'
import { until } from '../support/until.ts'
import { type Receiver, startReceiver } from './receiver.ts'
import { SECRET } from './world.ts'

/** Some forty answers of fifty words. */
const WINDOW = 2
/** The first start grants so much. */
const CREDIT = '5.00'

interface Told {
  readonly type: string
  readonly data: { name: string; kind: string; scope: string; threshold: number; used_nano: string; limit_nano: string }
}

async function start(t: TestContext, receiver: Receiver, env: Record<string, string>): Promise<Instance> {
  const windows = [{ name: '5 hour', kind: 'session', hours: 5, limit: WINDOW }]
  const config = {
    webhooks: { ops: { url: receiver.url, secret: SECRET } },
    plans: { go: { windows } },
    // A tenth of a cent a token, so that a few answers are much.
    models: {
      dear: {
        products: ['zen', 'go'],
        price: { input: 1, output: 1000 },
        routes: [{ provider: 'sim', model: 'echo' }],
      },
    },
  }
  const instance = await startInstance({ config, env: { ZENDO_LOG_LEVEL: 'info', ...env } })
  t.after(() => instance.remove())
  return instance
}

let sequence = 0

/** No two bodies are alike, as those of agents are not. */
async function ask(instance: Instance, product: 'zen' | 'zen/go', words: number): Promise<number> {
  const response = await fetch(`${instance.baseUrl()}/${product}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${instance.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'dear',
      max_tokens: words + 20,
      messages: [{ role: 'user', content: `${sequence++} ${'word '.repeat(words)}` }],
    }),
  })
  await response.text()
  return response.status
}

/** Asks until the window is full, or `most` times. Resolves with the last status. */
async function fill(instance: Instance, most: number): Promise<number> {
  let status = 200
  for (let i = 0; i < most && status === 200; i++) status = await ask(instance, 'zen/go', 50)
  return status
}

function toldTo(receiver: Receiver): Map<string, Told> {
  return new Map(
    receiver.received.map(({ id, body, headers }) => {
      const event = new Verifier(SECRET).verify(body, { ...headers } as Record<string, string>)
      return [id, event as Told] as const
    }),
  )
}

function thresholds(told: Map<string, Told>, type: string): number[] {
  return [...told.values()].filter((event) => event.type === type).map(({ data }) => data.threshold)
}

/** `type threshold` of what the books say was told. */
function eventsIn(instance: Instance): string[] {
  const db = new DatabaseSync(join(instance.dataDir, 'zendo.db'), { readOnly: true })
  const rows = db.prepare("SELECT type, payload FROM event WHERE type LIKE '%.threshold'").all()
  db.close()
  return rows.map(({ type, payload }) => `${type} ${JSON.parse(String(payload)).threshold}`).sort()
}

describe('the thresholds of a window', () => {
  const restarts: [name: string, env: Record<string, string>, end: (instance: Instance) => Promise<unknown>][] = [
    ['a kill', {}, (instance) => instance.kill()],
    [
      'an orderly restart of two workers',
      { ZENDO_WORKERS: '2' },
      async (instance) => {
        instance.signal('SIGTERM')
        await instance.exited()
      },
    ],
  ]
  for (const [name, env, end] of restarts) {
    test(`are told once each, signed, across ${name}`, async (t) => {
      const receiver = await startReceiver(t)
      const instance = await start(t, receiver, env)
      assert.equal(await fill(instance, 25), 200)
      await until('the first is told', () => thresholds(toldTo(receiver), 'limit.threshold').length === 1)
      await end(instance)
      await instance.start()
      assert.equal(await fill(instance, 100), 429)
      await until('the last threshold below the limit is told', () =>
        thresholds(toldTo(receiver), 'limit.threshold').includes(95),
      )
      // The refusal itself may tell one more.
      await until('all that is known is told', () => toldTo(receiver).size === eventsIn(instance).length)
      const told = toldTo(receiver)
      const reached = thresholds(told, 'limit.threshold')
      assert.deepEqual(
        reached.filter((threshold) => threshold < 100).sort((a, b) => a - b),
        [50, 80, 95],
      )
      assert.equal(new Set(reached).size, reached.length)
      for (const { data } of told.values()) {
        assert.deepEqual(
          [data.name, data.kind, data.scope, data.limit_nano],
          ['5 hour', 'session', 'seat', '2000000000'],
        )
        // A limit that refuses is told as used up from 95 % on: its last bit fits no request.
        const least = BigInt(data.threshold === 100 ? 95 : data.threshold)
        assert.ok(BigInt(data.used_nano) * 100n >= BigInt(data.limit_nano) * least)
      }
      assert.deepEqual(eventsIn(instance), reached.map((threshold) => `limit.threshold ${threshold}`).sort())
      await until('it stands in the log', () => instance.output().includes('"msg":"a limit has reached a threshold"'))
      assert.equal(instance.output().includes(SECRET), false)
      assert.equal(instance.output().includes(receiver.url), false)
    })
  }
})

test('the thresholds of a balance are told once each, and again after the next credit', async (t) => {
  const receiver = await startReceiver(t)
  const instance = await start(t, receiver, {})
  const empty = async () => {
    let status = 200
    for (let i = 0; i < 60 && status === 200; i++) status = await ask(instance, 'zen', 400)
    assert.equal(status, 402)
  }
  const balanceEvents = () => thresholds(toldTo(receiver), 'balance.threshold')
  await empty()
  await until('half is told', () => balanceEvents().length > 0)
  await until('all is delivered', () => balanceEvents().length === eventsIn(instance).length)
  const first = balanceEvents()
  assert.equal(new Set(first).size, first.length, first.join(', '))
  assert.ok(
    first.some((threshold) => threshold >= 80),
    first.join(', '),
  )
  await instance.cli('credit', 'grant', CREDIT)
  await empty()
  await until('it is told again', () => balanceEvents().length > first.length)
  await until('all is delivered', () => balanceEvents().length === eventsIn(instance).length)
  const second = balanceEvents().slice(first.length)
  assert.equal(new Set(second).size, second.length, second.join(', '))
})

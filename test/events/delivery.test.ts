/** Events reach their receivers: signed, at least once, and whatever one receiver does, the others get theirs. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Webhook as Verifier, WebhookVerificationError } from 'standardwebhooks'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import { openTestDatabase } from '../../src/store/test-database.ts'
import { until } from '../support/until.ts'
import { OK, SILENCE, startReceiver, statuses } from './receiver.ts'
import { createWorld, LEVEL, OTHER_SECRET, SECRET, type World, webhookTo } from './world.ts'

async function deliveryOf(world: World, receiver = 'ops') {
  const [event] = await world.events()
  return event?.deliveries.find((delivery) => delivery.receiver === receiver)
}

async function stateOf(world: World, receiver = 'ops') {
  const { state, tries, lastError } = (await deliveryOf(world, receiver)) ?? {}
  return { state, tries, lastError }
}

/** For how long a try is claimed, with the default timeout. No retry has this delay. */
const LEASE_MS = 30_000

/** Waits until nothing is due or under way at the present instant of the world's clock. */
async function untilIdle(world: World): Promise<void> {
  await until('nothing is due or under way', async () => {
    const waiting = (await world.events())
      .flatMap(({ deliveries }) => deliveries)
      .filter(({ state }) => state === 'waiting')
    return waiting.every(({ nextAtMs }) => nextAtMs > world.now() && nextAtMs !== world.now() + LEASE_MS)
  })
}

describe('an event', () => {
  test('arrives with its id, its time and a signature that the receiver can verify', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t)
    world.webhooks = [webhookTo(`${receiver.url}/hook?token=x`)]
    world.deliverer()
    const event = world.sample()
    await world.tell(event)
    await world.settled()
    assert.deepEqual(await stateOf(world), { state: 'delivered', tries: 1, lastError: null })
    assert.equal(receiver.received.length, 1)
    const [got] = receiver.received
    assert.ok(got)
    assert.equal(got.path, '/hook?token=x')
    assert.equal(got.headers['content-type'], 'application/json')
    assert.equal(got.id, event.id)
    const headers = { ...got.headers } as Record<string, string>
    const verified = new Verifier(SECRET).verify(got.body, headers)
    assert.deepEqual(verified, {
      id: event.id,
      type: event.type,
      timestamp: new Date(event.atMs).toISOString(),
      data: event.payload,
    })
    const refuses = (secret: string, body: string, changed: Record<string, string>) =>
      assert.throws(() => new Verifier(secret).verify(body, { ...headers, ...changed }), WebhookVerificationError)
    refuses(OTHER_SECRET, got.body, {})
    refuses(SECRET, got.body.replace('9.60', '9.61'), {})
    refuses(SECRET, got.body, { 'webhook-id': 'another' })
    refuses(SECRET, got.body, { 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) })
  })

  test('that is refused twice comes three times, as the same event, each signed anew', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, statuses(500, 503, 200))
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer()
    await world.tell(world.sample())
    for (const wait of [5000, 15_000]) {
      await untilIdle(world)
      assert.equal((await stateOf(world)).state, 'waiting')
      world.advance(wait - 1)
      await untilIdle(world)
      const before = receiver.received.length
      world.advance(1)
      await until('the next try', () => receiver.received.length > before)
    }
    await world.settled()
    assert.deepEqual(await stateOf(world), { state: 'delivered', tries: 3, lastError: null })
    world.advance(30 * DAY_MS)
    await untilIdle(world)
    assert.equal(receiver.received.length, 3)
    assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1)
    assert.equal(new Set(receiver.received.map(({ body }) => body)).size, 1)
    const sent = receiver.received.map(({ headers }) => Number(headers['webhook-timestamp']))
    assert.deepEqual(
      sent.map((at) => at - (sent[0] ?? 0)),
      [0, 5, 20],
    )
    for (const { body, headers } of receiver.received) {
      new Verifier(SECRET).verify(body, { ...headers } as Record<string, string>)
    }
  })

  test('goes to every receiver that wants its type, each with its own secret', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const all = await startReceiver(t)
    const money = await startReceiver(t)
    world.webhooks = [
      webhookTo(all.url),
      webhookTo(money.url, { name: 'money', secret: OTHER_SECRET, events: ['ledger.write_off'] }),
    ]
    world.deliverer()
    await world.tell(world.sample())
    await world.tell(world.sample({ id: 'w:1', type: 'ledger.write_off', payload: { amount: '0.01' } }))
    await world.settled()
    assert.deepEqual(all.received.map(({ id }) => id).sort(), ['t:seat_1:weekly:1:80', 'w:1'])
    assert.deepEqual(
      money.received.map(({ id }) => id),
      ['w:1'],
    )
    const [got] = money.received
    assert.ok(got)
    new Verifier(OTHER_SECRET).verify(got.body, { ...got.headers } as Record<string, string>)
  })

  test('that was written for a receiver of other types is not sent to it', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t)
    world.webhooks = [webhookTo(receiver.url)]
    await world.tell(world.sample())
    world.webhooks = [webhookTo(receiver.url, { events: ['ledger.write_off'] })]
    world.deliverer().wake()
    await world.settled()
    assert.deepEqual((await world.events())[0]?.deliveries, [])
    assert.equal(receiver.received.length, 0)
  })

  test('waits for a receiver that has moved, and goes to the new address with the new secret', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const old = await startReceiver(t, statuses(500))
    const fresh = await startReceiver(t)
    world.webhooks = [webhookTo(old.url)]
    world.deliverer()
    await world.tell(world.sample())
    await until('the first try', () => old.received.length === 1)
    await untilIdle(world)
    world.webhooks = [webhookTo(fresh.url, { secret: OTHER_SECRET })]
    world.advance(MINUTE_MS)
    await world.settled()
    const [got] = fresh.received
    assert.ok(got)
    new Verifier(OTHER_SECRET).verify(got.body, { ...got.headers } as Record<string, string>)
    assert.deepEqual([old.received.length, fresh.received.length], [1, 1])
  })

  test('waits for a receiver that a process does not know yet', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t)
    world.webhooks = [webhookTo(receiver.url)]
    await world.tell(world.sample())
    world.webhooks = []
    world.deliverer().wake()
    await until('the event is in the log', () => world.lines.length === 1)
    assert.deepEqual(await stateOf(world), { state: 'waiting', tries: 0, lastError: null })
    world.webhooks = [webhookTo(receiver.url)]
    world.advance(HOUR_MS)
    await world.settled()
    assert.equal(receiver.received.length, 1)
  })
})

describe('a receiver', () => {
  test('that is gone (410) is not asked again, and the operator is told', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, statuses(410))
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer()
    await world.tell(world.sample())
    await world.settled()
    assert.deepEqual(await stateOf(world), { state: 'given_up', tries: 1, lastError: 'HTTP 410' })
    await until('it is logged', () => world.lines.some(({ level }) => level === LEVEL.error))
    world.advance(30 * DAY_MS)
    await untilIdle(world)
    assert.equal(receiver.received.length, 1)
  })

  test('that never takes an event is asked for three days, and then the operator is told', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, statuses(500))
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer()
    const startedAtMs = world.now()
    await world.tell(world.sample())
    await untilIdle(world)
    let tries = 0
    for (let delivery = await deliveryOf(world); delivery?.state === 'waiting'; delivery = await deliveryOf(world)) {
      assert.ok(tries++ < 100, 'it never gives up')
      world.advance(delivery.nextAtMs - world.now())
      await untilIdle(world)
    }
    const lasted = world.now() - startedAtMs
    assert.ok(lasted > 2 * DAY_MS && lasted <= 3 * DAY_MS, `it lasted ${lasted / HOUR_MS} h`)
    assert.ok(receiver.received.length > 10 && receiver.received.length < 30, String(receiver.received.length))
    const errors = world.lines.filter(({ level }) => level === LEVEL.error)
    assert.deepEqual(
      errors.map(({ receiver: name, reason }) => [name, reason]),
      [['ops', 'HTTP 500']],
    )
  })

  test('that asks to wait is left alone for so long', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, (response, count) => {
      if (count === 1) response.writeHead(429, { 'retry-after': '600' }).end()
      else response.writeHead(204).end()
    })
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer()
    await world.tell(world.sample())
    await until('the first try', () => receiver.received.length === 1)
    await untilIdle(world)
    world.advance(599_999)
    await untilIdle(world)
    assert.equal(receiver.received.length, 1)
    world.advance(1)
    await world.settled()
    assert.equal(receiver.received.length, 2)
  })

  for (const status of [301, 302, 303, 307, 308]) {
    test(`that answers ${status} is refused: nothing goes to where it points`, async (t) => {
      const world = createWorld(t, await openTestDatabase(t))
      const elsewhere = await startReceiver(t)
      const receiver = await startReceiver(t, (response) => {
        response.writeHead(status, { location: `${elsewhere.url}/stolen` }).end()
      })
      // Control: something does listen there, and a client that follows would have asked it.
      await fetch(receiver.url, { method: 'POST', body: '{}' })
      assert.equal(elsewhere.received.length, 1)
      world.webhooks = [webhookTo(receiver.url)]
      world.deliverer()
      await world.tell(world.sample())
      await until('the try', () => receiver.received.length === 2)
      await untilIdle(world)
      assert.equal(elsewhere.received.length, 1)
      const { state, lastError } = await stateOf(world)
      assert.deepEqual([state, lastError], ['waiting', `HTTP ${status}, a redirect, is not followed`])
    })
  }

  test('that hangs is cut off, asked again later, and holds up nobody else', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const hanging = await startReceiver(t, SILENCE)
    const quick = await startReceiver(t)
    const dead = 'http://127.0.0.1:1'
    world.webhooks = [
      webhookTo(hanging.url, { name: 'hanging' }),
      webhookTo(dead, { name: 'dead' }),
      webhookTo(quick.url, { name: 'quick' }),
    ]
    // Longer than the test takes: what is shown is that nobody waits for it.
    world.deliverer({ timeoutMs: 60_000, closeGraceMs: 0 })
    const events = Array.from({ length: 30 }, () => world.sample())
    for (const event of events) await world.tell(event)
    await until('the others have all', () => quick.received.length === events.length)
    await until('the hanging one has some', () => hanging.received.length > 0)
    assert.ok(hanging.mostUnderWay() <= 4, `${hanging.mostUnderWay()} at once`)
    assert.equal(new Set(quick.received.map(({ id }) => id)).size, events.length)
    assert.equal((await stateOf(world, 'dead')).lastError, 'ECONNREFUSED')
  })

  test('that hangs is asked again once the try has timed out', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, (response, count, got) =>
      count === 1 ? undefined : OK(response, count, got),
    )
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer({ timeoutMs: 100 })
    await world.tell(world.sample())
    await until('the timeout', async () => (await stateOf(world)).lastError === 'timeout')
    await until('the connection is cut', () => receiver.underWay() === 0)
    world.advance(5000)
    await world.settled()
    assert.deepEqual(await stateOf(world), { state: 'delivered', tries: 2, lastError: null })
  })

  test('that says yes and then talks without end has the event', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, (response) => {
      response.writeHead(200)
      const talk = () => {
        while (response.write(Buffer.alloc(65_536, 'x')));
        response.once('drain', talk)
      }
      talk()
    })
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer({ timeoutMs: 60_000 })
    await world.tell(world.sample())
    await world.settled()
    assert.equal((await stateOf(world)).state, 'delivered')
    await until('it is cut off', () => receiver.underWay() === 0)
  })

  test('that cuts the connection or talks nonsense is asked again', async (t) => {
    const world = createWorld(t, await openTestDatabase(t))
    const receiver = await startReceiver(t, (response, count, got) => {
      if (count === 1) response.socket?.destroy()
      else if (count === 2) response.socket?.end('nonsense\r\n\r\n')
      else OK(response, count, got)
    })
    world.webhooks = [webhookTo(receiver.url)]
    world.deliverer()
    await world.tell(world.sample())
    for (const tries of [1, 2]) {
      await until(
        'the try has failed',
        async () => (await stateOf(world)).lastError !== null && receiver.received.length === tries,
      )
      await untilIdle(world)
      world.advance(MINUTE_MS)
    }
    await world.settled()
    assert.equal((await stateOf(world)).tries, 3)
  })
})

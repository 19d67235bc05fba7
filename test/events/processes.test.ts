/** Several processes, stopped, killed and started again: every event arrives, and while all live, it arrives once. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { forEachEngine } from '../support/engines.ts'
import { until } from '../support/until.ts'
import type { DelivererOrder } from './deliverer-process.ts'
import { OK, SILENCE, startReceiver } from './receiver.ts'
import { createWorld, SECRET, webhookTo } from './world.ts'

const PROCESS = join(import.meta.dirname, 'deliverer-process.ts')
/** Later than any claim of a killed process ends. */
const NEXT_START_MS = 60_000
/** Of killing two processes. */
const ROUNDS = 4

function startProcess(t: TestContext, order: DelivererOrder): ChildProcess {
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(order)], { stdio: ['ignore', 'ignore', 'inherit'] })
  t.after(() => kill(child))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

forEachEngine((engine) => {
  describe('two processes', () => {
    test('deliver each event once, and log it once', async (t) => {
      const [first, second] = await engine.openDatabases(t, 2)
      assert.ok(first && second)
      const world = createWorld(t, first)
      const receiver = await startReceiver(t)
      world.webhooks = [webhookTo(receiver.url)]
      world.deliverer()
      world.deliverer({ database: second })
      const events = Array.from({ length: 60 }, () => world.sample())
      await Promise.all(events.map((event) => world.tell(event)))
      await world.settled()
      const ids = events.map(({ id }) => id).sort()
      assert.deepEqual(receiver.received.map(({ id }) => id).sort(), ids)
      await until('all are in the log', () => world.lines.length >= ids.length)
      const logged = world.lines.map(({ event }) => (event as { id: string }).id)
      assert.deepEqual(logged.sort(), ids)
    })
  })

  describe('a process that stops', () => {
    test('waits a moment for receivers that answer', async (t) => {
      const world = createWorld(t, await engine.openDatabase(t))
      const receiver = await startReceiver(
        t,
        (response, count, got) => void setTimeout(() => OK(response, count, got), 50),
      )
      world.webhooks = [webhookTo(receiver.url)]
      const deliverer = world.deliverer()
      await world.tell(world.sample())
      await until('the try', () => receiver.received.length === 1)
      await deliverer.close()
      assert.equal((await world.events())[0]?.deliveries[0]?.state, 'delivered')
    })

    test('leaves the others to the next one, which need not wait for them', async (t) => {
      const world = createWorld(t, await engine.openDatabase(t))
      const receiver = await startReceiver(t, (response, count, got) =>
        count === 1 ? undefined : OK(response, count, got),
      )
      world.webhooks = [webhookTo(receiver.url)]
      const deliverer = world.deliverer({ closeGraceMs: 20 })
      await world.tell(world.sample())
      await until('the try', () => receiver.received.length === 1)
      await deliverer.close()
      const [left] = (await world.events())[0]?.deliveries ?? []
      assert.deepEqual([left?.state, left?.lastError], ['waiting', 'shutdown'])
      world.deliverer().wake()
      await world.settled()
      assert.deepEqual([...new Set(receiver.received.map(({ id }) => id))].length, 1)
      assert.equal(receiver.received.length, 2)
    })

    test('begins nothing more', async (t) => {
      const world = createWorld(t, await engine.openDatabase(t))
      const receiver = await startReceiver(t)
      world.webhooks = [webhookTo(receiver.url)]
      const deliverer = world.deliverer({ pollMs: 1 })
      await deliverer.close()
      await world.tell(world.sample())
      deliverer.wake()
      await delay(30)
      assert.equal(receiver.received.length, 0)
    })
  })

  describe('a process that is killed', () => {
    async function scene(t: TestContext) {
      const { place, open } = await engine.createStore(t)
      return { place, world: createWorld(t, await open()) }
    }

    test('in the middle of a delivery: the next one makes it again, as the same event', async (t) => {
      const { place, world } = await scene(t)
      const hanging = await startReceiver(t, SILENCE)
      world.webhooks = [webhookTo(hanging.url)]
      const event = world.sample()
      await world.tell(event)
      const first = startProcess(t, { place, url: hanging.url, secret: SECRET, aheadMs: 0 })
      await until('the try', () => hanging.received.length === 1, 20_000)
      await kill(first)
      const [left] = (await world.events())[0]?.deliveries ?? []
      assert.deepEqual([left?.state, left?.tries], ['waiting', 1])
      const receiver = await startReceiver(t)
      startProcess(t, { place, url: receiver.url, secret: SECRET, aheadMs: NEXT_START_MS })
      await world.settled(20_000)
      assert.deepEqual(
        [...hanging.received, ...receiver.received].map(({ id }) => id),
        [event.id, event.id],
      )
    })

    test('at any moment, again and again, with another beside it: no event is lost', async (t) => {
      const { place, world } = await scene(t)
      // Slow enough that most kills meet some tries under way.
      const receiver = await startReceiver(
        t,
        (response, count, got) => void setTimeout(() => OK(response, count, got), 20),
      )
      world.webhooks = [webhookTo(receiver.url)]
      const seed = Date.now() % 100_000
      t.diagnostic(`seed ${seed}`)
      const ids: string[] = []
      let random = seed
      for (let round = 1; round <= ROUNDS; round++) {
        for (let i = 0; i < 40; i++) {
          const event = world.sample()
          ids.push(event.id)
          await world.tell(event)
        }
        const order = { place, url: receiver.url, secret: SECRET, aheadMs: round * NEXT_START_MS }
        const processes = [startProcess(t, order), startProcess(t, order)]
        const before = receiver.received.length
        await until('some are delivered', () => receiver.received.length > before, 20_000)
        random = (random * 1_103_515_245 + 12_345) % 2_147_483_648
        await delay(random % 120)
        await Promise.all(processes.map(kill))
      }
      startProcess(t, { place, url: receiver.url, secret: SECRET, aheadMs: (ROUNDS + 1) * NEXT_START_MS })
      await world.settled(30_000)
      const arrived = new Set(receiver.received.map(({ id }) => id))
      assert.deepEqual([...arrived].sort(), ids.sort())
      t.diagnostic(
        `${ids.length} events arrived ${receiver.received.length} times, ${2 * ROUNDS} processes were killed`,
      )
    })
  })
})

/** Events and their deliveries: written once, claimed by one process at a time, found page by page, deleted when old. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { NewEvent } from '../../src/domain/event.ts'
import type { Database } from '../../src/store/database.ts'
import {
  claimDue,
  type Delivery,
  deleteEventsBefore,
  dropDelivery,
  giveUp,
  giveUpUnknown,
  insertEvents,
  LOG_RECEIVER,
  listDueReceivers,
  listEvents,
  markDelivered,
  markFailed,
} from '../../src/store/event.ts'
import { forEachEngine } from '../support/engines.ts'

const LEASE_MS = 30_000

function event(id: string, atMs = 0, overrides: Partial<NewEvent> = {}): NewEvent {
  return { id, type: 'limit.threshold', workspaceId: null, payload: { threshold: 80 }, atMs, ...overrides }
}

function insert(db: Database, events: readonly NewEvent[], receivers: readonly string[] = ['ops']): Promise<void> {
  return db.write((sql) => insertEvents(sql, events, receivers))
}

function claim(db: Database, nowMs: number, limit = 10, receiver = 'ops'): Promise<Delivery[]> {
  return claimDue(db, { receiver, nowMs, limit, leaseMs: LEASE_MS })
}

async function claimOne(db: Database, nowMs: number): Promise<Delivery> {
  const [delivery] = await claim(db, nowMs)
  assert.ok(delivery, 'nothing was due')
  return delivery
}

async function statesOf(db: Database): Promise<string[]> {
  const events = await listEvents(db, { workspaceId: null, after: null, limit: 100 })
  return events.flatMap(({ id, deliveries }) =>
    deliveries.map(({ receiver, state, tries }) => `${id} ${receiver} ${state} ${tries}`),
  )
}

forEachEngine((engine) => {
  describe('an event', () => {
    test('is written once: again, it changes nothing and is told to nobody anew', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a', 5)], ['ops'])
      await insert(db, [event('a', 9, { payload: { threshold: 100 } }), event('b', 9)], ['ops', 'late'])
      await insert(db, [event('c'), event('c')], [])
      await insert(db, [], ['ops'])
      assert.deepEqual(await statesOf(db), ['b late waiting 0', 'b ops waiting 0', 'a ops waiting 0'])
      const [, first] = await listEvents(db, { workspaceId: null, after: null, limit: 100 })
      assert.deepEqual([first?.payload, first?.createdAtMs], ['{"threshold":80}', 5])
    })

    test('is not told when the transaction that caused it fails', async (t) => {
      const db = await engine.openDatabase(t)
      const failing = db.write(async (sql) => {
        await insertEvents(sql, [event('a')], ['ops'])
        throw new Error('planted')
      })
      await assert.rejects(failing, /planted/)
      assert.deepEqual(await listDueReceivers(db, 1e15), [])
    })

    test('is due to every receiver and to the log at once', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a', 1000)], ['ops', 'pager'])
      assert.deepEqual(await listDueReceivers(db, 999), [])
      assert.deepEqual((await listDueReceivers(db, 1000)).sort(), [LOG_RECEIVER, 'ops', 'pager'])
    })
  })

  describe('a claim', () => {
    test('gives the longest due first, as many as asked for, with all there is to send', async (t) => {
      const db = await engine.openDatabase(t)
      const full = event('b', 2, {
        type: 'ledger.write_off',
        workspaceId: 'wrk_1',
        payload: { amount: '0.10', list: [1] },
      })
      await insert(db, [event('c', 3), full, event('a', 1), event('d', 9)])
      const claimed = await claim(db, 5, 2)
      assert.deepEqual(claimed.map((delivery) => delivery.event.id).sort(), ['a', 'b'])
      assert.deepEqual(
        claimed.find((delivery) => delivery.event.id === 'b'),
        {
          event: {
            id: 'b',
            type: 'ledger.write_off',
            workspaceId: 'wrk_1',
            payload: '{"amount":"0.10","list":[1]}',
            createdAtMs: 2,
          },
          receiver: 'ops',
          tries: 1,
        },
      )
      assert.deepEqual(
        (await claim(db, 5)).map((delivery) => delivery.event.id),
        ['c'],
      )
      assert.deepEqual(await claim(db, 5), [])
    })

    test('is of one receiver alone', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a')], ['ops', 'pager'])
      await claim(db, 0)
      assert.equal((await claim(db, 0, 10, 'pager')).length, 1)
    })

    test('by many processes at once gives each delivery to one of them', async (t) => {
      const databases = await engine.openDatabases(t, 4)
      const [db] = databases
      assert.ok(db)
      const ids = Array.from({ length: 60 }, (_, i) => `e${i}`)
      await insert(
        db,
        ids.map((id) => event(id)),
      )
      const claimed: string[] = []
      for (let round = 0; round < 5; round++) {
        const shares = await Promise.all(databases.map((process) => claim(process, 0, 3)))
        assert.ok(shares.every((share) => share.length === 3))
        claimed.push(...shares.flat().map((delivery) => delivery.event.id))
      }
      assert.deepEqual(claimed.sort(), ids.sort())
      assert.deepEqual(await claim(db, 0), [])
    })

    test('ends with its time: then another process may try, and the one that was slow changes nothing', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a')])
      const slow = await claimOne(db, 0)
      assert.deepEqual(await claim(db, LEASE_MS - 1), [])
      const second = await claimOne(db, LEASE_MS)
      assert.deepEqual([slow.tries, second.tries], [1, 2])
      await markFailed(db, slow, 0, 'HTTP 500')
      assert.equal(await giveUp(db, slow, 'HTTP 500'), false)
      assert.deepEqual(await claim(db, LEASE_MS), [], 'the claim of the second was overwritten')
      assert.deepEqual(await statesOf(db), ['a ops waiting 2'])
      assert.equal(await giveUp(db, second, 'HTTP 500'), true)
      assert.deepEqual(await statesOf(db), ['a ops given_up 2'])
    })

    test('that was delivered late counts as delivered, whoever tried since', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a')])
      const slow = await claimOne(db, 0)
      const second = await claimOne(db, LEASE_MS)
      await markDelivered(db, slow)
      await markFailed(db, second, 0, 'HTTP 500')
      assert.deepEqual(await statesOf(db), ['a ops delivered 2'])
      assert.deepEqual(await claim(db, 1e15), [])
    })

    test('that failed is due again when it was put off to, and keeps why', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a')])
      await markFailed(db, await claimOne(db, 0), 7000, 'HTTP 500')
      const [listed] = await listEvents(db, { workspaceId: null, after: null, limit: 1 })
      assert.deepEqual(listed?.deliveries, [
        { receiver: 'ops', state: 'waiting', tries: 1, nextAtMs: 7000, lastError: 'HTTP 500' },
      ])
      assert.deepEqual(await claim(db, 6999), [])
      assert.equal((await claimOne(db, 7000)).tries, 2)
    })

    test('of what its receiver does not want is forgotten', async (t) => {
      const db = await engine.openDatabase(t)
      await insert(db, [event('a')])
      await dropDelivery(db, await claimOne(db, 0))
      assert.deepEqual(await statesOf(db), [])
    })
  })

  test('what waits for a receiver that nobody knows is given up once it has waited long enough', async (t) => {
    const db = await engine.openDatabase(t)
    await insert(db, [event('a', 100), event('b', 101)], ['gone', 'ops'])
    assert.equal(await giveUpUnknown(db, 'gone', 100, 'not in the configuration'), 1)
    assert.deepEqual((await statesOf(db)).sort(), [
      'a gone given_up 0',
      'a ops waiting 0',
      'b gone waiting 0',
      'b ops waiting 0',
    ])
  })

  describe('pages of events', () => {
    async function pageIds(db: Database, workspaceId: string | null, limit: number): Promise<string[]> {
      const ids: string[] = []
      for (let after = null as { createdAtMs: number; id: string } | null; ; ) {
        const page = await listEvents(db, { workspaceId, after, limit })
        ids.push(...page.map(({ id }) => id))
        assert.ok(ids.length <= 100, 'the pages never end')
        after = page.at(-1) ?? null
        if (after === null) return ids
      }
    }

    test('together are all events, newest first, each once, also of one instant', async (t: TestContext) => {
      const db = await engine.openDatabase(t)
      const events = Array.from({ length: 23 }, (_, i) =>
        event(`e${String(i).padStart(2, '0')}`, Math.floor(i / 5), { workspaceId: i % 2 === 0 ? 'wrk_1' : 'wrk_2' }),
      )
      await insert(db, events)
      const newestFirst = events.map(({ id }) => id).reverse()
      for (const limit of [1, 4, 100]) assert.deepEqual(await pageIds(db, null, limit), newestFirst)
      const own = events.filter(({ workspaceId }) => workspaceId === 'wrk_1').map(({ id }) => id)
      assert.deepEqual(await pageIds(db, 'wrk_1', 3), own.reverse())
      assert.deepEqual(await pageIds(db, 'wrk_3', 3), [])
    })
  })

  test('old events are deleted with their deliveries, a few at a time, but none that somebody still waits for', async (t) => {
    const db = await engine.openDatabase(t)
    await insert(db, [event('a', 1), event('b', 2), event('c', 3)], [])
    await insert(db, [event('waiting', 1), event('new', 100)])
    for (const delivery of await claim(db, 50, 10, LOG_RECEIVER)) await markDelivered(db, delivery)
    assert.deepEqual([await deleteEventsBefore(db, 50, 2), await deleteEventsBefore(db, 50, 2)], [2, 1])
    assert.equal(await deleteEventsBefore(db, 50, 2), 0)
    assert.deepEqual(await statesOf(db), ['new ops waiting 0', 'waiting ops waiting 0'])
    const left = await db.all<{ event_id: string }>('SELECT DISTINCT event_id FROM delivery ORDER BY event_id')
    assert.deepEqual(
      left.map(({ event_id }) => event_id),
      ['new', 'waiting'],
    )
    await markDelivered(db, await claimOne(db, 50))
    assert.equal(await deleteEventsBefore(db, 50, 2), 1)
  })
})

/** In the long run: nothing waits for a receiver that left, and nothing old is kept, but what somebody waits for stays. */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import pino from 'pino'
import { DAY_MS } from '../base/time.ts'
import { EVENT_TYPES, type NewEvent } from '../domain/event.ts'
import { insertEvents, listEvents } from '../store/event.ts'
import { openTestDatabase } from '../store/test-database.ts'
import { tidyEvents } from './webhook-housekeeping.ts'

test('a receiver that left is given up after three days, and its events are deleted after ninety', async (t) => {
  const database = await openTestDatabase(t)
  const lines: string[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  let nowMs = 0
  const webhooks = [{ name: 'ops', url: 'http://127.0.0.1:1', secret: undefined, events: EVENT_TYPES }]
  const options = { database, catalog: () => ({ webhooks }), clock: () => nowMs, log: pino(sink) }
  const event = (id: string): NewEvent => ({ id, type: 'ledger.write_off', workspaceId: null, payload: {}, atMs: 0 })
  await database.write((sql) => insertEvents(sql, [event('a')], ['left', 'gone']))
  await database.write((sql) => insertEvents(sql, [event('b')], ['ops']))
  // As if it had been logged.
  await database.run("UPDATE delivery SET state = 'delivered' WHERE receiver = ':log'")
  const states = async () => {
    const events = await listEvents(database, { workspaceId: null, after: null, limit: 10 })
    return events.flatMap(({ deliveries }) => deliveries.map(({ receiver, state }) => `${receiver} ${state}`)).sort()
  }

  nowMs = 3 * DAY_MS - 1
  await tidyEvents(options)
  assert.deepEqual(await states(), ['gone waiting', 'left waiting', 'ops waiting'])
  nowMs = 3 * DAY_MS
  await tidyEvents(options)
  await tidyEvents(options)
  assert.deepEqual(await states(), ['gone given_up', 'left given_up', 'ops waiting'])
  assert.equal(lines.length, 2)
  assert.ok(lines.every((line) => /"level":50.*"events":1/.test(line)))

  nowMs = 90 * DAY_MS
  await tidyEvents(options)
  assert.deepEqual(await states(), ['gone given_up', 'left given_up', 'ops waiting'])
  nowMs++
  await tidyEvents(options)
  assert.deepEqual(await states(), ['ops waiting'])
})

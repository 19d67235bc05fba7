/** A database that goes away: events wait, the log says so once, and everything goes on by itself when it is back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openPostgres } from '../../src/store/postgres.ts'
import { findPostgres, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'
import { startReceiver } from './receiver.ts'
import { createWorld, LEVEL, webhookTo } from './world.ts'

const skip = findPostgres() === null && 'PostgreSQL is not installed'

test('a database that is killed and comes back loses no event and floods no log', { skip }, async (t) => {
  const cluster = await startPostgres()
  t.after(() => cluster.close())
  const database = await openPostgres(await cluster.createDatabase(), { nowMs: 0 })
  const world = createWorld(t, database)
  const receiver = await startReceiver(t)
  world.webhooks = [webhookTo(receiver.url)]
  world.deliverer({ pollMs: 20 })
  t.after(() => database.close())
  await world.tell(world.sample())
  await world.settled()
  await cluster.kill()
  const errors = () => world.lines.filter(({ level }) => level === LEVEL.error)
  await until('the log says so', () => errors().length > 0, 20_000)
  // Many rounds later it has not said so again.
  await delay(500)
  assert.deepEqual(
    errors().map(({ msg }) => msg),
    ['events cannot be read; they wait until the database is back'],
  )
  await cluster.start()
  await until(
    'an event can be written',
    () =>
      world.tell(world.sample()).then(
        () => true,
        () => false,
      ),
    20_000,
  )
  await until('it is delivered', () => receiver.received.length >= 2, 20_000)
  assert.equal(errors().length, 1)
})

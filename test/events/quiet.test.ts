/** What nobody may read stands in no log line and no row: secrets, addresses of receivers, and what receivers answer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase } from '../../src/store/test-database.ts'
import { until } from '../support/until.ts'
import { OK, SILENCE, startReceiver } from './receiver.ts'
import { createWorld, SECRET, webhookTo } from './world.ts'

const TOKEN = 'token-in-the-address'
const WORDS = 'words-of-the-receiver'

test('whatever a receiver does, its secret, its address and its words stay out of log and rows', async (t) => {
  const database = await openTestDatabase(t)
  const world = createWorld(t, database)
  const failing = await startReceiver(t, (response) => {
    response.writeHead(500, { 'x-words': WORDS, location: `http://127.0.0.1/${WORDS}` }).end(WORDS)
  })
  const gone = await startReceiver(t, (response) => void response.writeHead(410).end(WORDS))
  const moved = await startReceiver(t, (response) => void response.writeHead(302, { location: `/${WORDS}` }).end())
  const broken = await startReceiver(t, (response) => void response.socket?.end(`${WORDS}\r\n\r\n`))
  const hanging = await startReceiver(t, SILENCE)
  const good = await startReceiver(t, OK)
  const addresses = {
    failing: failing.url,
    gone: gone.url,
    moved: moved.url,
    broken: broken.url,
    hanging: hanging.url,
    good: good.url,
    dead: 'http://127.0.0.1:1',
    notTls: good.url.replace('http:', 'https:'),
  }
  world.webhooks = Object.entries(addresses).map(([name, url]) => webhookTo(`${url}/${TOKEN}?${TOKEN}`, { name }))
  world.deliverer({ timeoutMs: 200 })
  await world.tell(world.sample())
  await until('every receiver was tried', async () => {
    const deliveries = (await world.events()).flatMap((event) => event.deliveries)
    return (
      deliveries.length === 8 && deliveries.every(({ state, lastError }) => state === 'delivered' || lastError !== null)
    )
  })
  const deliveries = (await world.events()).flatMap((event) => event.deliveries)
  const reasons = Object.fromEntries(deliveries.map(({ receiver, lastError }) => [receiver, lastError]))
  assert.deepEqual(
    { ...reasons, notTls: typeof reasons.notTls, broken: typeof reasons.broken },
    {
      broken: 'string',
      dead: 'ECONNREFUSED',
      failing: 'HTTP 500',
      gone: 'HTTP 410',
      good: null,
      hanging: 'timeout',
      moved: 'HTTP 302, a redirect, is not followed',
      notTls: 'string',
    },
  )
  await until('each failure is in the log', () => world.lines.length === 8)
  const rows = [
    ...(await database.all<object>('SELECT * FROM event')),
    ...(await database.all<object>('SELECT * FROM delivery')),
  ]
  const written =
    world.logText() + JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
  // Control: the search finds what does stand there.
  assert.ok(written.includes('ECONNREFUSED') && written.includes('hanging'))
  const secrets = [SECRET, SECRET.replace('whsec_', ''), TOKEN, WORDS, '127.0.0.1']
  for (const secret of secrets) assert.equal(written.includes(secret), false, secret)
})

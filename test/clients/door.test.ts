/** What stands between agent and gateway changes nothing, and sees everything. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { openDoor } from './door.ts'

const gateway: Server = createServer((incoming, response) => {
  if (incoming.url === '/cut') {
    response.writeHead(200)
    response.write('half', () => response.socket?.resetAndDestroy())
    return
  }
  const isKnown = incoming.headers.authorization === 'Bearer k'
  response.writeHead(isKnown ? 200 : 401, { 'x-request-id': 'r' })
  incoming.pipe(response)
})
let origin = ''

before(async () => {
  gateway.listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  origin = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
})
after(() => {
  gateway.close()
  gateway.closeAllConnections()
})

test('requests and answers pass whole, and refusals are remembered', async () => {
  const door = await openDoor(origin)
  const send = (key: string) =>
    fetch(`${door.origin}/a?b`, { method: 'POST', body: 'hello', headers: { authorization: key } })
  const known = await send('Bearer k')
  assert.deepEqual([known.status, known.headers.get('x-request-id'), await known.text()], [200, 'r', 'hello'])
  assert.equal((await send('none')).status, 401)
  const seen = door.knocks.map(({ method, path, status, body }) => [method, path, status, body])
  assert.deepEqual(seen, [
    ['POST', '/a?b', 200, ''],
    ['POST', '/a?b', 401, 'hello'],
  ])
  await door.close()
})

test('what breaks off behind it breaks off before it', async () => {
  const door = await openDoor(origin)
  await assert.rejects(fetch(`${door.origin}/cut`).then((response) => response.text()))
  await door.close()
})

test('the refusal of an upgrade comes back with its status', async () => {
  const door = await openDoor(origin)
  const upgrade = request(`${door.origin}/responses`, { headers: { connection: 'Upgrade', upgrade: 'websocket' } })
  upgrade.end()
  const [answer] = await once(upgrade, 'response')
  assert.equal(answer.statusCode, 401)
  answer.resume()
  assert.deepEqual(
    door.knocks.map(({ isUpgrade, status }) => [isUpgrade, status]),
    [[true, 401]],
  )
  await door.close()
})

test('it answers by itself, knowing who asks', async () => {
  const door = await openDoor((headers) => ({
    status: 418,
    headers: { 'x-a': 'b' },
    body: String(headers['user-agent']),
  }))
  const response = await fetch(door.origin, { method: 'POST', body: '{}', headers: { 'user-agent': 'agent/1' } })
  assert.deepEqual([response.status, response.headers.get('x-a'), await response.text()], [418, 'b', 'agent/1'])
  assert.equal(door.knocks[0]?.body, 'agent/1')
  await door.close()
})

/** Events and ends are counted the same however the bytes are cut, and a stream that was cut off has no end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Exchange, openConnection } from './load-connection.ts'

const END_MARK = ': message_stop\n'
const EVENTS = [
  'event: a\ndata: {"text":": message_"}\n\n',
  'event: ping\ndata: 1\n\n',
  'event: message_stop\ndata: 2\n\n',
]

let server: Server
let parts: readonly string[] = []

before(async () => {
  server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', async () => {
      const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
      for (const part of [head, ...parts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`), '0\r\n\r\n']) {
        socket.write(part)
        await delay(1)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => server.close())

async function exchangeOf(sent: readonly string[]): Promise<Pick<Exchange, 'events' | 'ends'>> {
  parts = sent
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return new Promise((resolve, reject) => {
    const connection = openConnection(port, {
      endMark: END_MARK,
      onBody: () => {},
      onBroken: (reason) => reject(new Error(reason)),
      onDone: ({ events, ends }) => {
        connection.close()
        resolve({ events, ends })
      },
    })
    connection.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  })
}

test('every cut of a stream gives the same counts', async () => {
  const stream = EVENTS.join('')
  for (let cut = 1; cut < stream.length; cut++) {
    const counts = await exchangeOf([stream.slice(0, cut), stream.slice(cut)])
    assert.deepEqual(counts, { events: 3, ends: 1 }, `cut at ${cut}`)
  }
})

test('a stream without its last event has no end', async () => {
  assert.deepEqual(await exchangeOf(EVENTS.slice(0, 2)), { events: 2, ends: 0 })
})

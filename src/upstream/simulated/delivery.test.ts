/** A reply goes out at its reader's pace, and stops when the reader has left. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { chatWire } from './chat-wire.ts'
import { streamReply } from './delivery.ts'
import { eventsIn } from './test-client.ts'
import type { Reply, Wire } from './wire.ts'

/** About 40 MB of events: more than the buffers of a socket take. */
const DELTAS = 200_000
const LIMITS = { timeout: 30_000 }

const reply: Reply = {
  serial: 1,
  createdSeconds: 0,
  model: 'long',
  answer: { toolName: null, deltas: new Array(DELTAS).fill(' word'), finish: 'stop' },
  usage: null,
  usageAsked: false,
}

interface Stream {
  readonly response: ServerResponse
  readonly read: IncomingMessage
  readonly over: Promise<void>
  /** Deltas that were made so far. */
  made(): number
}

/** Streams the reply over a real socket to a reader that does not read yet. */
async function openUnreadStream(t: TestContext): Promise<Stream> {
  let made = 0
  const counting: Wire = {
    ...chatWire,
    delta: (each, index) => {
      made++
      return chatWire.delta(each, index)
    },
  }
  const started = Promise.withResolvers<{ response: ServerResponse; over: Promise<void> }>()
  const server = createServer((_, response) => {
    const over = streamReply(response, counting, reply, { delivery: 'whole', firstTokenDelayMs: 0, stallMs: 0 })
    started.resolve({ response, over })
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const read = await new Promise<IncomingMessage>((resolve) => {
    request({ host: '127.0.0.1', port, agent: false }, resolve).end()
  })
  return { ...(await started.promise), read, made: () => made }
}

/** Waits for the moment at which the writer is waiting for its reader. */
async function untilBlocked(response: ServerResponse): Promise<void> {
  while (!response.writableNeedDrain && !response.writableEnded) await new Promise((resolve) => setImmediate(resolve))
}

test('a reader that does not read holds the writer back, and then gets everything', LIMITS, async (t) => {
  const { response, read, over, made } = await openUnreadStream(t)
  await untilBlocked(response)
  assert.ok(made() < DELTAS, 'all was made for a reader that takes nothing')
  assert.ok(response.writableLength < 1_000_000, `${response.writableLength} bytes are waiting`)
  let text = ''
  for await (const piece of read.setEncoding('utf8')) text += piece
  await over
  assert.equal(eventsIn(text).length, 1 + DELTAS + 1)
  assert.ok(text.endsWith('data: [DONE]\n\n'))
})

test('nothing more is made for a reader that has left', LIMITS, async (t) => {
  const { response, read, over, made } = await openUnreadStream(t)
  await untilBlocked(response)
  read.destroy()
  await over
  assert.ok(made() < DELTAS)
})

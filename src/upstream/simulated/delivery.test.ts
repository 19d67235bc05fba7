/** A reply goes out at its reader's pace, and stops when the reader has left. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { chatWire } from './chat-wire.ts'
import { streamReply } from './delivery.ts'
import { eventsIn } from './test-client.ts'
import type { Reply, Wire } from './wire.ts'

/** About 40 MB of events: more than the buffers of a socket take. */
const DELTAS = 200_000
const DEADLINE_MS = 30_000

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
async function withUnreadStream(use: (stream: Stream) => Promise<void>): Promise<void> {
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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const read = await new Promise<IncomingMessage>((resolve) => {
    request({ host: '127.0.0.1', port, agent: false }, resolve).end()
  })
  try {
    await use({ ...(await started.promise), read, made: () => made })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Waits for the moment at which the writer is waiting for its reader. */
async function untilBlocked(response: ServerResponse): Promise<void> {
  while (!response.writableNeedDrain) await new Promise((resolve) => setImmediate(resolve))
}

test('a reader that does not read holds the writer back, and then gets everything', {
  timeout: DEADLINE_MS,
}, async () => {
  await withUnreadStream(async ({ response, read, over, made }) => {
    await untilBlocked(response)
    assert.ok(made() < DELTAS, 'all was made for a reader that takes nothing')
    assert.ok(response.writableLength < 1_000_000, `${response.writableLength} bytes are waiting`)
    let text = ''
    for await (const piece of read.setEncoding('utf8')) text += piece
    await over
    assert.equal(eventsIn(text).length, 1 + DELTAS + 1)
    assert.ok(text.endsWith('data: [DONE]\n\n'))
  })
})

test('nothing more is made for a reader that has left', { timeout: DEADLINE_MS }, async () => {
  await withUnreadStream(async ({ response, read, over, made }) => {
    await untilBlocked(response)
    read.destroy()
    await over
    assert.ok(made() < DELTAS)
  })
})

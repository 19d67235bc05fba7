import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { until } from '../../test/support/until.ts'
import { createUpstreamClient } from './client.ts'

const TIMEOUTS = { connectMs: 5000, headersMs: 30_000, idleMs: 30_000, totalMs: 30_000 }

interface Vendor {
  readonly endpoint: string
  /** Answers that nobody has ended yet. */
  readonly open: ServerResponse[]
  readonly sockets: Set<Socket>
}

async function startVendor(t: TestContext): Promise<Vendor> {
  const open: ServerResponse[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    request.resume()
    open.push(response)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, open, sockets }
}

type Client = ReturnType<typeof createUpstreamClient>

/** Resolves with the status of the whole answer, or why there was none. */
function send(client: Client, endpoint: string, credentialId: string | null, maxConnections = 256): Promise<unknown> {
  return new Promise((resolve) => {
    let status = 0
    client.send(
      {
        endpoint,
        path: '/x',
        headers: [],
        body: [Buffer.from('{}')],
        timeouts: TIMEOUTS,
        maxConnections,
        credentialId,
      },
      {
        onHead: (code) => {
          status = code
        },
        onData: () => undefined,
        onEnd: () => resolve(status),
        onFailure: resolve,
      },
    )
  })
}

describe('connections to providers', () => {
  it("a workspace's own key takes 32 of them at most, and none of the operator's or of another key", async (t) => {
    const { endpoint, open } = await startVendor(t)
    const client = createUpstreamClient()
    t.after(() => client.close())
    const flood = Array.from({ length: 40 }, () => send(client, endpoint, 'cred_1'))
    await until('as many are open as may be', () => open.length >= 32)
    const others = ['cred_2', null].map((who) => send(client, endpoint, who))
    await until('the others are there too', () => open.length >= 34)
    for (const response of open) response.end()
    assert.deepEqual(await Promise.all(others), [200, 200])
    const ends = await Promise.all(flood)
    assert.deepEqual([ends.filter((end) => end === 200).length, ends.filter((end) => end === 'busy').length], [32, 8])
  })

  it('an own key has no more of them than its provider allows at all', async (t) => {
    const { endpoint, open } = await startVendor(t)
    const client = createUpstreamClient()
    t.after(() => client.close())
    const two = ['cred_1', 'cred_1'].map((who) => send(client, endpoint, who, 1))
    assert.equal(await two[1], 'busy')
    await until('one is open', () => open.length === 1)
    open[0]?.end()
    assert.equal(await two[0], 200)
  })

  it("those of an own key are closed once it rests, and opened again when it is used; the operator's stay", async (t) => {
    const { endpoint, open, sockets } = await startVendor(t)
    const client = createUpstreamClient(20)
    t.after(() => client.close())
    for (let round = 0; round < 2; round++) {
      const both = ['cred_1', null].map((who) => send(client, endpoint, who))
      await until('both are open', () => open.length === 2)
      for (const response of open.splice(0)) response.end()
      assert.deepEqual(await Promise.all(both), [200, 200])
      await until('one is left', () => sockets.size === 1)
    }
  })
})

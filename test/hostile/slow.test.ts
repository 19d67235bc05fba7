/** Slow clients: the limits that end them are in force, and they keep nobody else waiting. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, before, it } from 'node:test'
import { createRouteTable } from '../../src/api/routes.ts'
import { createHttpServer } from '../../src/api/server.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { CHAT } from '../support/dialect.ts'
import { rawGet, rawPost } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { startTarget, type Target } from './target.ts'

const SLOW_CLIENTS = 200

let target: Target
before(async () => {
  target = await startTarget()
})
after(() => target.closeUnharmed())

it('heads, bodies and idle connections have their time, longer for connections than proxies give theirs', () => {
  const { server } = createHttpServer({} as Gateway, {} as ControlPlane, createRouteTable([]), () => {
    throw new Error('no request is made')
  })
  assert.ok(server.headersTimeout > 0 && server.headersTimeout <= 15_000)
  assert.ok(server.requestTimeout > 0 && server.requestTimeout <= 60_000)
  assert.ok(server.keepAliveTimeout > 60_000 && server.keepAliveTimeout <= 120_000)
  assert.equal(server.maxRequestsPerSocket, 0)
})

it('hundreds of clients in the middle of a head or a body delay nobody and hold nothing', async () => {
  const body = CHAT.request({ model: 'chat-model', stream: false, maxTokens: 10, tag: 'slow' })
  const whole = rawPost('/zen/v1/chat/completions', [target.auth], body)
  const sockets = await Promise.all(
    Array.from({ length: SLOW_CLIENTS }, (_, i) => openSlow(whole.subarray(0, i % 2 === 0 ? 60 : whole.length - 1))),
  )
  try {
    const began = performance.now()
    for (let i = 0; i < 20; i++) assert.equal((await target.askOnce(rawGet('/healthz'))).status, 200)
    assert.equal((await target.askOnce(whole)).status, 200)
    assert.ok(performance.now() - began < 2000)
    assert.equal(target.books.openHolds(), 0)
    assert.equal(target.upstream.callsOf('slow').length, 1)
    const [last] = sockets.slice(-1)
    last?.write(whole.subarray(-1))
    await until('the last byte of a slow body still counts', () => target.upstream.callsOf('slow').length === 2)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

function openSlow(bytes: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(target.instance.port(), '127.0.0.1')
    socket.once('error', reject)
    socket.write(bytes, () => resolve(socket))
  })
}

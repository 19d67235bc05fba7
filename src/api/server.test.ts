import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { it } from 'node:test'
import type { ControlPlane } from '../control/control-plane.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { createRouteTable, type ServerOptions } from './routes.ts'
import { createHttpServer } from './server.ts'

const STALL_MS = 50
/** More than both sockets' buffers take. */
const MORE_THAN_FITS = Buffer.alloc(32 * 1024 * 1024)

it('a client that takes nothing of what is there for it is dropped; one that only waits is not', async (t) => {
  const ended: string[] = []
  const routes = createRouteTable(
    ['/flood', '/silence'].map((pattern) => ({
      method: 'GET' as const,
      pattern,
      auth: 'none' as const,
      ...{ access: 'public' as const, use: null, rate: 'none' as const, operation: null },
      protocol: null,
      handle: ({ response }) => {
        response.once('close', () => ended.push(pattern))
        response.write(pattern === '/flood' ? MORE_THAN_FITS : 'one word')
      },
    })),
  )
  const { server } = createHttpServer(
    { clock: Date.now } as Gateway,
    {} as ControlPlane,
    routes,
    () => ({}) as ServerOptions,
    STALL_MS,
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const sockets = ['/flood', '/silence'].map((path) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
    socket.on('error', () => {})
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  })
  const deadline = performance.now() + 5000
  while (ended.length === 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(ended, ['/flood'])
  for (const socket of sockets) socket.destroy()
})

/**
 * The floor of the benchmark: the least that a gateway on Node.js can do. `node:http` in, undici's dispatch out; the
 * body is forwarded as it came, the reply as it comes; nothing is read, checked, counted or stored.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool } from 'undici'

const pool = new Pool(process.env.FLOOR_UPSTREAM ?? '', { connections: 1024, pipelining: 1 })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => relay(request, Buffer.concat(chunks), response))
})
server.listen(Number(process.env.FLOOR_PORT ?? 0), '127.0.0.1', 1024, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`listening on http://127.0.0.1:${address.port}`)
})
process.on('SIGTERM', () => process.exit(0))

function relay(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const headers = { 'content-type': 'application/json' }
  pool.dispatch(
    { path: request.url ?? '/', method: 'POST', headers, body },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status, upstreamHeaders) => {
        const relayed: Record<string, string> = {}
        for (const name of ['content-type', 'content-length']) {
          const value = upstreamHeaders[name]
          if (typeof value === 'string') relayed[name] = value
        }
        response.writeHead(status, relayed)
      },
      onResponseData: (controller, chunk) => {
        if (response.write(chunk)) return
        controller.pause()
        response.once('drain', () => controller.resume())
      },
      onResponseEnd: () => {
        response.end()
      },
      onResponseError: () => {
        response.destroy()
      },
    },
  )
}

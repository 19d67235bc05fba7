/** A provider that takes one key alone: it lists a model and answers chats, and everything else gets 401. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface OwnKeyProvider {
  readonly baseUrl: string
  /** How many chats it has answered. */
  served(): number
  close(): Promise<void>
}

export async function startOwnKeyProvider(key: string): Promise<OwnKeyProvider> {
  let served = 0
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.headers.authorization !== `Bearer ${key}`) return send(response, 401, { error: { message: 'no' } })
      if (request.url === '/v1/models') return send(response, 200, { object: 'list', data: [{ id: 'acme-coder' }] })
      served++
      send(response, 200, {
        ...{ id: `chat-${served}`, object: 'chat.completion', created: 0, model: 'acme-coder' },
        choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello.' } }],
        usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    served: () => served,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

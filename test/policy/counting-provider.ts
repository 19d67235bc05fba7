/** A provider on loopback that counts connections, whether anything is asked over them or not. Speaks OpenAI Chat. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface CountingProvider {
  /** `http://127.0.0.1:PORT/v1` */
  readonly baseUrl: string
  connections(): number
  /** What it answers from now on: 200 with a word, or a failure of its own. */
  answer: 'whole' | 'failure'
}

export async function startCountingProvider(t: TestContext): Promise<CountingProvider> {
  let connections = 0
  const provider = { baseUrl: '', connections: () => connections, answer: 'whole' as CountingProvider['answer'] }
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      const isWhole = provider.answer === 'whole'
      response.writeHead(isWhole ? 200 : 500, { 'content-type': 'application/json', connection: 'close' })
      response.end(JSON.stringify(isWhole ? COMPLETION : { error: { message: 'broken', type: 'server_error' } }))
    })
  })
  server.on('connection', () => {
    connections++
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  provider.baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return provider
}

const COMPLETION = {
  ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm' },
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Yes.' } }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
}

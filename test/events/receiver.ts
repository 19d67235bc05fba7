/** A receiver of webhooks on loopback that remembers what it got and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly id: string
}

export interface Receiver {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly received: readonly Received[]
  /** Requests that have no answer yet. */
  underWay(): number
  /** The most that were without an answer at once. */
  mostUnderWay(): number
}

/** Answers one request; `count` is how many there were with this one. Not answering is an answer as well. */
export type Answer = (response: ServerResponse, count: number, received: Received) => void

export const OK: Answer = (response) => void response.writeHead(204).end()
export const SILENCE: Answer = () => undefined

export function statuses(...list: readonly number[]): Answer {
  return (response, count) => void response.writeHead(list[count - 1] ?? list.at(-1) ?? 204).end('an answer')
}

export async function startReceiver(t: TestContext, answer: Answer = OK): Promise<Receiver> {
  const received: Received[] = []
  let underWay = 0
  let mostUnderWay = 0
  const server = createServer(async (request, response) => {
    underWay++
    mostUnderWay = Math.max(mostUnderWay, underWay)
    response.once('close', () => underWay--)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { headers, url: path = '' } = request
    const one = { path, headers, body: Buffer.concat(chunks).toString('utf8'), id: String(headers['webhook-id']) }
    received.push(one)
    answer(response, received.length, one)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, received, underWay: () => underWay, mostUnderWay: () => mostUnderWay }
}

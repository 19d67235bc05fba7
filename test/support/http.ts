/** A plain HTTP client that hides nothing: the exact bytes, and whether the body really came to its end. */
import { Agent, request } from 'node:http'

export interface HttpReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** False when the connection broke before the body's end. */
  readonly ended: boolean
}

/** Silence longer than this is a hang: the connection is given up, and the reply counts as not ended. */
const SILENCE_LIMIT_MS = 20_000

const agent = new Agent({ keepAlive: true, maxSockets: 32 })

/** Posts a body and reads the whole answer. @throws when no response headers arrive. */
export async function post(url: string, headers: Record<string, string>, body: Buffer): Promise<HttpReply> {
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } })
    outgoing.setTimeout(SILENCE_LIMIT_MS, () => outgoing.destroy())
    outgoing.on('error', reject)
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.once('close', () => {
        const { statusCode = 0, headers, complete } = response
        resolve({ status: statusCode, headers, body: Buffer.concat(chunks), ended: complete })
      })
    })
    outgoing.end(body)
  })
}

/** Closes the kept connections, so that the process can end. */
export function closeConnections(): void {
  agent.destroy()
}

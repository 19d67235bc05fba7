/**
 * Stands between an agent and the gateway, hands everything on, and remembers what was asked and how it was answered.
 * It can also answer by itself, with refusals that no gateway can be brought to yet.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Knock {
  readonly atMs: number
  readonly method: string
  readonly path: string
  readonly isUpgrade: boolean
  /** Null while there is no answer. */
  status: number | null
  /** Of a refusal. */
  body: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What answers: the gateway at an origin, or a function. */
export type Behind = string | ((headers: IncomingHttpHeaders) => Answer)

export interface Door {
  readonly origin: string
  readonly knocks: readonly Knock[]
  close(): Promise<void>
}

export async function openDoor(behind: Behind): Promise<Door> {
  const knocks: Knock[] = []
  const note = (incoming: IncomingMessage, isUpgrade: boolean): Knock => {
    const { method = '', url = '' } = incoming
    const knock: Knock = { atMs: performance.now(), method, path: url, isUpgrade, status: null, body: '' }
    knocks.push(knock)
    return knock
  }
  const server = createServer((incoming, response) => {
    const knock = note(incoming, false)
    if (typeof behind === 'string') handOn(behind, incoming, response, knock)
    else void answerWith(behind, incoming, response, knock)
  })
  server.on('upgrade', (incoming, socket) => {
    const knock = note(incoming, true)
    if (typeof behind === 'string') handUpgradeOn(behind, incoming, socket, knock)
    else socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    knocks,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function handOn(origin: string, incoming: IncomingMessage, response: ServerResponse, knock: Knock): void {
  const { method, headers, url = '/' } = incoming
  const outgoing = request(new URL(url, origin), { method, headers, agent: false }, (answer) => {
    knock.status = answer.statusCode ?? 0
    response.writeHead(knock.status, answer.rawHeaders)
    if (knock.status >= 400) answer.on('data', (chunk: Buffer) => void (knock.body += chunk.toString()))
    answer.pipe(response)
    // What breaks off behind the door must break off before it.
    answer.on('aborted', () => response.socket?.resetAndDestroy())
  })
  outgoing.on('error', () => response.socket?.resetAndDestroy())
  response.on('close', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

async function answerWith(
  behind: (headers: IncomingHttpHeaders) => Answer,
  incoming: IncomingMessage,
  response: ServerResponse,
  knock: Knock,
): Promise<void> {
  incoming.resume()
  await new Promise((resolve) => incoming.once('close', resolve).once('end', resolve))
  const { status, headers, body } = behind(incoming.headers)
  knock.status = status
  knock.body = body
  response.writeHead(status, headers)
  response.end(body)
}

/** The refusal of an upgrade comes as an ordinary answer. */
function handUpgradeOn(origin: string, incoming: IncomingMessage, socket: Duplex, knock: Knock): void {
  const outgoing = request(new URL(incoming.url ?? '/', origin), { headers: incoming.headers, agent: false })
  outgoing.on('response', (answer) => {
    knock.status = answer.statusCode ?? 0
    answer.resume()
    socket.end(`HTTP/1.1 ${knock.status} ${answer.statusMessage}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })
  outgoing.on('upgrade', (_answer, upgraded) => {
    knock.status = 101
    upgraded.destroy()
    socket.destroy()
  })
  outgoing.on('error', () => socket.destroy())
  socket.on('error', () => outgoing.destroy())
  outgoing.end()
}

/** An HTTP client that checks nothing: it sends the bytes it is given and reads whatever comes back. */
import { connect, type Socket } from 'node:net'

export interface RawReply {
  readonly status: number
  /** By lower-case name; repeated ones joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export interface RawAnswer {
  /** Interim answers (1xx) are left out. */
  readonly replies: readonly RawReply[]
  /** All bytes that came. */
  readonly text: string
  /** Whether the other side closed the connection. */
  readonly closed: boolean
}

export interface RawOptions {
  /** Resolve after this many replies; without it when the other side closes. */
  readonly replies?: number
  /** Close the sending side after the bytes. */
  readonly halfClose?: boolean
  readonly limitMs?: number
}

const DEFAULT_LIMIT_MS = 8000

/** Sends the pieces one after the other and collects the answer. Never rejects for what the other side does. */
export function sendRaw(
  port: number,
  pieces: readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const chunks: Buffer[] = []
    let closed = false
    const finish = (): void => {
      clearTimeout(timer)
      socket.destroy()
      const bytes = Buffer.concat(chunks)
      resolve({ replies: parseReplies(bytes), text: bytes.toString('latin1'), closed })
    }
    const timer = setTimeout(finish, options.limitMs ?? DEFAULT_LIMIT_MS)
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (options.replies !== undefined && parseReplies(Buffer.concat(chunks)).length >= options.replies) finish()
    })
    const onClosed = (): void => {
      closed = true
      finish()
    }
    socket.once('end', onClosed)
    socket.once('error', onClosed)
    socket.once('close', onClosed)
    socket.once('connect', () => void writeAll(socket, pieces, options.halfClose ?? false))
  })
}

async function writeAll(socket: Socket, pieces: readonly (string | Buffer)[], halfClose: boolean): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return
    await new Promise<void>((resolve) => {
      socket.write(piece, () => resolve())
      socket.once('close', () => resolve())
    })
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (halfClose) socket.end()
}

/** The whole replies in the bytes, in order; stops at what is not one. */
function parseReplies(bytes: Buffer): RawReply[] {
  const replies: RawReply[] = []
  let rest = bytes
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd === -1 || rest.toString('latin1', 0, 7) !== 'HTTP/1.') return replies
    const [statusLine = '', ...lines] = rest.toString('latin1', 0, headEnd).split('\r\n')
    const headers = readHeaders(lines)
    const status = Number(statusLine.split(' ')[1])
    const body = takeBody(rest.subarray(headEnd + 4), headers, status)
    if (body === null) return replies
    if (status >= 200) replies.push({ status, headers, body: body.bytes.toString() })
    rest = body.rest
  }
}

function readHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

function takeBody(
  bytes: Buffer,
  headers: ReadonlyMap<string, string>,
  status: number,
): { bytes: Buffer; rest: Buffer } | null {
  if (status < 200 || status === 204 || status === 304) return { bytes: Buffer.alloc(0), rest: bytes }
  if (headers.get('transfer-encoding') === 'chunked') return takeChunks(bytes)
  const length = Number(headers.get('content-length') ?? bytes.length)
  return bytes.length < length ? null : { bytes: bytes.subarray(0, length), rest: bytes.subarray(length) }
}

function takeChunks(bytes: Buffer): { bytes: Buffer; rest: Buffer } | null {
  const parts: Buffer[] = []
  let rest = bytes
  for (;;) {
    const lineEnd = rest.indexOf('\r\n')
    if (lineEnd === -1) return null
    const size = Number.parseInt(rest.toString('latin1', 0, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (!Number.isInteger(size) || rest.length < end + 2) return null
    parts.push(rest.subarray(lineEnd + 2, end))
    rest = rest.subarray(end + 2)
    if (size === 0) return { bytes: Buffer.concat(parts), rest }
  }
}

/** A request with a body, its length announced, unless `headers` say otherwise. */
export function rawPost(path: string, headers: readonly string[], body: string | Buffer): Buffer {
  const bytes = Buffer.from(body)
  const announces = headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))
  const lines = [`POST ${path} HTTP/1.1`, 'Host: zendo.test', ...headers]
  if (!announces) lines.push(`Content-Length: ${bytes.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}

export function rawGet(path: string, headers: readonly string[] = [], method = 'GET'): string {
  return `${[`${method} ${path} HTTP/1.1`, 'Host: zendo.test', ...headers].join('\r\n')}\r\n\r\n`
}

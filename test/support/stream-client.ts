/** A client that watches an answer arrive, and can leave at any byte. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'

export interface WatchedAnswer {
  /** Null until the head has come; stays so when the connection broke before. */
  status(): number | null
  headers(): IncomingHttpHeaders
  /** What has come so far. */
  text(): string
  /** Resolves when it is over: `whole` when the body ended as HTTP says, `cut` when the connection broke. */
  readonly over: Promise<'whole' | 'cut'>
  /** Resolves once `text` has come; rejects when the answer is over without it. */
  saw(text: string): Promise<void>
  /** Stops reading, for good. */
  pause(): void
  /** Breaks the connection. */
  leave(): void
}

export interface WatchOptions {
  readonly key: string
  readonly headers?: Readonly<Record<string, string>>
  /** Leaves once so many bytes of the body have come; 0 leaves as soon as the request is sent. */
  readonly leaveAfterBytes?: number
  /** Leaves with a reset instead of an orderly close. */
  readonly leaveByReset?: boolean
}

/** Posts a JSON body on a connection of its own. Never rejects: a refused connection is an answer that was cut. */
export function watch(url: string, body: string, options: WatchOptions): WatchedAnswer {
  const { leaveAfterBytes = Number.POSITIVE_INFINITY } = options
  let status: number | null = null
  let headers: IncomingHttpHeaders = {}
  let text = ''
  let end: 'whole' | 'cut' | null = null
  let received: IncomingMessage | null = null
  let isPaused = false
  const waiting = new Set<() => void>()
  const look = (): void => {
    for (const waiter of waiting) waiter()
  }
  const length = Buffer.byteLength(body)
  const leave = (): void => {
    if (options.leaveByReset) sent.socket?.resetAndDestroy()
    sent.destroy()
  }
  const sent = request(url, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${options.key}`,
      'content-length': length,
      ...options.headers,
    },
  })
  const over = new Promise<'whole' | 'cut'>((resolve) => {
    const finish = (how: 'whole' | 'cut'): void => {
      end ??= how
      resolve(end)
      look()
    }
    sent.once('error', () => finish('cut'))
    sent.once('close', () => finish('cut'))
    sent.once('response', (response) => {
      received = response
      status = response.statusCode ?? null
      headers = response.headers
      response.setEncoding('utf8')
      response.on('error', () => {})
      response.on('data', (piece: string) => {
        text += piece
        look()
        if (text.length >= leaveAfterBytes) leave()
      })
      if (isPaused) response.pause()
      response.once('close', () => finish(response.complete ? 'whole' : 'cut'))
    })
  })
  sent.end(body, () => {
    if (leaveAfterBytes === 0) leave()
  })
  return {
    status: () => status,
    headers: () => headers,
    text: () => text,
    over,
    saw: (wanted) =>
      new Promise((resolve, reject) => {
        const waiter = (): void => {
          if (text.includes(wanted)) resolve()
          else if (end !== null) reject(new Error(`the answer was over (${end}) without ${wanted}: ${status} ${text}`))
          else return
          waiting.delete(waiter)
        }
        waiting.add(waiter)
        waiter()
      }),
    pause() {
      isPaused = true
      received?.pause()
    },
    leave,
  }
}

/** Sends a reply over the socket: in events or whole, at the reader's pace, and with the fault that was asked for. */
import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { halfOf } from './answer.ts'
import { overloaded } from './failure.ts'
import type { Delivery } from './scenarios.ts'
import type { Reply, Wire } from './wire.ts'

export interface Pace {
  readonly delivery: Delivery
  /** Silence between the headers and the first byte of a `late` reply. */
  readonly firstTokenDelayMs: number
  /** Silence of a stalled reply before the provider gives up too and resets the connection. */
  readonly stallMs: number
}

/** Resolves when the reply is over or the client has left; never rejects because a client left. */
export async function streamReply(response: ServerResponse, wire: Wire, reply: Reply, pace: Pace): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  response.flushHeaders()
  if (pace.delivery === 'late') await pause(response, pace.firstTokenDelayMs)
  const until = stopsHalfway(pace.delivery) ? halfOf(reply.answer) : reply.answer.deltas.length
  await send(response, wire.opening(reply))
  for (let i = 0; i < until && !response.destroyed; i++) await send(response, wire.delta(reply, i))
  if (pace.delivery === 'error_halfway') return finish(response, wire.failing(overloaded()))
  if (stopsHalfway(pace.delivery)) return breakOff(response, pace)
  finish(response, wire.closing(reply))
}

/** Resolves when the reply is over or the client has left. @throws SimulatedFailure before anything was sent */
export async function sendWhole(response: ServerResponse, wire: Wire, reply: Reply, pace: Pace): Promise<void> {
  if (pace.delivery === 'error_halfway') throw overloaded()
  const body = Buffer.from(JSON.stringify(wire.whole(reply)))
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  response.flushHeaders()
  if (pace.delivery === 'late') await pause(response, pace.firstTokenDelayMs)
  if (!stopsHalfway(pace.delivery)) return finish(response, body)
  await send(response, body.subarray(0, Math.floor(body.length / 2)))
  await breakOff(response, pace)
}

function stopsHalfway(delivery: Delivery): boolean {
  return delivery === 'stall_halfway' || delivery === 'cut_halfway' || delivery === 'error_halfway'
}

/** Leaves the reply unfinished for good: at once, or after the silence of a stall. */
async function breakOff(response: ServerResponse, pace: Pace): Promise<void> {
  await flushed(response)
  if (pace.delivery === 'stall_halfway') await pause(response, pace.stallMs)
  response.socket?.resetAndDestroy()
}

/** Waits until the reader has taken enough, when the socket's buffer is full. */
async function send(response: ServerResponse, piece: string | Buffer): Promise<void> {
  if (response.destroyed || piece.length === 0 || response.write(piece)) return
  await new Promise<void>((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go)
      resolve()
    }
    response.once('drain', go).once('close', go)
  })
}

function finish(response: ServerResponse, last: string | Buffer): void {
  if (!response.destroyed) response.end(last)
}

/** Resolves when all that was written is with the kernel: a reset before that would take it back. */
async function flushed(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    response.once('close', () => resolve())
    response.write('', () => resolve())
  })
}

/** Waits, but not for a client that has left. */
async function pause(response: ServerResponse, durationMs: number): Promise<void> {
  if (response.destroyed) return
  const left = new AbortController()
  const leave = () => left.abort()
  response.once('close', leave)
  await wait(durationMs, undefined, { signal: left.signal }).catch(() => undefined)
  response.off('close', leave)
}

/**
 * One keep-alive connection of the load generator: sends prepared bytes, times the answer, counts its events.
 *
 * Uses one read buffer for its whole life and reads no more of an answer than its framing and status.
 */
import { connect, type Socket } from 'node:net'
import { createMessageReader } from './http-message.ts'

/** Times are `performance.now()` milliseconds. The object is reused: read it during the call only. */
export interface Exchange {
  status: number
  startedAtMs: number
  endedAtMs: number
  bodyBytes: number
  /** Server-sent events so far. */
  events: number
  /** End marks so far: one in a stream that came to its end. */
  ends: number
  /** The first bytes of an answer that is not a 200. */
  failureText: string
}

export interface ConnectionEvents {
  readonly onDone: (exchange: Exchange) => void
  /** The connection broke during an exchange; it is opened again for the next one. */
  readonly onBroken: (reason: string) => void
  /** Body bytes arrived; `newEvents` events were completed by them. */
  readonly onBody?: (exchange: Exchange, newEvents: number, bytes: Buffer) => void
  /** What a stream ends with; looked for only with `onBody`. Its first character stands in it once. */
  readonly endMark?: string
}

export interface Connection {
  readonly send: (request: Buffer) => void
  readonly close: () => void
}

interface ConnectionState {
  readonly port: number
  readonly events: ConnectionEvents
  readonly exchange: Exchange
  socket: Socket | undefined
  busy: boolean
  lastByte: number
  readonly endMark: Buffer
  /** Bytes of the end mark that the last read ended with. */
  matched: number
}

const READ_BUFFER_BYTES = 64 * 1024
const LINE_FEED = 10

export function openConnection(port: number, events: ConnectionEvents): Connection {
  const endMark = Buffer.from(events.endMark ?? '')
  const scan = { lastByte: 0, endMark, matched: 0 }
  const state: ConnectionState = { port, events, exchange: newExchange(), socket: undefined, busy: false, ...scan }
  return {
    send: (request) => {
      state.socket ??= openSocket(state)
      Object.assign(state.exchange, newExchange(), { startedAtMs: performance.now() })
      state.busy = true
      state.matched = 0
      state.socket.write(request)
    },
    close: () => {
      state.busy = false
      state.socket?.destroy()
    },
  }
}

function newExchange(): Exchange {
  return { status: 0, startedAtMs: 0, endedAtMs: 0, bodyBytes: 0, events: 0, ends: 0, failureText: '' }
}

function openSocket(state: ConnectionState): Socket {
  const read = createMessageReader({
    onHead: (head) => {
      state.exchange.status = Number(head.slice(9, 12))
    },
    onBody: (bytes, start, end) => onBody(state, bytes, start, end),
    onEnd: () => {
      state.exchange.endedAtMs = performance.now()
      state.busy = false
      state.events.onDone(state.exchange)
    },
  })
  const buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES)
  const onread = {
    buffer,
    callback: (size: number) => {
      read(buffer.subarray(0, size))
      return true
    },
  }
  const socket = connect({ port: state.port, host: '127.0.0.1', noDelay: true, onread })
  socket.on('error', (error) => onClosed(state, socket, error.message))
  socket.on('close', () => onClosed(state, socket, 'closed before the end of the answer'))
  return socket
}

function onBody(state: ConnectionState, bytes: Buffer, start: number, end: number): void {
  const { exchange } = state
  exchange.bodyBytes += end - start
  if (exchange.status !== 200) exchange.failureText += bytes.toString('latin1', start, Math.min(end, start + 200))
  if (state.events.onBody === undefined) return
  const newEvents = countEvents(state, bytes, start, end)
  exchange.events += newEvents
  state.events.onBody(exchange, newEvents, bytes.subarray(start, end))
}

/** An event ends with an empty line; neither the mock nor Zendo writes carriage returns. */
function countEvents(state: ConnectionState, bytes: Buffer, start: number, end: number): number {
  const { endMark } = state
  let found = 0
  let last = state.lastByte
  let matched = state.matched
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte === LINE_FEED && last === LINE_FEED) found++
    last = byte
    if (byte === endMark[matched]) matched++
    else if (matched > 0) matched = byte === endMark[0] ? 1 : 0
    if (matched > 0 && matched === endMark.length) {
      state.exchange.ends++
      matched = 0
    }
  }
  state.lastByte = last
  state.matched = matched
  return found
}

function onClosed(state: ConnectionState, socket: Socket, reason: string): void {
  if (state.socket !== socket) return
  state.socket = undefined
  if (!state.busy) return
  state.busy = false
  state.events.onBroken(reason)
}

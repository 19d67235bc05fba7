/**
 * Reads HTTP/1.1 messages from raw socket bytes, for the mock upstream (requests) and the load generator (responses).
 *
 * It knows `content-length` and `chunked` and nothing more, because both ends share a core with each other and every
 * microsecond they spend is a request that the gateway under test does not get. Source of the framing: RFC 9112 §6, §7.
 */

export interface MessageEvents {
  /** Start line and header lines, without the blank line that ends them. */
  readonly onHead: (head: string) => void
  /** Body bytes with the chunk framing removed: `bytes[start, end)`, valid only during the call. */
  readonly onBody: (bytes: Buffer, start: number, end: number) => void
  readonly onEnd: () => void
}

type Phase = 'head' | 'sized-body' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer'

interface ReaderState {
  readonly events: MessageEvents
  phase: Phase
  /** Bytes of the body or of the current chunk that have not arrived yet. */
  remaining: number
  /** An unfinished head, size line or trailer line from earlier reads. */
  pending: Buffer | undefined
}

/** Consumes from `offset` and returns the next offset, or -1 when the line it needs is not complete yet. */
type Step = (state: ReaderState, bytes: Buffer, offset: number) => number

const CRLF = Buffer.from('\r\n')
const HEAD_END = Buffer.from('\r\n\r\n')

/** Returns the function to call with every read. Keep-alive and pipelined messages follow each other. */
export function createMessageReader(events: MessageEvents): (chunk: Buffer) => void {
  const state: ReaderState = { events, phase: 'head', remaining: 0, pending: undefined }
  return (chunk) => {
    const bytes = state.pending === undefined ? chunk : Buffer.concat([state.pending, chunk])
    state.pending = undefined
    let offset = 0
    while (offset < bytes.length) {
      const next = steps[state.phase](state, bytes, offset)
      if (next < 0) {
        // A copy, because the caller may read into the same buffer again.
        state.pending = Buffer.from(bytes.subarray(offset))
        return
      }
      offset = next
    }
  }
}

const steps: Record<Phase, Step> = {
  head: readHead,
  'sized-body': readSizedBody,
  'chunk-size': readChunkSize,
  'chunk-data': readChunkData,
  'chunk-end': readChunkEnd,
  trailer: readTrailer,
}

function readHead(state: ReaderState, bytes: Buffer, offset: number): number {
  const end = bytes.indexOf(HEAD_END, offset)
  if (end < 0) return -1
  const head = bytes.toString('latin1', offset, end)
  state.events.onHead(head)
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    state.phase = 'chunk-size'
    return end + 4
  }
  state.remaining = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  if (state.remaining === 0) state.events.onEnd()
  else state.phase = 'sized-body'
  return end + 4
}

function readSizedBody(state: ReaderState, bytes: Buffer, offset: number): number {
  const end = takeBody(state, bytes, offset)
  if (state.remaining === 0) finish(state)
  return end
}

function readChunkSize(state: ReaderState, bytes: Buffer, offset: number): number {
  const end = bytes.indexOf(CRLF, offset)
  if (end < 0) return -1
  state.remaining = Number.parseInt(bytes.toString('latin1', offset, end), 16)
  if (Number.isNaN(state.remaining))
    throw new Error(`not a chunk size: ${bytes.toString('latin1', offset, end).slice(0, 40)}`)
  state.phase = state.remaining === 0 ? 'trailer' : 'chunk-data'
  return end + 2
}

function readChunkData(state: ReaderState, bytes: Buffer, offset: number): number {
  const end = takeBody(state, bytes, offset)
  if (state.remaining === 0) state.phase = 'chunk-end'
  return end
}

function readChunkEnd(state: ReaderState, bytes: Buffer, offset: number): number {
  if (bytes.length - offset < 2) return -1
  state.phase = 'chunk-size'
  return offset + 2
}

function readTrailer(state: ReaderState, bytes: Buffer, offset: number): number {
  const end = bytes.indexOf(CRLF, offset)
  if (end < 0) return -1
  if (end === offset) finish(state)
  return end + 2
}

function takeBody(state: ReaderState, bytes: Buffer, offset: number): number {
  const end = Math.min(bytes.length, offset + state.remaining)
  state.remaining -= end - offset
  state.events.onBody(bytes, offset, end)
  return end
}

function finish(state: ReaderState): void {
  state.phase = 'head'
  state.events.onEnd()
}

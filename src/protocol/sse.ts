/**
 * Cuts a stream of server-sent events into blocks without copying what lies inside one chunk.
 *
 * Format: WHATWG HTML, "9.2.6 Interpreting an event stream". A block is either one event (its field lines up to and
 * including the blank line that ends it) or one line outside an event (a comment or a blank line). The blocks, one
 * after the other, are exactly the bytes that came, and where chunks are cut changes no event.
 */
import { AppError } from '../base/errors.ts'

export interface SseBlock {
  /** Holds the block from `start` to `end` (exclusive): the chunk itself when the block lies inside it. */
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /**
   * `event`: readers dispatch it, because it has data. `other`: a comment, a blank line, an event without data.
   * `line-end`: the LF of a CR LF whose CR ended the chunk before; it belongs to the block before.
   */
  readonly kind: 'event' | 'other' | 'line-end'
  /** The value of the last `event:` line; null when there is none or it is empty. */
  readonly name: string | null
  /** Holds the data from `dataStart` to `dataEnd`: the same as `bytes` unless several lines had to be joined. */
  readonly data: Buffer
  readonly dataStart: number
  readonly dataEnd: number
  /** False for the last event of a body that ended without a blank line. */
  readonly isTerminated: boolean
}

/** Chunks handed to `feed` must not change afterwards: a block that spans several is put together from them. */
export interface SseScanner {
  /** Takes the next chunk; call `next` until it returns null before feeding another. */
  feed(chunk: Buffer): void
  /** The next whole block; null when more bytes are needed. @throws AppError `upstream_unavailable` when too large. */
  next(): SseBlock | null
  /** The body ended: the block that was under way, if any. Vendors forget the last blank line, so it counts. */
  finish(): SseBlock | null
  /** Takes out the bytes that no block has returned yet. Nothing can be scanned afterwards. */
  takeRest(): Buffer[]
}

export interface SseScannerOptions {
  /** Bytes of one block at most. */
  readonly maxEventBytes?: number
}

const DEFAULT_MAX_EVENT_BYTES = 8 * 1024 * 1024
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const COLON = 0x3a
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
const NOTHING = Buffer.alloc(0)

export function createSseScanner(options: SseScannerOptions = {}): SseScanner {
  const maxEventBytes = options.maxEventBytes ?? DEFAULT_MAX_EVENT_BYTES
  const lines = startOfStream()
  /** The beginning of a block whose end has not come yet. */
  let carried: Buffer[] = []
  let carriedBytes = 0
  let chunk: Buffer = NOTHING
  let at = 0

  function takeBlock(end: number, isTerminated: boolean): SseBlock {
    const skip = lines.markBytes
    startBlock(lines)
    if (carriedBytes === 0) {
      const start = at
      at = end
      return readBlock(chunk, start, end, skip, isTerminated)
    }
    carried.push(chunk.subarray(at, end))
    const bytes = Buffer.concat(carried, carriedBytes + end - at)
    carried = []
    carriedBytes = 0
    at = end
    return readBlock(bytes, 0, bytes.length, skip, isTerminated)
  }

  return {
    feed(next) {
      chunk = next
      at = 0
    },
    next() {
      if (at >= chunk.length) return null
      if (lines.owesLf) {
        lines.owesLf = false
        if (chunk[at] === LF) return plainBlock('line-end', chunk, at, ++at)
      }
      const end = findBlockEnd(lines, chunk, at)
      const size = carriedBytes + (end < 0 ? chunk.length : end) - at
      if (size > maxEventBytes) {
        throw new AppError('upstream_unavailable', `The upstream sent an event of more than ${maxEventBytes} bytes.`)
      }
      if (end >= 0) return takeBlock(end, true)
      carried.push(chunk.subarray(at))
      carriedBytes = size
      at = chunk.length
      return null
    },
    finish() {
      return carriedBytes > 0 ? takeBlock(at, false) : null
    },
    takeRest() {
      const rest = at < chunk.length ? [...carried, chunk.subarray(at)] : carried
      carried = []
      carriedBytes = 0
      at = chunk.length
      return rest
    },
  }
}

/** Where the search for the end of the block under way stands; it goes on from chunk to chunk. */
interface LineState {
  block: 'none' | 'event' | 'comment'
  atLineStart: boolean
  /** The last byte was a CR that ended a line inside the block: an LF now belongs to it. */
  afterCr: boolean
  /** The last block ended with a CR at the end of its chunk: an LF now belongs to it. */
  owesLf: boolean
  /** Bytes of the byte order mark seen at the start of the stream. */
  markBytes: number
  mayBeMark: boolean
}

function startOfStream(): LineState {
  return { block: 'none', atLineStart: true, afterCr: false, owesLf: false, markBytes: 0, mayBeMark: true }
}

function startBlock(lines: LineState): void {
  lines.block = 'none'
  lines.atLineStart = true
  lines.afterCr = false
  lines.markBytes = 0
}

/** Offset after the block's last byte, or -1 when it is not in this chunk. */
function findBlockEnd(lines: LineState, chunk: Buffer, from: number): number {
  let at = lines.mayBeMark ? skipMark(lines, chunk, from) : from
  if (lines.afterCr && at < chunk.length) {
    lines.afterCr = false
    if (chunk[at] === LF) at++
  }
  while (at < chunk.length) {
    const byte = chunk[at] as number
    if (byte !== LF && byte !== CR) {
      if (lines.atLineStart) {
        lines.atLineStart = false
        if (lines.block === 'none') lines.block = byte === COLON ? 'comment' : 'event'
      }
      at = skipLine(chunk, at + 1)
      continue
    }
    const isCrLf = byte === CR && chunk[at + 1] === LF
    const isCutCr = byte === CR && at + 1 === chunk.length
    at += isCrLf ? 2 : 1
    if (lines.atLineStart || lines.block === 'comment') {
      lines.owesLf = isCutCr
      return at
    }
    lines.atLineStart = true
    lines.afterCr = isCutCr
  }
  return -1
}

function skipMark(lines: LineState, chunk: Buffer, from: number): number {
  let at = from
  while (at < chunk.length && lines.markBytes < BYTE_ORDER_MARK.length) {
    if (chunk[at] !== BYTE_ORDER_MARK[lines.markBytes]) {
      // Not a mark after all: what looked like one is the beginning of a line.
      if (lines.markBytes > 0) {
        lines.block = 'event'
        lines.atLineStart = false
        lines.markBytes = 0
      }
      lines.mayBeMark = false
      return at
    }
    lines.markBytes++
    at++
  }
  if (lines.markBytes === BYTE_ORDER_MARK.length) lines.mayBeMark = false
  return at
}

function skipLine(bytes: Buffer, from: number): number {
  const length = bytes.length
  let at = from
  while (at < length) {
    const byte = bytes[at] as number
    if (byte <= CR && (byte === LF || byte === CR)) break
    at++
  }
  return at
}

function plainBlock(kind: 'other' | 'line-end', bytes: Buffer, start: number, end: number): SseBlock {
  return { bytes, start, end, kind, name: null, data: bytes, dataStart: end, dataEnd: end, isTerminated: true }
}

/** Reads the fields of a whole block; `skip` bytes at its start are a byte order mark. */
function readBlock(bytes: Buffer, start: number, end: number, skip: number, isTerminated: boolean): SseBlock {
  let name: string | null = null
  let dataLines = 0
  let dataStart = end
  let dataEnd = end
  let joined: Buffer[] | null = null
  for (let at = start + skip; at < end; ) {
    const lineEnd = skipLine(bytes, at)
    if (isField(bytes, at, lineEnd, DATA)) {
      if (dataLines++ > 0) (joined ??= []).push(bytes.subarray(dataStart, dataEnd), NEWLINE)
      dataStart = valueStart(bytes, at + DATA.length, lineEnd)
      dataEnd = lineEnd
    } else if (isField(bytes, at, lineEnd, EVENT)) {
      name = bytes.toString('latin1', valueStart(bytes, at + EVENT.length, lineEnd), lineEnd) || null
    }
    at = bytes[lineEnd] === CR && bytes[lineEnd + 1] === LF ? lineEnd + 2 : lineEnd + 1
  }
  if (dataLines === 0) return { ...plainBlock('other', bytes, start, end), isTerminated }
  if (joined === null) return { bytes, start, end, kind: 'event', name, data: bytes, dataStart, dataEnd, isTerminated }
  const data = Buffer.concat([...joined, bytes.subarray(dataStart, dataEnd)])
  return { bytes, start, end, kind: 'event', name, data, dataStart: 0, dataEnd: data.length, isTerminated }
}

const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')
const NEWLINE = Buffer.from('\n')

/** A field is its name, then a colon or the end of the line. */
function isField(bytes: Buffer, at: number, lineEnd: number, field: Buffer): boolean {
  const colonAt = at + field.length
  if (colonAt > lineEnd || (colonAt < lineEnd && bytes[colonAt] !== COLON)) return false
  for (let i = 0; i < field.length; i++) if (bytes[at + i] !== field[i]) return false
  return true
}

function valueStart(bytes: Buffer, colonAt: number, lineEnd: number): number {
  if (colonAt === lineEnd) return lineEnd
  return colonAt + 1 < lineEnd && bytes[colonAt + 1] === SPACE ? colonAt + 2 : colonAt + 1
}

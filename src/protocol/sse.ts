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

/** Images come in one event, as base64. */
const DEFAULT_MAX_EVENT_BYTES = 32 * 1024 * 1024
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

  function takeBlock(end: number, hasCr: boolean, isTerminated: boolean): SseBlock {
    const start = at
    const skip = lines.markBytes
    startBlock(lines)
    at = end
    if (carriedBytes === 0) return readBlock({ bytes: chunk, start, end, hasCr, skip, isTerminated })
    carried.push(chunk.subarray(start, end))
    const bytes = Buffer.concat(carried, carriedBytes + end - start)
    carried = []
    carriedBytes = 0
    return readBlock({ bytes, start: 0, end: bytes.length, hasCr: bytes.includes(CR), skip, isTerminated })
  }

  return {
    feed(next) {
      chunk = next
      at = 0
      lines.lfAt = -1
      lines.crAt = -1
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
      if (end >= 0) return takeBlock(end, lines.sawCr, true)
      carried.push(chunk.subarray(at))
      carriedBytes = size
      at = chunk.length
      return null
    },
    finish() {
      return carriedBytes > 0 ? takeBlock(at, true, false) : null
    },
    takeRest() {
      const rest = at < chunk.length ? [...carried, chunk.subarray(at)] : carried
      carried = []
      carriedBytes = 0
      chunk = NOTHING
      at = 0
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
  /** Offsets in the chunk of the next LF and the next CR at or after where they were last looked for. */
  lfAt: number
  crAt: number
  /** A line of the block under way ends with a CR. */
  sawCr: boolean
}

function startOfStream(): LineState {
  return {
    block: 'none',
    atLineStart: true,
    afterCr: false,
    owesLf: false,
    markBytes: 0,
    mayBeMark: true,
    lfAt: -1,
    crAt: -1,
    sawCr: false,
  }
}

function startBlock(lines: LineState): void {
  lines.block = 'none'
  lines.atLineStart = true
  lines.afterCr = false
  lines.markBytes = 0
  lines.sawCr = false
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
      at = lineEnd(lines, chunk, at + 1)
      continue
    }
    const isCrLf = byte === CR && chunk[at + 1] === LF
    lines.sawCr ||= byte === CR
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

/** Offset of the LF or CR that ends the line, or the length of the chunk. */
function lineEnd(lines: LineState, chunk: Buffer, from: number): number {
  if (lines.lfAt < from) lines.lfAt = seek(chunk, LF, from)
  if (lines.crAt < from) lines.crAt = seek(chunk, CR, from)
  return Math.min(lines.lfAt, lines.crAt)
}

function seek(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from)
  return at < 0 ? bytes.length : at
}

function plainBlock(kind: 'other' | 'line-end', bytes: Buffer, start: number, end: number): SseBlock {
  return { bytes, start, end, kind, name: null, data: bytes, dataStart: end, dataEnd: end, isTerminated: true }
}

interface RawBlock {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly hasCr: boolean
  /** Bytes of a byte order mark at the start. */
  readonly skip: number
  readonly isTerminated: boolean
}

function readBlock({ bytes, start, end, hasCr, skip, isTerminated }: RawBlock): SseBlock {
  let name: string | null = null
  let dataLines = 0
  let dataStart = end
  let dataEnd = end
  let data = bytes
  for (let at = start + skip; at < end; ) {
    const stop = hasCr ? eitherEnd(bytes, at) : seek(bytes, LF, at)
    if (isField(bytes, at, stop, DATA)) {
      const from = valueStart(bytes, at + DATA.length, stop)
      dataLines++
      if (dataLines === 1) {
        dataStart = from
        dataEnd = stop
      } else {
        // Rare: the lines are joined in memory of their own, which the whole block is large enough to measure.
        if (dataLines === 2) {
          data = Buffer.allocUnsafe(end - start)
          dataEnd = bytes.copy(data, 0, dataStart, dataEnd)
          dataStart = 0
        }
        data[dataEnd] = LF
        dataEnd += 1 + bytes.copy(data, dataEnd + 1, from, stop)
      }
    } else if (isField(bytes, at, stop, EVENT)) {
      name = bytes.toString('latin1', valueStart(bytes, at + EVENT.length, stop), stop) || null
    }
    at = bytes[stop] === CR && bytes[stop + 1] === LF ? stop + 2 : stop + 1
  }
  if (dataLines === 0) return { ...plainBlock('other', bytes, start, end), isTerminated }
  return { bytes, start, end, kind: 'event', name, data, dataStart, dataEnd, isTerminated }
}

/** The slow way to the end of a line, for streams that use CR. */
function eitherEnd(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] !== LF && bytes[at] !== CR) at++
  return at
}

const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')

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

/**
 * Cuts a streamed JSON array into blocks without copying what lies inside one chunk.
 *
 * Format: RFC 8259. Google streams so unless asked for server-sent events. A block is either one element (an object or
 * a string, wherever it begins) or what stands between elements: brackets, commas, white space. The blocks, one after
 * the other, are exactly the bytes that came, and where chunks are cut changes no element.
 */
import { AppError } from '../base/errors.ts'
import type { SseBlock, SseScanner, SseScannerOptions } from './sse.ts'

const DEFAULT_MAX_EVENT_BYTES = 32 * 1024 * 1024
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const NOTHING = Buffer.alloc(0)

/** Where the search for the end of the element under way stands; it goes on from chunk to chunk. */
interface ElementState {
  isOpen: boolean
  /** Objects and lists that are open inside the element, itself included. */
  depth: number
  isInString: boolean
  /** The last byte was a backslash inside a string. */
  isEscaped: boolean
}

export function createJsonArrayScanner(options: SseScannerOptions = {}): SseScanner {
  const maxEventBytes = options.maxEventBytes ?? DEFAULT_MAX_EVENT_BYTES
  const element: ElementState = { isOpen: false, depth: 0, isInString: false, isEscaped: false }
  /** The beginning of an element whose end has not come yet. */
  let carried: Buffer[] = []
  let carriedBytes = 0
  let chunk: Buffer = NOTHING
  let at = 0

  function takeElement(end: number, isTerminated: boolean): SseBlock {
    const start = at
    at = end
    element.isOpen = false
    if (carriedBytes === 0) return elementBlock(chunk, start, end, isTerminated)
    const bytes = Buffer.concat([...carried, chunk.subarray(start, end)], carriedBytes + end - start)
    carried = []
    carriedBytes = 0
    return elementBlock(bytes, 0, bytes.length, isTerminated)
  }

  return {
    feed(next) {
      chunk = next
      at = 0
    },
    next() {
      if (at >= chunk.length) return null
      if (!element.isOpen) {
        const start = at
        at = elementStart(chunk, start)
        if (at > start) return otherBlock(chunk, start, at)
        Object.assign(element, { isOpen: true, depth: 0, isInString: false, isEscaped: false })
      }
      const end = elementEnd(element, chunk, at)
      const size = carriedBytes + (end < 0 ? chunk.length : end) - at
      if (size > maxEventBytes) {
        throw new AppError('upstream_unavailable', `The upstream sent an element of more than ${maxEventBytes} bytes.`)
      }
      if (end >= 0) return takeElement(end, true)
      carried.push(chunk.subarray(at))
      carriedBytes = size
      at = chunk.length
      return null
    },
    finish() {
      return carriedBytes > 0 ? takeElement(at, false) : null
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

/** Offset of the next byte that begins an element, or the length of the chunk. */
function elementStart(chunk: Buffer, from: number): number {
  let at = from
  while (at < chunk.length && chunk[at] !== OPEN_BRACE && chunk[at] !== QUOTE) at++
  return at
}

/** Offset after the element's last byte, or -1 when it is not in this chunk. */
function elementEnd(element: ElementState, chunk: Buffer, from: number): number {
  for (let at = from; at < chunk.length; at++) {
    const byte = chunk[at]
    if (element.isInString) {
      if (element.isEscaped) element.isEscaped = false
      else if (byte === BACKSLASH) element.isEscaped = true
      else if (byte === QUOTE) {
        element.isInString = false
        if (element.depth === 0) return at + 1
      }
    } else if (byte === QUOTE) element.isInString = true
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) element.depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      element.depth--
      if (element.depth === 0) return at + 1
    }
  }
  return -1
}

function elementBlock(bytes: Buffer, start: number, end: number, isTerminated: boolean): SseBlock {
  return { bytes, start, end, kind: 'event', name: null, data: bytes, dataStart: start, dataEnd: end, isTerminated }
}

function otherBlock(bytes: Buffer, start: number, end: number): SseBlock {
  return {
    bytes,
    start,
    end,
    kind: 'other',
    name: null,
    data: bytes,
    dataStart: end,
    dataEnd: end,
    isTerminated: true,
  }
}

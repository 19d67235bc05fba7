/**
 * Finds in one pass over the bytes of a Responses event its type, its `delta` and where that belongs, so that the many
 * small events of a stream are never parsed.
 *
 * Source: OpenAI "Responses streaming events": `type` and `delta` stand in the outermost object, in any order. Inside a
 * JSON string every quote is escaped, so a string that a colon follows can only be a key.
 */
import { skipSpace, spells, stringEnd, textSize } from '../json-bytes.ts'

/** One event's findings; the same object is filled again for each event. */
export interface SpottedEvent {
  /** Of the string value of `type`; both 0 when there is none. */
  typeStart: number
  typeEnd: number
  /** Of the string value of `delta`; both 0 when there is none. */
  deltaStart: number
  deltaEnd: number
  /** Bytes of text that it stands for. */
  deltaBytes: number
  /** `output_index`, and `content_index` or `summary_index`; -1 where there is none. Only told of a delta. */
  outputIndex: number
  partIndex: number
}

export function createSpottedEvent(): SpottedEvent {
  return { typeStart: 0, typeEnd: 0, deltaStart: 0, deltaEnd: 0, deltaBytes: 0, outputIndex: -1, partIndex: -1 }
}

const QUOTE = 0x22
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const TYPE = Buffer.from('type')
const DELTA = Buffer.from('delta')
const OUTPUT_INDEX = Buffer.from('output_index')
const CONTENT_INDEX = Buffer.from('content_index')
const SUMMARY_INDEX = Buffer.from('summary_index')

/** Fills `found` from the JSON that stands in `bytes` from `start` to `end`. Never throws, whatever the bytes are. */
export function spotEvent(bytes: Uint8Array, start: number, end: number, found: SpottedEvent): void {
  found.typeStart = 0
  found.typeEnd = 0
  found.deltaStart = 0
  found.deltaEnd = 0
  found.deltaBytes = 0
  found.outputIndex = -1
  found.partIndex = -1
  let depth = 0
  let at = start
  while (at < end) {
    const byte = bytes[at] as number
    if (byte === QUOTE) {
      at = depth === 1 ? onOuterString(bytes, at, end, found) : stringEnd(bytes, at + 1, end) + 1
      // An event that tells its type and brings no delta has nothing else to look for.
      if (found.typeEnd > 0 && !isDelta(bytes, found)) return
      continue
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--
    at++
  }
}

/** Reads a string of the outermost object; returns where to go on. */
function onOuterString(bytes: Uint8Array, at: number, end: number, found: SpottedEvent): number {
  const close = stringEnd(bytes, at + 1, end)
  const colonAt = skipSpace(bytes, close + 1, end)
  if (colonAt >= end || bytes[colonAt] !== COLON) return close + 1
  const valueAt = skipSpace(bytes, colonAt + 1, end)
  if (valueAt >= end) return valueAt
  if (bytes[valueAt] !== QUOTE) {
    // Both names of a part's index have a length of their own.
    const length = close - at - 1
    if (length === OUTPUT_INDEX.length) {
      if (spells(bytes, at + 1, close, OUTPUT_INDEX)) found.outputIndex = numberAt(bytes, valueAt, end)
    } else if (length === CONTENT_INDEX.length && isPartIndex(bytes, at + 1, close)) {
      found.partIndex = numberAt(bytes, valueAt, end)
    }
    return valueAt
  }
  const valueEnd = stringEnd(bytes, valueAt + 1, end)
  if (spells(bytes, at + 1, close, TYPE)) {
    found.typeStart = valueAt + 1
    found.typeEnd = valueEnd
  } else if (spells(bytes, at + 1, close, DELTA)) {
    found.deltaStart = valueAt + 1
    found.deltaEnd = valueEnd
    found.deltaBytes = textSize(bytes, valueAt + 1, valueEnd)
  }
  return valueEnd + 1
}

function isPartIndex(bytes: Uint8Array, from: number, to: number): boolean {
  return spells(bytes, from, to, CONTENT_INDEX) || spells(bytes, from, to, SUMMARY_INDEX)
}

const ZERO = 0x30
const NINE = 0x39
/** No reply has an index with more digits. */
const MAX_DIGITS = 6

/** A whole number; -1 when there is none. */
function numberAt(bytes: Uint8Array, from: number, end: number): number {
  let value = 0
  let at = from
  for (; at < end && at < from + MAX_DIGITS; at++) {
    const byte = bytes[at] as number
    if (byte < ZERO || byte > NINE) break
    value = value * 10 + byte - ZERO
  }
  return at === from ? -1 : value
}

/** Whether the type ends with `.delta`. */
function isDelta(bytes: Uint8Array, { typeStart, typeEnd }: SpottedEvent): boolean {
  return typeEnd - typeStart > DELTA.length && spells(bytes, typeEnd - DELTA.length, typeEnd, DELTA)
}

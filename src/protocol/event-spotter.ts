/**
 * Finds in one pass over the bytes of a streamed JSON event what metering needs, so that ordinary events are never
 * parsed.
 *
 * The trick: inside a JSON string every quote is escaped, so a string followed by a colon can only be a key, and
 * text that a model writes can never look like one. Events that hold something to read (usage, a finish, an error)
 * are found here and parsed by the caller; of all others only the size of the text they deliver is kept.
 */
import { skipSpace, spells, stringEnd, textSize } from './json-bytes.ts'

/** Where the text of a member of `delta` counts. */
type Slot = 'none' | 'text' | 'refusal' | 'reasoning' | 'reasoning_content' | 'reasoning_details'

/** One event's findings; the same object is filled again for each event. */
export interface Spotted {
  /** Of the string value of a `type` key of the outermost object; both 0 when there is none. */
  typeStart: number
  typeEnd: number
  /** A `usage` key with an object, at any depth. */
  hasUsage: boolean
  /** A `finish_reason` key with anything but null, at any depth. */
  hasFinish: boolean
  /** An `error` key of the outermost object with anything but null, or `"object":"error"` there. */
  hasError: boolean
  /** A `delta` calls a tool. */
  hasToolCall: boolean
  /** A `delta` holds an image or a sound. */
  hasMedia: boolean
  /** Bytes of text in `delta` objects: answer and tool arguments. Escapes count as what they stand for. */
  textBytes: number
  /** The same of refusals; part of `textBytes`. */
  refusalBytes: number
  /** The same of reasoning, under each name that it has: vendors send it under two at once. */
  reasoningBytes: number
  reasoningContentBytes: number
  reasoningDetailsBytes: number
  /** Where the pass stands: open brackets, those around the `delta` that it is in (0: none), the member of that. */
  depth: number
  deltaDepth: number
  slot: Slot
  /** The next string, if it is a value, is text of `slot`. */
  countsNext: boolean
}

export function createSpotted(): Spotted {
  return {
    typeStart: 0,
    typeEnd: 0,
    hasUsage: false,
    hasFinish: false,
    hasError: false,
    hasToolCall: false,
    hasMedia: false,
    textBytes: 0,
    refusalBytes: 0,
    reasoningBytes: 0,
    reasoningContentBytes: 0,
    reasoningDetailsBytes: 0,
    depth: 0,
    deltaDepth: 0,
    slot: 'none',
    countsNext: false,
  }
}

function clear(found: Spotted): void {
  found.typeStart = 0
  found.typeEnd = 0
  found.hasUsage = false
  found.hasFinish = false
  found.hasError = false
  found.hasToolCall = false
  found.hasMedia = false
  found.textBytes = 0
  found.refusalBytes = 0
  found.reasoningBytes = 0
  found.reasoningContentBytes = 0
  found.reasoningDetailsBytes = 0
  found.depth = 0
  found.deltaDepth = 0
  found.slot = 'none'
  found.countsNext = false
}

const QUOTE = 0x22
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const SMALL_N = 0x6e

interface Key {
  readonly bytes: Uint8Array
  /** At any depth. */
  readonly mark: 'usage' | 'finish' | 'delta' | null
  /** Of the outermost object. */
  readonly outer: 'type' | 'error' | 'object' | null
  /** Directly in `delta`. */
  readonly slot: Slot | 'tool' | 'media'
  /** Deeper in `delta`: its string is text. */
  readonly isText: boolean
}

function key(word: string, role: Partial<Omit<Key, 'bytes'>>): Key {
  return { bytes: Buffer.from(word), mark: null, outer: null, slot: 'none', isText: false, ...role }
}

/** By the length of the key, which alone rules out most of them. */
const KEYS: readonly (readonly Key[])[] = byLength([
  key('usage', { mark: 'usage' }),
  key('finish_reason', { mark: 'finish' }),
  key('delta', { mark: 'delta' }),
  key('type', { outer: 'type' }),
  key('error', { outer: 'error' }),
  key('object', { outer: 'object' }),
  key('content', { slot: 'text' }),
  key('text', { slot: 'text', isText: true }),
  key('partial_json', { slot: 'text' }),
  key('refusal', { slot: 'refusal' }),
  key('tool_calls', { slot: 'tool' }),
  key('function_call', { slot: 'tool' }),
  key('audio', { slot: 'media' }),
  key('images', { slot: 'media' }),
  key('thinking', { slot: 'reasoning', isText: true }),
  key('reasoning', { slot: 'reasoning' }),
  key('reasoning_content', { slot: 'reasoning_content' }),
  key('reasoning_details', { slot: 'reasoning_details' }),
  key('summary', { isText: true }),
  key('arguments', { isText: true }),
  key('input', { isText: true }),
  key('transcript', { isText: true }),
])

function byLength(keys: readonly Key[]): Key[][] {
  const table: Key[][] = []
  for (const entry of keys) (table[entry.bytes.length] ??= []).push(entry)
  return table
}

/** Fills `found` from the JSON that stands in `bytes` from `start` to `end`. Never throws, whatever the bytes are. */
export function spot(bytes: Uint8Array, start: number, end: number, found: Spotted): void {
  clear(found)
  let at = start
  while (at < end) {
    const byte = bytes[at] as number
    if (byte === QUOTE) {
      const close = stringEnd(bytes, at + 1, end)
      const valueAt = afterColon(bytes, close + 1, end)
      if (valueAt < 0) {
        if (found.countsNext) countText(found, bytes, at + 1, close)
        at = close + 1
      } else {
        onKey(found, lookUp(bytes, at + 1, close), bytes, valueAt, end)
        at = valueAt
      }
      continue
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) found.depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      found.depth--
      if (found.depth === found.deltaDepth) found.deltaDepth = 0
    }
    at++
  }
}

function onKey(found: Spotted, entry: Key | undefined, bytes: Uint8Array, valueAt: number, end: number): void {
  found.countsNext = false
  if (found.deltaDepth > 0) onKeyInDelta(found, entry, bytes, valueAt, end)
  if (entry === undefined) return
  const first = bytes[valueAt]
  if (entry.mark === 'usage') found.hasUsage ||= first === OPEN_BRACE
  else if (entry.mark === 'finish') found.hasFinish ||= first !== SMALL_N
  else if (entry.mark === 'delta' && first === OPEN_BRACE && found.deltaDepth === 0) found.deltaDepth = found.depth
  if (entry.outer !== null && found.depth === 1) onOuterKey(found, entry.outer, bytes, valueAt, end)
}

function onOuterKey(
  found: Spotted,
  name: NonNullable<Key['outer']>,
  bytes: Uint8Array,
  valueAt: number,
  end: number,
): void {
  const first = bytes[valueAt]
  switch (name) {
    case 'type':
      if (first !== QUOTE) return
      found.typeStart = valueAt + 1
      found.typeEnd = stringEnd(bytes, valueAt + 1, end)
      return
    case 'error':
      found.hasError ||= first !== SMALL_N
      return
    case 'object':
      found.hasError ||= first === QUOTE && spells(bytes, valueAt + 1, stringEnd(bytes, valueAt + 1, end), ERROR)
  }
}

function onKeyInDelta(found: Spotted, entry: Key | undefined, bytes: Uint8Array, valueAt: number, end: number): void {
  if (found.depth > found.deltaDepth + 1) {
    found.countsNext = found.slot !== 'none' && entry?.isText === true
    return
  }
  const slot = entry?.slot ?? 'none'
  if (slot !== 'tool' && slot !== 'media') {
    found.slot = slot
    found.countsNext = slot !== 'none'
    return
  }
  found.slot = 'text'
  if (bytes[valueAt] === SMALL_N || isEmptyArray(bytes, valueAt, end)) return
  if (slot === 'tool') found.hasToolCall = true
  else found.hasMedia = true
}

function countText(found: Spotted, bytes: Uint8Array, from: number, to: number): void {
  const size = textSize(bytes, from, to)
  found.countsNext = false
  if (found.slot === 'reasoning') found.reasoningBytes += size
  else if (found.slot === 'reasoning_content') found.reasoningContentBytes += size
  else if (found.slot === 'reasoning_details') found.reasoningDetailsBytes += size
  else found.textBytes += size
  if (found.slot === 'refusal') found.refusalBytes += size
}

/** Offset of the value after a colon; -1 when no colon follows. */
function afterColon(bytes: Uint8Array, from: number, end: number): number {
  const at = skipSpace(bytes, from, end)
  return bytes[at] === COLON && at < end ? skipSpace(bytes, at + 1, end) : -1
}

function isEmptyArray(bytes: Uint8Array, at: number, end: number): boolean {
  return bytes[at] === OPEN_BRACKET && bytes[skipSpace(bytes, at + 1, end)] === CLOSE_BRACKET
}

function lookUp(bytes: Uint8Array, from: number, to: number): Key | undefined {
  const candidates = KEYS[to - from]
  if (candidates === undefined) return undefined
  for (const candidate of candidates) if (spells(bytes, from, to, candidate.bytes)) return candidate
  return undefined
}

const ERROR = Buffer.from('error')

/**
 * Validates one JSON object (RFC 8259) in its bytes and finds where its members stand, without building anything.
 *
 * A request body is megabytes of conversation of which the gateway needs six small values. The scan reads each byte
 * once, keeps the open brackets on a small stack instead of recursing, and leaves every value where it is.
 */
import { AppError } from '../base/errors.ts'

/** Byte offsets, `end` exclusive. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface TopLevel {
  /** The values of the wanted keys that are there. */
  readonly values: ReadonlyMap<string, Span>
  /** Offset of the object's closing brace. */
  readonly closeAt: number
  readonly isEmpty: boolean
  /** The watched keys that stand anywhere in it, whatever their letters' case. */
  readonly seen: ReadonlySet<string>
}

export interface ScanOptions {
  /** Objects and arrays inside each other, the outermost included. */
  readonly maxDepth?: number
  /** Keys (ASCII) that are looked for at every depth. */
  readonly watch?: WatchedKeys | undefined
}

/** Made once and used for every scan. */
export interface WatchedKeys {
  readonly words: readonly string[]
  readonly longest: number
}

export function watchKeys(words: readonly string[]): WatchedKeys {
  return { words, longest: Math.max(0, ...words.map((word) => word.length)) }
}

const DEFAULT_MAX_DEPTH = 256

const FIRST_PRINTABLE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const LAST_ASCII = 0x7f
/** `A` to `Z`, and the bit that makes them small. */
const UPPER_A = 0x41
const UPPER_Z = 0x5a
const LOWER_BIT = 0x20
const MINUS = 0x2d
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Scans the object that `bytes` hold (a byte order mark and white space around it are allowed).
 *
 * A wanted key (ASCII) may stand there once only: readers disagree on which of two wins, so a second one could smuggle a
 * value past the gateway. Keys are compared as the text they spell, escapes resolved. Values are checked to the
 * letter of the grammar, except that text is not checked to be valid UTF-8.
 *
 * @throws AppError `invalid_request`; the message names the fault and its byte offset and never quotes the body.
 */
export function scanTopLevel(bytes: Uint8Array, wanted: readonly string[], options: ScanOptions = {}): TopLevel {
  const maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH
  const open = new Uint8Array(maxDepth)
  const json = inWords(bytes, options.watch)
  const values = new Map<string, Span>()
  let at = skipSpace(bytes, byteOrderMark(bytes))
  if (bytes[at] !== OPEN_BRACE) throw new AppError('invalid_request', 'The body must be a JSON object.')
  at = skipSpace(bytes, at + 1)
  const isEmpty = bytes[at] === CLOSE_BRACE
  while (!isEmpty) {
    const keyAt = at
    const start = skipKey(json, at)
    at = skipValue(json, start, open)
    const key = wantedKey(json, keyAt, wanted)
    if (key !== undefined) {
      if (values.has(key)) throw new AppError('invalid_request', `"${key}" is given twice.`, { param: key })
      values.set(key, { start, end: at })
    }
    at = skipSpace(bytes, at)
    if (bytes[at] === CLOSE_BRACE) break
    if (bytes[at] !== COMMA) throw malformed('a comma or the end of the object is missing', at)
    at = skipSpace(bytes, at + 1)
  }
  const closeAt = at
  at = skipSpace(bytes, at + 1)
  if (at < bytes.length) throw malformed('something stands after the end of the object', at)
  return { values, closeAt, isEmpty, seen: json.seen }
}

/** Where the elements of the array at `array` stand, in bytes that `scanTopLevel` has found to be valid. */
export function elementSpans(bytes: Uint8Array, array: Span): Span[] {
  const json = inWords(bytes)
  const open = new Uint8Array(DEFAULT_MAX_DEPTH)
  const spans: Span[] = []
  let at = skipSpace(bytes, array.start + 1)
  while (at < array.end - 1) {
    const start = at
    at = skipValue(json, at, open)
    spans.push({ start, end: at })
    at = skipSpace(bytes, at)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
  }
  return spans
}

/** The text, and the same memory as aligned words of four bytes, which are quicker to look through. */
interface Json {
  readonly bytes: Uint8Array
  readonly words: Int32Array
  /** Byte `i` stands in word `(i + shift) / 4`. */
  readonly shift: number
  readonly watch: WatchedKeys | undefined
  readonly seen: Set<string>
}

function inWords(bytes: Uint8Array, watch?: WatchedKeys): Json {
  const shift = bytes.byteOffset % 4
  const words = new Int32Array(bytes.buffer, bytes.byteOffset - shift, Math.floor((shift + bytes.length) / 4))
  return { bytes, words, shift, watch, seen: new Set() }
}

function malformed(fault: string, at: number): AppError {
  return new AppError('invalid_request', `The body is not valid JSON: ${fault} (byte ${at}).`)
}

function byteOrderMark(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
}

function skipSpace(bytes: Uint8Array, from: number): number {
  const length = bytes.length
  let at = from
  while (at < length) {
    const byte = bytes[at] as number
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}

/** From a key's opening quote to the first byte of its value. */
function skipKey(json: Json, from: number): number {
  const { bytes } = json
  if (bytes[from] !== QUOTE) throw malformed('a key is missing', from)
  const end = skipString(json, from)
  if (json.watch) noteKey(json, json.watch, from, end)
  const at = skipSpace(bytes, end)
  if (bytes[at] !== COLON) throw malformed('a colon is missing', at)
  return skipSpace(bytes, at + 1)
}

/** Remembers a key that is watched; one with escapes in it is read as the text that it spells. */
function noteKey(json: Json, watch: WatchedKeys, quoteAt: number, end: number): void {
  const { bytes } = json
  const start = quoteAt + 1
  const length = end - 1 - start
  if (length > 6 * watch.longest) return
  for (let at = start; at < end - 1; at++) {
    if (bytes[at] !== BACKSLASH && (bytes[at] as number) <= LAST_ASCII) continue
    const key = foldCase(JSON.parse(Buffer.from(bytes.subarray(quoteAt, end)).toString()) as string)
    const word = watch.words.find((candidate) => foldCase(candidate) === key)
    if (word !== undefined) json.seen.add(word)
    return
  }
  for (const word of watch.words) if (word.length === length && spells(bytes, start, word)) json.seen.add(word)
}

/** From the first byte of a value to the byte after it. `open` is the stack of brackets; its size bounds the depth. */
function skipValue(json: Json, from: number, open: Uint8Array): number {
  const { bytes } = json
  let depth = 0
  let at = from
  for (;;) {
    const first = bytes[at]
    if (first === QUOTE) at = skipString(json, at)
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      if (depth + 1 >= open.length) throw malformed(`more than ${open.length} brackets are open`, at)
      at = skipSpace(bytes, at + 1)
      // In ASCII each closing bracket stands two after its opening one.
      if (bytes[at] === first + 2) at++
      else {
        open[depth++] = first
        if (first === OPEN_BRACE) at = skipKey(json, at)
        continue
      }
    } else at = skipScalar(bytes, at)

    for (;;) {
      if (depth === 0) return at
      const bracket = open[depth - 1] as number
      at = skipSpace(bytes, at)
      if (bytes[at] === COMMA) {
        at = skipSpace(bytes, at + 1)
        if (bracket === OPEN_BRACE) at = skipKey(json, at)
        break
      }
      if (bytes[at] !== bracket + 2) throw malformed('a comma or a closing bracket is missing', at)
      at++
      depth--
    }
  }
}

/** From the opening quote to the byte after the closing one. */
function skipString(json: Json, from: number): number {
  const { bytes, words, shift } = json
  // Kept out of the loop: reading a typed array's length costs as much as the rest of a turn.
  const length = bytes.length
  let at = from + 1
  while (at < length) {
    const byte = bytes[at] as number
    if (byte === QUOTE) return at + 1
    if (byte === BACKSLASH) at = skipEscape(bytes, at)
    else if (byte < FIRST_PRINTABLE) throw malformed('a control character stands in a string', at)
    else at++
    if (((at + shift) & 3) === 0) at = skipPlainWords(words, (at + shift) >> 2) * 4 - shift
  }
  throw malformed('a string is not closed', from)
}

/** Index of the next word with a quote, a backslash or a control character in it. */
function skipPlainWords(words: Int32Array, from: number): number {
  const length = words.length
  let at = from
  while (at < length && isPlain(words[at] as number)) at++
  return at
}

/**
 * Whether none of the four bytes of a word ends plain text. A byte of `x` below `n` is there exactly when
 * `(x - nnnn) & ~x` has the highest bit of any byte set, and equality is a zero after exclusive or.
 */
function isPlain(word: number): boolean {
  const quotes = word ^ 0x22222222
  const backslashes = word ^ 0x5c5c5c5c
  const hits =
    ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes) | ((word - 0x20202020) & ~word)
  return (hits & 0x80808080) === 0
}

function skipEscape(bytes: Uint8Array, from: number): number {
  switch (bytes[from + 1]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return from + 2
    case 0x75: // u
      for (let at = from + 2; at < from + 6; at++) {
        if (!isHexDigit(bytes[at])) throw malformed('an escape is malformed', from)
      }
      return from + 6
    default:
      throw malformed('an escape is malformed', from)
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function isHexDigit(byte: number | undefined): boolean {
  return isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)
}

const LITERALS: ReadonlyMap<number, readonly number[]> = new Map(
  ['true', 'false', 'null'].map((word) => [word.charCodeAt(0), [...word].map((letter) => letter.charCodeAt(0))]),
)

function skipScalar(bytes: Uint8Array, from: number): number {
  const first = bytes[from]
  if (first === MINUS || isDigit(first)) return skipNumber(bytes, from)
  const literal = first === undefined ? undefined : LITERALS.get(first)
  if (literal?.every((letter, i) => bytes[from + i] === letter)) return from + literal.length
  throw malformed('a value is missing', from)
}

function skipNumber(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === MINUS ? from + 1 : from
  at = bytes[at] === 0x30 ? at + 1 : skipDigits(bytes, at)
  if (bytes[at] === 0x2e) at = skipDigits(bytes, at + 1)
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    const sign = bytes[at + 1]
    at = skipDigits(bytes, sign === 0x2b || sign === MINUS ? at + 2 : at + 1)
  }
  return at
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from
  while (isDigit(bytes[at])) at++
  if (at === from) throw malformed('a number is malformed', at)
  return at
}

/** Which wanted key the string with its opening quote at `quoteAt` spells. */
function wantedKey(json: Json, quoteAt: number, wanted: readonly string[]): string | undefined {
  const { bytes } = json
  const start = quoteAt + 1
  let end = start
  while (bytes[end] !== QUOTE) {
    const byte = bytes[end] as number
    if (byte === BACKSLASH || byte > LAST_ASCII) return escapedKey(json, quoteAt, wanted)
    end++
  }
  const word = wanted.find((candidate) => candidate.length === end - start && spells(bytes, start, candidate))
  if (word !== undefined && !bytes.subarray(start, end).every((byte, i) => byte === word.charCodeAt(i))) {
    throw misspelled(word, quoteAt)
  }
  return word
}

/** Letters count whatever their case: some upstreams read keys so, and would take the later of two spellings. */
function spells(bytes: Uint8Array, start: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[start + i] as number
    if (inLowerCase(byte) !== inLowerCase(word.charCodeAt(i))) return false
  }
  return true
}

function inLowerCase(letter: number): number {
  return letter >= UPPER_A && letter <= UPPER_Z ? letter | LOWER_BIT : letter
}

function misspelled(word: string, at: number): AppError {
  const message = `The key at byte ${at} must be written "${word}", letter by letter.`
  return new AppError('invalid_request', message, { param: word })
}

/** The slow path for a key with escapes, such as `"mod\u0065l"`, or letters beyond ASCII. */
function escapedKey(json: Json, quoteAt: number, wanted: readonly string[]): string | undefined {
  const end = skipString(json, quoteAt)
  const longest = Math.max(...wanted.map((word) => word.length))
  if (end - quoteAt - 2 > 6 * longest) return undefined
  const key: unknown = JSON.parse(Buffer.from(json.bytes.subarray(quoteAt, end)).toString())
  const word = wanted.find((candidate) => typeof key === 'string' && foldCase(candidate) === foldCase(key))
  if (word !== undefined && word !== key) throw misspelled(word, quoteAt)
  return word
}

/** As Go's JSON decoder folds: the long s and the Kelvin sign are letters of these words too. */
function foldCase(key: string): string {
  return key.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase()
}

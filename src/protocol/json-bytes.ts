/** Steps over the bytes of an event's JSON, for the readers that look for a few things without parsing it. */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SMALL_U = 0x75

/** UTF-8 bytes that the inside of a JSON string stands for; a `\u` escape counts as three, the usual case. */
export function textSize(bytes: Uint8Array, from: number, to: number): number {
  let size = to - from
  for (let at = from; at < to; at++) {
    if (bytes[at] !== BACKSLASH) continue
    size -= bytes[at + 1] === SMALL_U ? 3 : 1
    at++
  }
  return Math.max(size, 0)
}

/** Offset of the closing quote, or `end` when there is none. */
export function stringEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end) {
    const byte = bytes[at]
    if (byte === QUOTE) return at
    at += byte === BACKSLASH ? 2 : 1
  }
  return end
}

export function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && (bytes[at] as number) <= 0x20) at++
  return at
}

export function spells(bytes: Uint8Array, from: number, to: number, word: Uint8Array): boolean {
  const length = word.length
  if (to - from !== length) return false
  for (let i = 0; i < length; i++) if (bytes[from + i] !== word[i]) return false
  return true
}

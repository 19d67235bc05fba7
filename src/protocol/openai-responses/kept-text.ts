/** Collects the pieces of a JSON string as they stand on the wire, so that a piece costs neither parsing nor an object. */

export interface KeptText {
  /** Bytes inside of a JSON string, quotes left out: escapes stay as they came. */
  add(bytes: Uint8Array, start: number, end: number): void
  /** The whole text; empty when the pieces are no JSON. */
  text(): string
}

const FIRST_BYTES = 256
/** Longer pieces are copied as a whole, for which there is a call that costs as much as this many bytes one by one. */
const SHORT_PIECE = 48

export function createKeptText(): KeptText {
  let kept = Buffer.alloc(0)
  let length = 0
  return {
    add(bytes, start, end) {
      const needed = length + end - start
      if (needed > kept.length) kept = grown(kept, length, needed)
      if (end - start > SHORT_PIECE) kept.set(bytes.subarray(start, end), length)
      else for (let i = start; i < end; i++) kept[length + i - start] = bytes[i] as number
      length = needed
    },
    text() {
      try {
        return JSON.parse(`"${kept.toString('utf8', 0, length)}"`) as string
      } catch {
        return ''
      }
    },
  }
}

function grown(kept: Buffer, length: number, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * kept.length, needed))
  kept.copy(larger, 0, 0, length)
  return larger
}

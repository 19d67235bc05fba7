/**
 * Tokens that an image counts: Anthropic's formula (width × height / 750 after fitting into 1568 pixels), which lies
 * above those of OpenAI (512-pixel tiles of 170) and Google (768-pixel tiles of 258) for most sizes.
 *
 * Sources: Anthropic "Vision", OpenAI "Images and vision", Google "Understand and count tokens".
 */
import type { IrSource } from '../ir/block.ts'

const LONGEST_EDGE = 1568
const PIXELS_PER_TOKEN = 750
const LEAST = 258
/** An image at its full size, or one that we cannot see. */
export const FULL_IMAGE = 1600
/** Sizes stand at the beginning; cameras put up to 64 KB of remarks before a JPEG's. */
const HEAD = 128 * 1024

export function imageTokens(source: IrSource): number {
  if (source.type !== 'data') return FULL_IMAGE
  const size = imageSize(source.data)
  if (!size) return FULL_IMAGE
  const scale = Math.min(1, LONGEST_EDGE / Math.max(size.width, size.height))
  const tokens = Math.ceil((size.width * scale * size.height * scale) / PIXELS_PER_TOKEN)
  return Math.min(FULL_IMAGE, Math.max(LEAST, tokens))
}

interface Size {
  readonly width: number
  readonly height: number
}

/** Pixels of a PNG, GIF, WebP or JPEG given in base64; null when its header cannot be read. */
export function imageSize(base64: string): Size | null {
  const head = Buffer.from(base64.slice(0, HEAD), 'base64')
  if (head.length < 30) return null
  const size = pngSize(head) ?? gifSize(head) ?? webpSize(head) ?? jpegSize(head)
  return size && size.width > 0 && size.height > 0 ? size : null
}

function pngSize(head: Buffer): Size | null {
  if (head.readUInt32BE(0) !== 0x89504e47) return null
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) }
}

function gifSize(head: Buffer): Size | null {
  if (head.toString('latin1', 0, 4) !== 'GIF8') return null
  return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) }
}

function webpSize(head: Buffer): Size | null {
  if (head.toString('latin1', 8, 12) !== 'WEBP') return null
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff }
    case 'VP8L': {
      const bits = head.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 }
    default:
      return null
  }
}

/** Walks the segments to the frame header, ITU T.81 B.2.2. */
function jpegSize(head: Buffer): Size | null {
  if (head.readUInt16BE(0) !== 0xffd8) return null
  let at = 2
  while (at + 9 < head.length && head[at] === 0xff) {
    const marker = head[at + 1] as number
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) }
    // Fill bytes between segments.
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2)
  }
  return null
}

/** Images and files given as `data:` URLs (RFC 2397, base64 only). */
import type { IrSource } from '../ir/block.ts'

const DATA_URL = /^data:([^;,]*)(?:;[^;,]*)*?;base64,/i

/** A source of what an OpenAI-shaped part has in `url`: data when it is a data URL, else an address. */
export function sourceOfUrl(url: string): IrSource {
  // Bodies of megabytes: only the head of the URL is matched.
  const match = DATA_URL.exec(url.slice(0, 256))
  if (!match) return { type: 'url', url }
  return { type: 'data', mediaType: match[1] || 'application/octet-stream', data: url.slice(match[0].length) }
}

export function dataUrl(source: { mediaType: string; data: string }): string {
  return `data:${source.mediaType};base64,${source.data}`
}

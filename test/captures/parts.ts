/** The events of a recorded stream, whichever way it is framed. */
import { type SseBlock, splitBlocks } from './sse-blocks.ts'
import type { Form } from './wire.ts'

/** The pieces of a stream in order; all their bytes together are the stream. Those between events have no data. */
export function splitParts(stream: Buffer, form: Form): SseBlock[] {
  return form === 'sse' ? splitBlocks(stream) : splitElements(stream)
}

/** A piece for each element of a JSON array, with the brackets, commas and white space before it; what is left behind. */
export function splitElements(stream: Buffer): SseBlock[] {
  const text = stream.toString('latin1')
  const parts: SseBlock[] = []
  let start = 0
  for (let at = text.indexOf('{'); at !== -1; at = text.indexOf('{', start)) {
    const end = objectEnd(text, at)
    parts.push(partOf(stream, { start, at, end: end ?? text.length, closed: end !== null }))
    start = end ?? text.length
  }
  if (start < text.length) parts.push({ bytes: stream.subarray(start), event: null, data: null, closed: true })
  return parts
}

function partOf(stream: Buffer, span: { start: number; at: number; end: number; closed: boolean }): SseBlock {
  const { start, at, end, closed } = span
  return { bytes: stream.subarray(start, end), event: null, data: stream.toString('utf8', at, end), closed }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}]/gs

/** Behind the brace that closes the object at `from`; null when none does. */
function objectEnd(text: string, from: number): number | null {
  TOKEN.lastIndex = from
  let depth = 0
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    if (token[0] === '{') depth++
    if (token[0] === '}' && --depth === 0) return TOKEN.lastIndex
  }
  return null
}

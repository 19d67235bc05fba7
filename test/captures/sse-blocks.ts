/**
 * Splits a recorded event stream into its blocks without losing a byte. Written apart from the gateway's scanner, so
 * that the two can disagree. Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
 */

export interface SseBlock {
  /** All bytes of the block, its closing blank line included. */
  readonly bytes: Buffer
  readonly event: string | null
  /** The `data` lines joined by newlines; null when there are none. */
  readonly data: string | null
  /** Whether a blank line closed it; only the last block can be open. */
  readonly closed: boolean
}

const CR = 13
const LF = 10

export function splitBlocks(stream: Buffer): SseBlock[] {
  const blocks: SseBlock[] = []
  let blockStart = 0
  let lines: string[] = []
  let at = 0
  while (at < stream.length) {
    const line = readLine(stream, at)
    at = line.next
    if (line.text !== '') lines.push(line.text)
    else {
      blocks.push(toBlock(stream.subarray(blockStart, at), lines, true))
      blockStart = at
      lines = []
    }
  }
  if (blockStart < stream.length) blocks.push(toBlock(stream.subarray(blockStart), lines, false))
  return blocks
}

function readLine(stream: Buffer, start: number): { text: string; next: number } {
  let end = start
  while (end < stream.length && stream[end] !== CR && stream[end] !== LF) end++
  const text = stream.toString('utf8', start, end)
  if (end === stream.length) return { text, next: end }
  const next = stream[end] === CR && stream[end + 1] === LF ? end + 2 : end + 1
  return { text, next }
}

function toBlock(bytes: Buffer, lines: readonly string[], closed: boolean): SseBlock {
  const data: string[] = []
  let event: string | null = null
  for (const line of lines) {
    const match = /^\ufeff?(event|data)(?:: ?(.*))?$/s.exec(line)
    if (match?.[1] === 'data') data.push(match[2] ?? '')
    if (match?.[1] === 'event') event = match[2] ?? ''
  }
  return { bytes, event, data: data.length === 0 ? null : data.join('\n'), closed }
}

/** The data of a block as a JSON object, or null. */
export function jsonOf(block: SseBlock): Record<string, unknown> | null {
  if (block.data === null) return null
  try {
    const value: unknown = JSON.parse(block.data)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/** A chat chunk that holds nothing but usage: what a client that did not ask for usage must not see. */
export function isUsageOnly(block: SseBlock): boolean {
  const chunk = jsonOf(block)
  return (
    chunk !== null &&
    Array.isArray(chunk.choices) &&
    chunk.choices.length === 0 &&
    typeof chunk.usage === 'object' &&
    chunk.usage !== null
  )
}

/** Whether a block reports a failure, in any family's form. */
export function isError(block: SseBlock): boolean {
  const payload = jsonOf(block)
  if (payload === null) return false
  if (payload.type === 'error' || payload.type === 'response.failed') return true
  return typeof payload.error === 'object' && payload.error !== null
}

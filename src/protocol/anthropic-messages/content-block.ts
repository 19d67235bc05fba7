/** Counts what a whole content block of the Messages API delivers. */
import type { Delivered } from '../event-reader.ts'
import { asObject, asText, type WireObject } from '../wire-value.ts'

/** Text and thinking count by their bytes, a tool call by its input; any other block is output too. */
export function addContentBlock(delivered: Delivered, block: WireObject | null): void {
  if (!block) return
  delivered.textBytes += Buffer.byteLength(asText(block.text) ?? '')
  delivered.reasoningBytes += Buffer.byteLength(asText(block.thinking) ?? '')
  if (block.type === 'text' || block.type === 'thinking') return
  delivered.hasOther = true
  const input = asObject(block.input)
  // A stream opens a tool call with an empty input and sends it in pieces.
  if (input && Object.keys(input).length > 0) delivered.textBytes += Buffer.byteLength(JSON.stringify(input))
}

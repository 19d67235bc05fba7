/** Messages' `stop_reason` in the gateway's words. */
import type { Finish } from '../reply-summary.ts'

const FINISHES: ReadonlyMap<string, Finish> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['pause_turn', 'pause'],
  ['compaction', 'pause'],
  ['refusal', 'content_filter'],
])

export function readMessagesFinish(wire: string | null): Finish | null {
  return wire === null ? null : (FINISHES.get(wire) ?? 'other')
}

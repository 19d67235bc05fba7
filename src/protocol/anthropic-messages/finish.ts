/** Messages' `stop_reason` in the gateway's words, and back. */
import type { IrFinish } from '../ir/event.ts'
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

const STOP_REASONS: Readonly<Record<Finish, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  pause: 'pause_turn',
  other: 'end_turn',
}

/** The upstream's own word where it is one of this protocol and says the same. */
export function writeMessagesFinish({ finish, raw, stopSequence }: IrFinish): string {
  if (raw !== null && FINISHES.get(raw) === finish) return raw
  return finish === 'stop' && stopSequence !== null ? 'stop_sequence' : STOP_REASONS[finish]
}

/** Chat's `finish_reason` in the gateway's words, and back. */
import type { Finish } from '../reply-summary.ts'

const FINISHES: ReadonlyMap<string, Finish> = new Map([
  ['stop', 'stop'],
  ['eos', 'stop'], // Together
  ['end_turn', 'stop'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'length'], // Mistral
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['tool_use', 'tool_calls'],
  ['content_filter', 'content_filter'],
])

/** A paused turn and a reason of the vendor's own have no word here: they end the turn. */
const REASONS: Readonly<Record<Finish, string>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  pause: 'stop',
  other: 'stop',
}

/**
 * Null while the wire has named no reason. A forced tool call finishes with `stop` at OpenAI and with an empty text
 * at Snowflake; a refusal finishes with `stop`.
 */
export function readChatFinish(
  wire: string | null,
  delivered: { hasToolCall: boolean; isRefusal: boolean },
): Finish | null {
  if (wire === null) return null
  if (wire === '') return delivered.hasToolCall ? 'tool_calls' : null
  const finish = FINISHES.get(wire) ?? 'other'
  if (finish !== 'stop') return finish
  if (delivered.hasToolCall) return 'tool_calls'
  return delivered.isRefusal ? 'content_filter' : 'stop'
}

/** A word for the reason itself, where other vendors name the stop sequence that was met. */
export function isStopWord(word: string): boolean {
  return FINISHES.has(word)
}

/**
 * The wire's word; clients of the deprecated `functions` wait for another one than those of tools. A refusal that
 * stands in the reply explains itself and ends with `stop`: OpenAI's library throws away what was filtered.
 */
export function encodeChatFinish(finish: Finish, reply: { isLegacyCall: boolean; hasRefusal: boolean }): string {
  if (finish === 'content_filter' && reply.hasRefusal) return REASONS.stop
  return reply.isLegacyCall && finish === 'tool_calls' ? 'function_call' : REASONS[finish]
}

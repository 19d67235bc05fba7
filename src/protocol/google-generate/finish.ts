/**
 * Google's `finishReason` in the gateway's words, and back.
 *
 * Source: Google "Candidate.FinishReason" and "PromptFeedback.BlockReason"; clients of the old gRPC kind get the number
 * instead of the name.
 */
import type { IrFinish } from '../ir/event.ts'
import type { Finish } from '../reply-summary.ts'
import { asName } from '../wire-value.ts'

const FINISHES: ReadonlyMap<string, Finish> = new Map([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['FUNCTION_CALL', 'tool_calls'], // compatible servers; Google itself stays with STOP
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['MODEL_ARMOR', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['IMAGE_RECITATION', 'content_filter'],
  ['MALFORMED_FUNCTION_CALL', 'other'],
  ['UNEXPECTED_TOOL_CALL', 'other'],
  ['TOO_MANY_TOOL_CALLS', 'other'],
  ['MALFORMED_RESPONSE', 'other'],
  ['LANGUAGE', 'other'],
  ['NO_IMAGE', 'other'],
  ['IMAGE_OTHER', 'other'],
  ['OTHER', 'other'],
])

/** The numbers from 6 on mean different things at Google's two services: only those that amount to the same are here. */
const NUMBERS: ReadonlyMap<number, string> = new Map([
  [1, 'STOP'],
  [2, 'MAX_TOKENS'],
  [3, 'SAFETY'],
  [4, 'RECITATION'],
  [5, 'OTHER'],
  [7, 'BLOCKLIST'],
  [8, 'PROHIBITED_CONTENT'],
])

const WIRE: Readonly<Record<Finish, string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  pause: 'OTHER',
  other: 'OTHER',
}

/** The wire's word for why it ended; null while it has given no reason. */
export function finishWord(wire: unknown): string | null {
  if (typeof wire === 'number') return wire === 0 ? null : (NUMBERS.get(wire) ?? String(wire))
  const word = asName(wire)
  return word?.endsWith('_UNSPECIFIED') ? null : word
}

/** Why the prompt was refused; null when it was not. */
export function blockWord(promptFeedback: unknown): string | null {
  if (typeof promptFeedback !== 'object' || promptFeedback === null) return null
  const { blockReason } = promptFeedback as { blockReason?: unknown }
  if (typeof blockReason === 'number') return blockReason === 0 ? null : String(blockReason)
  const word = asName(blockReason)
  return word?.endsWith('_UNSPECIFIED') ? null : word
}

/** Calls of tools finish with STOP too. */
export function readGoogleFinish(word: string | null, hasToolCall: boolean): Finish | null {
  if (word === null) return null
  const finish = FINISHES.get(word) ?? 'other'
  return finish === 'stop' && hasToolCall ? 'tool_calls' : finish
}

/** The upstream's own word when it is one of Google's that means the same. */
export function writeGoogleFinish({ finish, raw }: IrFinish): string {
  const own = raw === null ? undefined : FINISHES.get(raw)
  return raw !== null && own === finish && finish !== 'tool_calls' ? raw : WIRE[finish]
}

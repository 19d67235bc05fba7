/** Reads a Messages reply that came whole. Source: Anthropic "Create a Message". */
import { estimateTokens, hasOutput, nothingDelivered } from '../event-reader.ts'
import type { WholeReply } from '../reply-summary.ts'
import { asArray, asName, asObject, type WireObject } from '../wire-value.ts'
import { addContentBlock } from './content-block.ts'
import { readMessagesError } from './error.ts'
import { readMessagesFinish } from './finish.ts'
import { mergeUsage, NO_COUNTERS, readMessagesUsage } from './usage.ts'

export function readMessagesReply(body: WireObject): WholeReply {
  const delivered = nothingDelivered()
  for (const block of asArray(body.content)) addContentBlock(delivered, asObject(block))
  const usage = readMessagesUsage(mergeUsage(NO_COUNTERS, body.usage))
  return {
    // `count_tokens` answers with nothing but a count.
    ok: Array.isArray(body.content) || typeof body.input_tokens === 'number',
    usage,
    usageIsFinal: usage !== null,
    finish: readMessagesFinish(asName(body.stop_reason)),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId: asName(body.id),
    error: readMessagesError(body),
  }
}

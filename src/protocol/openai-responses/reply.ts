/** Reads a Responses reply that came whole. Source: OpenAI "The response object". */
import { estimateTokens, hasOutput, nothingDelivered } from '../event-reader.ts'
import type { WholeReply } from '../reply-summary.ts'
import { asArray, asName, asObject, type WireObject } from '../wire-value.ts'
import { readResponsesError } from './error.ts'
import { readResponsesFinish } from './finish.ts'
import { addOutputItem } from './output-item.ts'
import { readResponsesUsage } from './usage.ts'

export function readResponsesReply(body: WireObject): WholeReply {
  const delivered = nothingDelivered()
  for (const item of asArray(body.output)) addOutputItem(delivered, asObject(item))
  const usage = readResponsesUsage(body.usage)
  const status = asName(body.status)
  const reason = asName(asObject(body.incomplete_details)?.reason)
  const { hasToolCall } = delivered
  return {
    // `input_tokens` answers with nothing but a count.
    ok: status !== 'failed' && (Array.isArray(body.output) || typeof body.input_tokens === 'number'),
    usage,
    usageIsFinal: usage !== null,
    finish: readResponsesFinish(status, reason, { hasToolCall, isRefusal: delivered.refusalBytes > 0 }),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId: asName(body.id),
    error: readResponsesError(body),
  }
}

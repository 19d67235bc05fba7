/** Reads a Chat Completions reply that came whole. Source: OpenAI "The chat completion object". */
import { type Delivered, estimateTokens, hasOutput, nothingDelivered } from '../event-reader.ts'
import type { WholeReply } from '../reply-summary.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { readChatError } from './error.ts'
import { readChatFinish } from './finish.ts'
import { readChatUsage } from './usage.ts'

export function readChatReply(body: WireObject): WholeReply {
  const delivered = nothingDelivered()
  const choices = asArray(body.choices).map(asObject)
  for (const choice of choices) addMessage(delivered, asObject(choice?.message) ?? {})
  const usage = readChatUsage(body.usage) ?? readChatUsage(asObject(body.x_groq)?.usage)
  const { hasToolCall } = delivered
  return {
    ok: choices.length > 0,
    usage,
    usageIsFinal: usage !== null,
    finish: readChatFinish(asText(choices[0]?.finish_reason), { hasToolCall, isRefusal: delivered.refusalBytes > 0 }),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId: asName(body.id),
    error: readChatError(body),
  }
}

function addMessage(delivered: Delivered, message: WireObject): void {
  const refusalBytes = textBytes(message.refusal)
  delivered.refusalBytes += refusalBytes
  delivered.textBytes += refusalBytes + textBytes(message.content) + textBytes(asObject(message.audio)?.transcript)
  delivered.reasoningBytes += Math.max(
    textBytes(message.reasoning_content),
    textBytes(message.reasoning),
    textBytes(message.reasoning_details),
  )
  if (asObject(message.audio) || asArray(message.images).length > 0) delivered.hasOther = true
  const calls = [...asArray(message.tool_calls), message.function_call].map(asObject)
  for (const call of calls) {
    if (!call) continue
    delivered.hasToolCall = true
    const called = asObject(call.function) ?? asObject(call.custom) ?? call
    delivered.textBytes += textBytes(called.arguments) + textBytes(called.input)
  }
}

/** Of a string, or of the texts in a list of content parts. */
function textBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  let bytes = 0
  for (const entry of asArray(value)) {
    const part = asObject(entry)
    bytes += textBytes(part?.text) + textBytes(part?.thinking) + textBytes(part?.summary)
  }
  return bytes
}

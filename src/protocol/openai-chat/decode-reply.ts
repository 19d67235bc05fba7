/** A whole Chat Completions reply in the IR: read as a stream of one chunk. Source: OpenAI "The chat completion object". */
import { createReplyCollector, type IrReply } from '../ir/reply.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { createChatStreamDecoder } from './decode-stream.ts'

export function decodeChatReply(body: WireObject): IrReply {
  const decoder = createChatStreamDecoder()
  const collector = createReplyCollector()
  const choices = asArray(body.choices).map((entry) => asDelta(asObject(entry)))
  for (const event of decoder.decode(null, { ...body, choices })) collector.add(event)
  for (const event of decoder.end()) collector.add(event)
  return collector.reply()
}

/** In a whole message each entry is a call, whatever its id. Perplexity sends an empty `delta` beside the message. */
function asDelta(choice: WireObject | null): WireObject | null {
  const message = asObject(choice?.message)
  if (!choice || !message) return choice
  if (!Array.isArray(message.tool_calls)) return { ...choice, delta: message }
  const tool_calls = message.tool_calls.map((call, index) => ({ ...asObject(call), index }))
  return { ...choice, delta: { ...message, tool_calls } }
}

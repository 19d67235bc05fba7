/** Reads a whole Responses reply: as a stream that has nothing but its terminal event. */
import { createReplyCollector, type IrReply } from '../ir/reply.ts'
import type { WireObject } from '../wire-value.ts'
import { createResponsesStreamDecoder } from './decode-stream.ts'

export function decodeResponsesReply(body: WireObject): IrReply {
  const decoder = createResponsesStreamDecoder()
  const collector = createReplyCollector()
  // The status in the body says how it ended.
  const status = body.status ?? (Array.isArray(body.output) ? 'completed' : null)
  const events = decoder.decode(null, { type: 'response.completed', response: { ...body, status } })
  for (const event of events) collector.add(event)
  return collector.reply()
}

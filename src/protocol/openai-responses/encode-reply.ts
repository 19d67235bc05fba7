/** Writes a whole reply as a response object. Source: OpenAI "The response object". */
import { PLAIN_END, type ReplyContext } from '../codec.ts'
import { type IrReply, replyToEvents } from '../ir/reply.ts'
import type { WireObject } from '../wire-value.ts'
import { responseId } from './encode-failure.ts'
import { emptyState, endOf } from './encode-stream.ts'
import { createItemWriter } from './item-writer.ts'
import { echoOf, responseHead, wantsEncryptedReasoning } from './response-object.ts'

export function encodeResponsesReply(
  reply: IrReply & { readonly cost: string | null },
  context: ReplyContext,
): WireObject {
  const writer = createItemWriter(context, wantsEncryptedReasoning(context.request), () => {})
  for (const event of replyToEvents(reply)) writer.add(event)
  const { usage, cost } = reply
  const ended = endOf({ finish: reply.finish ?? PLAIN_END, usage, cost }, () => writer.hasRefusal, writer.end)
  const state = { ...emptyState(context, responseId(context.requestId)), ...ended, output: writer.output }
  return { ...responseHead(state), ...echoOf(context.request) }
}

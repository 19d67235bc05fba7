/** Writes a whole reply for a client of the Messages API. Source: Anthropic "Create a Message". */
import { PLAIN_END, type ReplyContext } from '../codec.ts'
import type { IrReply } from '../ir/reply.ts'
import type { WireObject } from '../wire-value.ts'
import { encodeMessagesUsage } from './encode-usage.ts'
import { writeMessagesFinish } from './finish.ts'
import { encodeReplyBlock } from './reply-block.ts'

export function encodeMessagesReply(
  reply: IrReply & { readonly cost: string | null },
  context: ReplyContext,
): WireObject {
  const end = reply.finish ?? PLAIN_END
  return {
    id: replyId(context),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content: reply.blocks.map((block) => encodeReplyBlock(block, context)).filter((block) => block !== null),
    stop_reason: writeMessagesFinish(end),
    stop_sequence: end.stopSequence,
    usage: encodeMessagesUsage(reply.usage, reply.cost),
  }
}

export function replyId({ requestId }: ReplyContext): string {
  return `msg_${requestId}`
}

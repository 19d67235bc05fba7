/** Writes a reply for a client of Google's protocol, whole. Source: Google "GenerateContentResponse". */
import type { ReplyContext, ReplyEnd } from '../codec.ts'
import { type IrReply, replyToEvents } from '../ir/reply.ts'
import type { WireObject } from '../wire-value.ts'
import { groundingOf } from './citation.ts'
import { writeGoogleFinish } from './finish.ts'
import { createPartWriter, type PartWriter } from './reply-parts.ts'
import { writeGoogleUsage } from './usage.ts'

export function encodeReply(reply: IrReply & { readonly cost: string | null }, context: ReplyContext): WireObject {
  const writer = createPartWriter(context)
  const parts = replyToEvents(reply).flatMap((event) => writer.push(event))
  parts.push(...writer.end())
  const { finish, usage, cost } = reply
  return {
    candidates: [lastCandidate(parts, finish, writer)],
    ...(usage && { usageMetadata: writeGoogleUsage(usage, cost) }),
    ...replyMembers(context),
  }
}

/** The members that every chunk has. */
export function replyMembers({ model, requestId }: ReplyContext): WireObject {
  return { modelVersion: model, responseId: requestId }
}

/** The candidate with which a reply ends. SDKs drop the whole turn when it has no part at all. */
export function lastCandidate(
  parts: readonly WireObject[],
  finish: ReplyEnd['finish'] | null,
  writer: PartWriter,
): WireObject {
  const grounding = groundingOf(writer.citations)
  return {
    content: { parts: parts.length === 0 ? [{ text: '' }] : parts, role: 'model' },
    ...(finish && { finishReason: finishReason(finish, writer) }),
    index: 0,
    ...(grounding && { groundingMetadata: grounding }),
  }
}

function finishReason(finish: ReplyEnd['finish'], { hasBrokenCall }: PartWriter): string {
  return hasBrokenCall && finish.finish === 'tool_calls' ? 'MALFORMED_FUNCTION_CALL' : writeGoogleFinish(finish)
}

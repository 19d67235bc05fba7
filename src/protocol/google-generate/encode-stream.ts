/**
 * Writes a streamed reply for a client of Google's protocol: as server-sent events (`alt=sse`), or as one JSON array.
 *
 * Source: Google "models.streamGenerateContent" and captured streams: each chunk is a reply of its own; only the last
 * one has a finish reason, and it always has usage.
 */
import type { ReplyContext, StreamEncoder } from '../codec.ts'
import { noticeOf } from '../polite-end.ts'
import type { WireObject } from '../wire-value.ts'
import { lastCandidate, replyMembers } from './encode-reply.ts'
import { createPartWriter } from './reply-parts.ts'
import { writeGoogleUsage } from './usage.ts'

interface Framing {
  readonly first: string
  readonly between: string
  readonly after: string
  readonly end: string
}

const EVENTS: Framing = { first: 'data: ', between: 'data: ', after: '\n\n', end: '' }
const ELEMENTS: Framing = { first: '[', between: ',\r\n', after: '', end: ']' }

export function createStreamEncoder(context: ReplyContext): StreamEncoder {
  return createEncoder(context, EVENTS)
}

/** For clients that did not ask for `alt=sse`. */
export function createGoogleArrayEncoder(context: ReplyContext): StreamEncoder {
  return createEncoder(context, ELEMENTS)
}

function createEncoder(context: ReplyContext, framing: Framing): StreamEncoder {
  const writer = createPartWriter(context)
  const members = replyMembers(context)
  let hasBegun = false

  function frame(chunk: WireObject): string {
    const head = hasBegun ? framing.between : framing.first
    hasBegun = true
    return `${head}${JSON.stringify(chunk)}${framing.after}`
  }

  return {
    encode(event) {
      const parts = writer.push(event)
      if (parts.length === 0) return ''
      return frame({ candidates: [{ content: { parts, role: 'model' }, index: 0 }], ...members })
    },
    finish({ finish, usage, cost, detail }) {
      const chunk = {
        candidates: [lastCandidate(writer.end(), finish, writer)],
        ...(usage && { usageMetadata: writeGoogleUsage(usage, cost) }),
        ...members,
        ...(detail && noticeOf(detail)),
      }
      return frame(chunk) + framing.end
    },
    position: () => ({ sequence: 0, replyId: hasBegun ? context.requestId : null }),
  }
}

/**
 * The ends of a Responses reply in the gateway's words, both ways.
 *
 * Source: OpenAI "The response object" (`status`, `incomplete_details.reason`). There is no status for tool use or for a
 * refusal: a reply that calls a tool or declines is `completed`.
 */
import type { Finish } from '../reply-summary.ts'

const INCOMPLETE: ReadonlyMap<string, Finish> = new Map([
  ['max_output_tokens', 'length'],
  ['max_tokens', 'length'],
  ['content_filter', 'content_filter'],
])

/** What of a reply its status does not tell. */
export interface DeliveredKinds {
  /** A function or custom call, which the client has to answer. */
  readonly hasToolCall: boolean
  readonly isRefusal: boolean
}

/** Null while the reply goes on (`queued`, `in_progress`), and for one that failed. */
export function readResponsesFinish(
  status: string | null,
  reason: string | null,
  delivered: DeliveredKinds,
): Finish | null {
  switch (status) {
    case 'completed':
      if (delivered.hasToolCall) return 'tool_calls'
      return delivered.isRefusal ? 'content_filter' : 'stop'
    case 'incomplete':
      // Vendors that give no reason mean the cap.
      return reason === null ? 'length' : (INCOMPLETE.get(reason) ?? 'other')
    case 'cancelled':
      return 'other'
    default:
      return null
  }
}

export interface ResponsesEnd {
  readonly status: 'completed' | 'incomplete'
  /** Of `incomplete_details`. */
  readonly reason: string | null
}

/** A refusal that stands in the reply explains itself: it is complete. */
export function writeResponsesFinish(finish: Finish, hasRefusal: boolean): ResponsesEnd {
  if (finish === 'length') return { status: 'incomplete', reason: 'max_output_tokens' }
  if (finish === 'content_filter' && !hasRefusal) return { status: 'incomplete', reason: 'content_filter' }
  return { status: 'completed', reason: null }
}

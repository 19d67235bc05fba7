/**
 * Writes the end of a reply that broke: an `error` event, then `response.failed`.
 *
 * Source: captured failures of OpenAI, which sends both in this order, the first with a nested error while its
 * reference documents a flat one: it gets both. Codex shows the message of the second only, the official SDK and the
 * AI SDK stop at the first, and the official SDK takes nothing before `response.created`.
 */
import type { StreamPosition } from '../codec.ts'
import type { WireObject } from '../wire-value.ts'
import { DEFAULT_ECHO, type ResponseState, responseHead } from './response-object.ts'

export interface Failure {
  readonly message: string
  /** What clients decide by whether to ask again. */
  readonly code: string
  readonly type: string
  readonly createdAtMs: number
  /** As the client named it. */
  readonly model: string
  readonly requestId: string
}

export function encodeFailure(position: StreamPosition, failure: Failure): string {
  const { message, code, type } = failure
  const state: ResponseState = {
    id: position.replyId ?? responseId(failure.requestId),
    createdAtMs: failure.createdAtMs,
    model: failure.model,
    status: 'failed',
    incompleteReason: null,
    error: { code, message },
    output: [],
    usage: null,
  }
  const events: [type: string, members: WireObject][] = [
    ['error', { code, message, param: null, error: { type, code, message, param: null } }],
    ['response.failed', { response: { ...responseHead(state), ...DEFAULT_ECHO } }],
  ]
  if (position.replyId === null) {
    const created = { ...responseHead({ ...state, status: 'in_progress', error: null }), ...DEFAULT_ECHO }
    events.unshift(['response.created', { response: created }])
  }
  return events.map(([name, members], i) => encodeEvent(name, position.sequence + i, members)).join('')
}

/** One event as it goes over the wire; its name stands in its data too. */
export function encodeEvent(type: string, sequence: number, members: WireObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence, ...members })}\n\n`
}

export function responseId(requestId: string): string {
  return `resp_${requestId}`
}

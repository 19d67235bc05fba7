/** Ends a relayed Responses stream early: open items are closed, and the response is `incomplete`. */
import { dataFrame, type Frame, noticeOf, type PoliteEnd, usageSoFar } from '../polite-end.ts'
import type { ReplySummary } from '../reply-summary.ts'
import type { WireObject } from '../wire-value.ts'
import { responseId } from './encode-failure.ts'
import type { ItemEvent, OpenItems } from './open-items.ts'
import { DEFAULT_ECHO, responseHead } from './response-object.ts'
import { writeResponsesUsage } from './usage.ts'

export interface ResponseSoFar {
  /** From `headOf`; null: `response.created` was not sent. */
  readonly head: WireObject | null
  readonly items: OpenItems
  /** Number of the next event. */
  readonly sequence: number
  readonly summary: ReplySummary
}

/** Longer texts of a response object repeat what was asked. */
const MAX_NAME = 256

/** What is kept of a response object for its end: names and numbers, but not the instructions and tools of the request. */
export function headOf(response: WireObject): WireObject {
  const isSmall = (value: unknown): boolean =>
    typeof value === 'string' ? value.length <= MAX_NAME : typeof value !== 'object' || value === null
  return Object.fromEntries(Object.entries(response).filter(([, value]) => isSmall(value)))
}

export function endResponseEarly({ head, items, sequence, summary }: ResponseSoFar, end: PoliteEnd): Frame[] {
  const empty = responseHead({
    ...{ id: responseId(end.requestId), createdAtMs: end.nowMs, model: end.model, status: 'in_progress' },
    ...{ incompleteReason: null, error: null, output: [], usage: null },
  })
  const response = { ...empty, ...DEFAULT_ECHO, ...head }
  const { events, output } = items.close()
  const last = {
    ...{ ...response, status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output },
    ...{ usage: writeResponsesUsage(usageSoFar(summary, end), null), ...noticeOf(end) },
  }
  const all: ItemEvent[] = [
    ...(head === null ? [['response.created', { response }] as const] : []),
    ...events,
    ['response.incomplete', { response: last }],
  ]
  return all.map(([type, members], i) => dataFrame({ type, sequence_number: sequence + i, ...members }, type))
}

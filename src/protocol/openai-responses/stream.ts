/**
 * Reads the events of a streamed Responses reply as they pass by.
 *
 * Source: OpenAI "Responses streaming events" and captured streams: the ChatGPT backend's terminal event has no output,
 * OpenRouter sends no event lines and a `[DONE]` behind the terminal event, Copilot sorts the keys of its events. Usage
 * stands in the terminal event only; a failure is an `error` event, `response.failed`, or one after the other.
 */
import type { Usage } from '../../base/usage.ts'
import type { StreamPosition } from '../codec.ts'
import {
  type Delivered,
  type EventReader,
  estimateTokens,
  hasOutput,
  nothingDelivered,
  outputSoFar,
  type Verdict,
} from '../event-reader.ts'
import type { ReplyError, ReplySummary } from '../reply-summary.ts'
import type { SseBlock } from '../sse.ts'
import { asArray, asCount, asName, asObject, parseJson, type WireObject } from '../wire-value.ts'
import { endResponseEarly, headOf } from './early-end.ts'
import { readResponsesError } from './error.ts'
import { createSpottedEvent, type SpottedEvent, spotEvent } from './event-spotter.ts'
import { readResponsesFinish } from './finish.ts'
import { createOpenItems, ITEM_EVENTS, type OpenItems } from './open-items.ts'
import { addOutputItem } from './output-item.ts'
import { readResponsesUsage } from './usage.ts'

interface ResponsesState {
  readonly found: SpottedEvent
  /** What came in pieces, what the finished items hold, and what the terminal event holds: the same, told thrice. */
  readonly pieces: Delivered
  readonly items: Delivered
  readonly whole: Delivered
  readonly open: OpenItems
  /** The small members of the response object; null until one came. */
  head: WireObject | null
  usage: Usage | null
  status: string | null
  incompleteReason: string | null
  upstreamId: string | null
  error: ReplyError | null
  /** The last event, for the number that it carries; and how many there were, for streams without numbers. */
  last: SseBlock | null
  events: number
}

export function createResponsesReader(): EventReader {
  const state: ResponsesState = {
    found: createSpottedEvent(),
    pieces: nothingDelivered(),
    items: nothingDelivered(),
    whole: nothingDelivered(),
    open: createOpenItems(),
    head: null,
    usage: null,
    status: null,
    incompleteReason: null,
    upstreamId: null,
    error: null,
    last: null,
    events: 0,
  }
  return {
    onEvent: (block) => onEvent(state, block),
    mayEnd: () => false,
    summary: () => summarise(state),
    position: () => position(state),
    outputTokens: () => outputSoFar(deliveredBy(state), state.usage),
    namedFinish: () => null,
    endEarly: (end) =>
      endResponseEarly(
        { head: state.head, items: state.open, sequence: position(state).sequence, summary: summarise(state) },
        end,
      ),
  }
}

type Handler = (state: ResponsesState, event: WireObject) => Verdict

/** Only these events are parsed. */
const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ...ITEM_EVENTS.map((type): [string, Handler] => [type, () => 'pass']),
  ['response.created', onResponse],
  ['response.queued', onResponse],
  ['response.in_progress', onResponse],
  ['response.output_item.added', onItemAdded],
  ['response.output_item.done', onItemDone],
  ['response.completed', onTerminal],
  ['response.incomplete', onTerminal],
  ['response.failed', onFailed],
  ['error', onFailed],
])

/** What ends the reply with an error may be replaced by another: it has no place of its own. */
function onEvent(state: ResponsesState, block: SseBlock): Verdict {
  const verdict = judge(state, block)
  if (verdict === 'error') return verdict
  state.last = block
  state.events++
  return verdict
}

function judge(state: ResponsesState, block: SseBlock): Verdict {
  const { found } = state
  const { data, dataStart, dataEnd } = block
  spotEvent(data, dataStart, dataEnd, found)
  const type = found.typeEnd > 0 ? data.toString('latin1', found.typeStart, found.typeEnd) : (block.name ?? '')
  if (found.deltaBytes > 0) onDelta(state, type, data)
  const handler = HANDLERS.get(type)
  if (!handler) return 'pass'
  const event = asObject(parseJson(data, dataStart, dataEnd))
  if (event) {
    state.open.add(type, event, dataEnd - dataStart)
    return handler(state, event)
  }
  // Clients see the end by its name even when its data is broken, unless it was cut off.
  const isEnd = handler === onTerminal || handler === onFailed
  return isEnd && block.isTerminated ? handler(state, { type }) : 'pass'
}

function onDelta({ pieces, open, found }: ResponsesState, type: string, data: Buffer): void {
  addPiece(pieces, type, found.deltaBytes)
  open.addDelta(type, found, data)
}

function addPiece(pieces: Delivered, type: string, bytes: number): void {
  if (type.startsWith('response.reasoning')) pieces.reasoningBytes += bytes
  else if (type === 'response.audio.delta') pieces.hasOther = true
  else pieces.textBytes += bytes
  if (type === 'response.refusal.delta') pieces.refusalBytes += bytes
}

/** These come before any output, and each holds the whole request again: one of them is enough. */
function onResponse(state: ResponsesState, event: WireObject): Verdict {
  const response = asObject(event.response)
  state.upstreamId ??= asName(response?.id)
  if (response) state.head ??= headOf(response)
  return 'pass'
}

function onItemAdded(state: ResponsesState, event: WireObject): Verdict {
  const type = asName(asObject(event.item)?.type)
  if (type === 'function_call' || type === 'custom_tool_call') state.items.hasToolCall = true
  else if (type !== null && type !== 'message' && type !== 'reasoning') state.items.hasOther = true
  return 'pass'
}

function onItemDone(state: ResponsesState, event: WireObject): Verdict {
  addOutputItem(state.items, asObject(event.item))
  return 'pass'
}

function onTerminal(state: ResponsesState, event: WireObject): Verdict {
  const response = asObject(event.response) ?? {}
  onResponse(state, event)
  state.usage = readResponsesUsage(response.usage)
  state.status = asName(response.status) ?? (event.type === 'response.incomplete' ? 'incomplete' : 'completed')
  state.incompleteReason = asName(asObject(response.incomplete_details)?.reason)
  for (const item of asArray(response.output)) addOutputItem(state.whole, asObject(item))
  return 'complete'
}

function onFailed(state: ResponsesState, event: WireObject): Verdict {
  onResponse(state, event)
  state.usage = readResponsesUsage(asObject(event.response)?.usage)
  state.error = readResponsesError(event) ?? { type: null, code: null, message: null, status: null }
  return 'error'
}

function summarise(state: ResponsesState): ReplySummary {
  const delivered = deliveredBy(state)
  const isRefusal = delivered.refusalBytes > 0
  return {
    usage: state.usage,
    usageIsFinal: state.usage !== null,
    finish: readResponsesFinish(state.status, state.incompleteReason, { ...delivered, isRefusal }),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId: state.upstreamId,
    error: state.error,
  }
}

/** The largest of the three tellings: vendors leave out one or the other. */
function deliveredBy({ pieces, items, whole }: ResponsesState): Delivered {
  return {
    textBytes: Math.max(pieces.textBytes, items.textBytes, whole.textBytes),
    refusalBytes: Math.max(pieces.refusalBytes, items.refusalBytes, whole.refusalBytes),
    reasoningBytes: Math.max(pieces.reasoningBytes, items.reasoningBytes, whole.reasoningBytes),
    hasToolCall: items.hasToolCall || whole.hasToolCall,
    hasOther: pieces.hasOther || items.hasOther || whole.hasOther,
  }
}

function position({ last, events, upstreamId }: ResponsesState): StreamPosition {
  const event = last && asObject(parseJson(last.data, last.dataStart, last.dataEnd))
  const number = asCount(event?.sequence_number)
  return { sequence: number === null ? events : number + 1, replyId: upstreamId }
}

/**
 * Reads the events of a streamed Responses reply.
 *
 * Source: OpenAI "Responses streaming events" and captured streams. Items are told apart by `output_index`, because
 * Copilot changes their ids from event to event; what a vendor leaves out of the pieces is taken from the finished item,
 * and what it leaves out of the items (or has in nothing else) from the terminal event, whose output may be empty.
 */
import type { StreamDecoder } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import { asArray, asCount, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { citationOf } from './decode-citation.ts'
import {
  addToPart,
  type DecoderState,
  endItem,
  fillItem,
  type OpenItem,
  openItem,
  partOf,
  SEPARATOR,
  type TextPart,
} from './decode-item.ts'
import { readResponsesFinish } from './finish.ts'
import { readResponsesUsage } from './usage.ts'

type Handler = (state: DecoderState, event: WireObject) => void

const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['response.created', onResponse],
  ['response.in_progress', onResponse],
  ['response.output_item.added', onItemAdded],
  ['response.content_part.added', onPartAdded],
  ['response.output_text.delta', (state, event) => addTextPiece(state, event, false)],
  ['response.output_text.annotation.added', onAnnotation],
  ['response.refusal.delta', (state, event) => addTextPiece(state, event, true)],
  ['response.reasoning_summary_text.delta', (state, event) => addReasoning(state, event, 'summary')],
  ['response.reasoning_text.delta', (state, event) => addReasoning(state, event, 'content')],
  ['response.function_call_arguments.delta', onCallDelta],
  ['response.custom_tool_call_input.delta', onCallDelta],
  ['response.output_item.done', onItemDone],
  ['response.completed', onTerminal],
  ['response.incomplete', onTerminal],
])

export function createResponsesStreamDecoder(): StreamDecoder {
  const state: DecoderState = {
    out: [],
    items: new Map(),
    blocks: 0,
    lastIndex: 0,
    lastMessage: null,
    hasStarted: false,
    hasToolCall: false,
    isRefusal: false,
  }

  function drain(): IrEvent[] {
    return state.out.splice(0)
  }

  return {
    decode(name, data) {
      const event = asObject(data)
      if (event) HANDLERS.get(asText(event.type) ?? name ?? '')?.(state, event)
      return drain()
    },
    end() {
      for (const item of state.items.values()) endItem(state, item, null)
      return drain()
    },
  }
}

function onResponse(state: DecoderState, event: WireObject): void {
  const response = asObject(event.response)
  if (state.hasStarted || !response) return
  state.hasStarted = true
  state.out.push({ type: 'reply-start', id: asName(response.id), model: asName(response.model) })
}

function onItemAdded(state: DecoderState, event: WireObject): void {
  const item = asObject(event.item)
  if (item) openItem(state, indexOf(state, event), item)
}

/** Vendors without an index mean the item that was last spoken of. */
function indexOf(state: DecoderState, event: WireObject): number {
  state.lastIndex = asCount(event.output_index) ?? state.lastIndex
  return state.lastIndex
}

function onPartAdded(state: DecoderState, event: WireObject): void {
  const type = asObject(event.part)?.type
  if (type === 'output_text' || type === 'refusal') textPart(state, event, type === 'refusal')
}

/** The part that an event adds to; a message that nobody announced begins with it. */
function textPart(state: DecoderState, event: WireObject, isRefusal: boolean): TextPart | null {
  const item = openItem(state, indexOf(state, event), { type: 'message' })
  return partOf(state, item, asCount(event.content_index) ?? 0, isRefusal)
}

function addTextPiece(state: DecoderState, event: WireObject, isRefusal: boolean): void {
  const part = textPart(state, event, isRefusal)
  if (part) addToPart(state, part, asText(event.delta) ?? '')
}

function addReasoning(state: DecoderState, event: WireObject, source: 'summary' | 'content'): void {
  const item = openItem(state, indexOf(state, event), { type: 'reasoning' })
  const delta = asText(event.delta) ?? ''
  if (item.kind !== 'reasoning' || item.isEnded || delta === '') return
  item.source ??= source
  if (item.source !== source) return
  const part = asCount(source === 'summary' ? event.summary_index : event.content_index) ?? 0
  const text = item.sent > 0 && part !== item.part ? SEPARATOR + delta : delta
  item.part = part
  item.sent += text.length
  state.out.push({ type: 'thinking-delta', block: item.block, text })
}

function onAnnotation(state: DecoderState, event: WireObject): void {
  const annotation = asObject(event.annotation)
  const part = textPart(state, event, false)
  if (!annotation || part === null) return
  part.citations++
  state.out.push({ type: 'citation', block: part.block, citation: citationOf(annotation) })
}

function onCallDelta(state: DecoderState, event: WireObject): void {
  const item = state.items.get(indexOf(state, event))
  const text = asText(event.delta) ?? ''
  if (item?.kind !== 'call' || item.isEnded || item.block < 0 || text === '') return
  item.sent += text.length
  state.out.push({ type: 'tool-call-delta', block: item.block, text })
}

function onItemDone(state: DecoderState, event: WireObject): void {
  const item = asObject(event.item)
  if (item) finishItem(state, indexOf(state, event), item)
}

function finishItem(state: DecoderState, index: number, wire: WireObject): void {
  const item = openItem(state, index, wire)
  if (item.isEnded || item.kind !== kindOf(wire)) return
  fillItem(state, index, item, wire)
  endItem(state, item, wire)
}

function kindOf({ type }: WireObject): OpenItem['kind'] {
  if (type === 'message' || type === 'reasoning') return type
  return type === 'function_call' || type === 'custom_tool_call' ? 'call' : 'other'
}

function onTerminal(state: DecoderState, event: WireObject): void {
  onResponse(state, event)
  const response = asObject(event.response) ?? {}
  const output = asArray(response.output)
  // Vendors that count their items from one, or skip some, would have theirs told twice.
  const isMore = output.length > state.items.size
  output.forEach((entry, index) => {
    const wire = asObject(entry)
    if (wire && (isMore || state.items.has(index))) finishItem(state, index, wire)
  })
  for (const item of state.items.values()) endItem(state, item, null)
  const usage = readResponsesUsage(response.usage)
  if (usage) state.out.push({ type: 'usage', usage })
  const status = asName(response.status) ?? (event.type === 'response.incomplete' ? 'incomplete' : 'completed')
  const reason = asName(asObject(response.incomplete_details)?.reason)
  const finish = readResponsesFinish(status, reason, state)
  if (finish) state.out.push({ type: 'finish', finish, raw: reason ?? status, stopSequence: null })
}

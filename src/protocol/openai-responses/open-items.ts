/**
 * Remembers the output items of a relayed Responses stream, so that it can be ended anywhere: items that are open are
 * closed with what they hold, and the last event repeats them all.
 *
 * Source: OpenAI "Responses streaming events". Items are told apart by `output_index`; parts of a message and of
 * thoughts by `content_index`, of a summary by `summary_index`.
 */
import { asArray, asCount, asObject, asText, type WireObject } from '../wire-value.ts'
import type { SpottedEvent } from './event-spotter.ts'
import { createKeptText, type KeptText } from './kept-text.ts'

/** An event without its number. */
export type ItemEvent = readonly [type: string, members: WireObject]

export interface OpenItems {
  /** A piece of text or of a call's input, in an event of this type and in these bytes. */
  addDelta(type: string, found: SpottedEvent, bytes: Uint8Array): void
  /** Any other event that is about an item, and its size in bytes. */
  add(type: string, event: WireObject, bytes: number): void
  /** The events that close what is open, and all items in order. */
  close(): { readonly events: ItemEvent[]; readonly output: WireObject[] }
}

/** What a relayed reply may hold here, in bytes; what exceeds it is not repeated at the end. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024

type PartList = 'content' | 'summary'

interface TextKind {
  readonly list: PartList
  readonly type: string
  readonly member: 'text' | 'refusal'
}

/** By the event that brings it, without its last word. */
const TEXTS: ReadonlyMap<string, TextKind> = new Map([
  ['response.output_text', { list: 'content', type: 'output_text', member: 'text' }],
  ['response.refusal', { list: 'content', type: 'refusal', member: 'refusal' }],
  ['response.reasoning_text', { list: 'content', type: 'reasoning_text', member: 'text' }],
  ['response.reasoning_summary_text', { list: 'summary', type: 'summary_text', member: 'text' }],
] as const)

const INPUTS: ReadonlyMap<string, 'arguments' | 'input'> = new Map([
  ['response.function_call_arguments', 'arguments'],
  ['response.custom_tool_call_input', 'input'],
] as const)

const PART_EVENTS: Readonly<Record<PartList, string>> = {
  content: 'response.content_part',
  summary: 'response.reasoning_summary_part',
}

interface Part {
  /** As it was added; only its type when it never was. */
  wire: WireObject
  readonly text: KeptText
  readonly annotations: unknown[]
  /** The client knows of it. */
  isAdded: boolean
  isTextDone: boolean
  isDone: boolean
}

interface Item {
  wire: WireObject
  readonly parts: Readonly<Record<PartList, Map<number, Part>>>
  readonly input: KeptText
  isInputDone: boolean
  isDone: boolean
}

interface State {
  readonly items: Map<number, Item>
  lastItem: number
  bytes: number
}

export function createOpenItems(): OpenItems {
  const state: State = { items: new Map(), lastItem: 0, bytes: 0 }
  return {
    addDelta(type, found, bytes) {
      state.bytes += found.deltaEnd - found.deltaStart
      if (state.bytes > MAX_KEPT_BYTES) return
      textFor(state, type, found)?.add(bytes, found.deltaStart, found.deltaEnd)
    },
    add(type, event, bytes) {
      HANDLERS.get(type)?.(state, event, bytes)
    },
    close: () => close(state),
  }
}

function itemAt(state: State, index: number | null): Item | undefined {
  state.lastItem = index ?? state.lastItem
  return state.items.get(state.lastItem)
}

const TEXT_DELTAS = new Map([...TEXTS].map(([stem, kind]) => [`${stem}.delta`, kind]))
const INPUT_DELTAS = new Set([...INPUTS.keys()].map((stem) => `${stem}.delta`))

function textFor(state: State, type: string, { outputIndex, partIndex }: SpottedEvent): KeptText | null {
  const kind = TEXT_DELTAS.get(type)
  if (!kind && !INPUT_DELTAS.has(type)) return null
  const item = itemAt(state, outputIndex < 0 ? null : outputIndex)
  if (!item || item.isDone) return null
  return kind ? partOf(item, kind.list, Math.max(partIndex, 0), kind).text : item.input
}

function partOf(item: Item, list: PartList, index: number, { type }: { readonly type?: unknown }): Part {
  const parts = item.parts[list]
  const known = parts.get(index)
  if (known) return known
  const wire = { ...(type !== undefined && { type }) }
  const part = { wire, text: createKeptText(), annotations: [], isAdded: false, isTextDone: false, isDone: false }
  parts.set(index, part)
  return part
}

type Handler = (state: State, event: WireObject, bytes: number) => void

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['response.output_item.added', onItemAdded],
  ['response.output_item.done', onItemDone],
  ['response.content_part.added', (state, event) => onPartAdded(state, event, 'content')],
  ['response.reasoning_summary_part.added', (state, event) => onPartAdded(state, event, 'summary')],
  ['response.content_part.done', (state, event) => onPartDone(state, event, 'content')],
  ['response.reasoning_summary_part.done', (state, event) => onPartDone(state, event, 'summary')],
  ['response.output_text.annotation.added', onAnnotation],
  ...[...TEXTS].map(([stem, { list }]): [string, Handler] => [
    `${stem}.done`,
    (s, event) => onTextDone(s, event, list),
  ]),
  ...[...INPUTS.keys()].map((stem): [string, Handler] => [`${stem}.done`, onInputDone]),
])

/** The types of the events that `add` wants to be shown. */
export const ITEM_EVENTS: readonly string[] = [...HANDLERS.keys()]

function onItemAdded(state: State, event: WireObject): void {
  const wire = asObject(event.item)
  if (!wire) return
  state.lastItem = asCount(event.output_index) ?? state.items.size
  const parts = { content: new Map<number, Part>(), summary: new Map<number, Part>() }
  state.items.set(state.lastItem, { wire, parts, input: createKeptText(), isInputDone: false, isDone: false })
}

/** What a finished item repeats need not be held twice. */
function onItemDone(state: State, event: WireObject, bytes: number): void {
  const item = itemAt(state, asCount(event.output_index))
  const wire = asObject(event.item)
  if (!item || !wire) return
  state.bytes += bytes
  if (state.bytes > MAX_KEPT_BYTES) {
    state.items.delete(state.lastItem)
    return
  }
  item.isDone = true
  item.wire = wire
  item.parts.content.clear()
  item.parts.summary.clear()
}

const INDEXES: Readonly<Record<PartList, string>> = { content: 'content_index', summary: 'summary_index' }

function partFor(state: State, event: WireObject, list: PartList): Part | null {
  const item = itemAt(state, asCount(event.output_index))
  return item && !item.isDone ? partOf(item, list, asCount(event[INDEXES[list]]) ?? 0, {}) : null
}

function onPartAdded(state: State, event: WireObject, list: PartList): void {
  const wire = asObject(event.part)
  const part = wire && partFor(state, event, list)
  if (!part) return
  part.wire = wire
  part.isAdded = true
}

function onTextDone(state: State, event: WireObject, list: PartList): void {
  const part = partFor(state, event, list)
  if (part) part.isTextDone = true
}

function onPartDone(state: State, event: WireObject, list: PartList): void {
  const part = partFor(state, event, list)
  if (!part) return
  part.isTextDone = true
  part.isDone = true
  part.wire = asObject(event.part) ?? part.wire
}

function onAnnotation(state: State, event: WireObject): void {
  partFor(state, event, 'content')?.annotations.push(event.annotation)
}

function onInputDone(state: State, event: WireObject): void {
  const item = itemAt(state, asCount(event.output_index))
  if (item) item.isInputDone = true
}

function close({ items }: State): { events: ItemEvent[]; output: WireObject[] } {
  const events: ItemEvent[] = []
  const output = [...items]
    .sort(([a], [b]) => a - b)
    .map(([index, item]) => (item.isDone ? item.wire : closeItem(events, index, item)))
  return { events, output }
}

const CALLS: ReadonlyMap<unknown, string> = new Map([
  ['function_call', 'response.function_call_arguments'],
  ['custom_tool_call', 'response.custom_tool_call_input'],
])

function closeItem(events: ItemEvent[], index: number, item: Item): WireObject {
  const { wire } = item
  const place = { item_id: wire.id, output_index: index }
  const stem = CALLS.get(wire.type)
  if (stem !== undefined) return closeCall(events, item, place, stem)
  // What the vendor's own tools were about to find has no end that could be told.
  if (wire.type !== 'message' && wire.type !== 'reasoning') return { ...wire, status: 'incomplete' }
  const content = closeParts(events, item, place, 'content')
  const summary = closeParts(events, item, place, 'summary')
  const closed = {
    ...wire,
    status: 'incomplete',
    ...(wire.type === 'message' || content.length > 0 ? { content } : {}),
    ...(wire.type === 'reasoning' && { summary }),
  }
  events.push(['response.output_item.done', { output_index: index, item: closed }])
  return closed
}

function closeCall(events: ItemEvent[], item: Item, place: WireObject, stem: string): WireObject {
  const member = INPUTS.get(stem) ?? 'arguments'
  const text = item.input.text() || (asText(item.wire[member]) ?? '')
  const closed = { ...item.wire, status: 'incomplete', [member]: text }
  if (!item.isInputDone) events.push([`${stem}.done`, { ...place, [member]: text }])
  // Clients run what is done. They find out that half an argument is no JSON, but not that a free text is not whole.
  if (member === 'arguments') {
    events.push(['response.output_item.done', { output_index: place.output_index, item: closed }])
  }
  return closed
}

function closeParts(events: ItemEvent[], item: Item, place: WireObject, list: PartList): WireObject[] {
  const ordered = [...item.parts[list]].sort(([a], [b]) => a - b)
  return ordered.map(([index, part]) => {
    if (part.isDone) return part.wire
    const [stem, kind] = [...TEXTS].find(([, { type }]) => type === part.wire.type) ?? []
    const text = part.text.text()
    const annotations = [...asArray(part.wire.annotations), ...part.annotations]
    const closed = {
      ...part.wire,
      ...(kind && { [kind.member]: text }),
      ...(kind?.type === 'output_text' && { annotations }),
    }
    const where = { ...place, [INDEXES[list]]: index }
    if (kind && !part.isTextDone) {
      const more = kind.type === 'output_text' ? { logprobs: [] } : {}
      events.push([`${stem}.done`, { ...where, [kind.member]: text, ...more }])
    }
    if (part.isAdded) events.push([`${PART_EVENTS[list]}.done`, { ...where, part: closed }])
    return closed
  })
}

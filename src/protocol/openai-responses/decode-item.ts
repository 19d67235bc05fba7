/** Follows the output items of a reply from the event that adds them to the one that finishes them. */
import type { IrEvent } from '../ir/event.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { citationOf } from './decode-citation.ts'

/** A content part of a message: one block of text. */
export interface TextPart {
  readonly block: number
  readonly isRefusal: boolean
  /** Characters and citations that were passed on. */
  sent: number
  citations: number
  isEnded: boolean
}

export interface MessageItem {
  readonly kind: 'message'
  readonly phase: string | null
  readonly parts: Map<number, TextPart>
  /** The only one that may be open. */
  lastPart: TextPart | null
  isEnded: boolean
}

export interface ReasoningItem {
  readonly kind: 'reasoning'
  readonly block: number
  /** Vendors that send a summary and the thoughts themselves: the first counts. */
  source: 'summary' | 'content' | null
  /** Of the part that came last. */
  part: number
  sent: number
  isEnded: boolean
}

export interface CallItem {
  readonly kind: 'call'
  readonly isCustom: boolean
  /** -1 until the name is known. */
  block: number
  sent: number
  isEnded: boolean
}

/** What a vendor's own tool does: passed on as it is, once it is finished. */
export interface OtherItem {
  readonly kind: 'other'
  readonly block: number
  isEnded: boolean
}

export type OpenItem = MessageItem | ReasoningItem | CallItem | OtherItem

export interface DecoderState {
  /** Events that wait to be handed out. */
  readonly out: IrEvent[]
  /** By `output_index`. */
  readonly items: Map<number, OpenItem>
  /** Blocks that have started. */
  blocks: number
  lastIndex: number
  /** The message that the block before belongs to; null when that is no text. */
  lastMessage: MessageItem | null
  hasStarted: boolean
  hasToolCall: boolean
  isRefusal: boolean
}

/** The item at a place, which is made of `wire` when it is new. */
export function openItem(state: DecoderState, index: number, wire: WireObject): OpenItem {
  const known = state.items.get(index)
  if (known) return known
  const item = newItem(state, index, wire)
  state.items.set(index, item)
  return item
}

function newItem(state: DecoderState, index: number, wire: WireObject): OpenItem {
  switch (wire.type) {
    case 'message':
      return { kind: 'message', phase: asName(wire.phase), parts: new Map(), lastPart: null, isEnded: false }
    case 'reasoning': {
      const block = takeBlock(state)
      state.out.push({ type: 'thinking-start', block })
      return { kind: 'reasoning', block, source: null, part: 0, sent: 0, isEnded: false }
    }
    case 'function_call':
    case 'custom_tool_call': {
      const isCustom = wire.type === 'custom_tool_call'
      const item: CallItem = { kind: 'call', isCustom, block: -1, sent: 0, isEnded: false }
      startCall(state, item, index, wire)
      return item
    }
    default:
      return { kind: 'other', block: takeBlock(state), isEnded: false }
  }
}

function takeBlock(state: DecoderState): number {
  state.lastMessage = null
  return state.blocks++
}

/** A call begins as soon as its name is known. */
function startCall(state: DecoderState, item: CallItem, index: number, wire: WireObject): void {
  const name = asName(wire.name)
  if (name === null || item.block >= 0) return
  item.block = takeBlock(state)
  state.hasToolCall = true
  const namespace = asName(wire.namespace)
  state.out.push({
    type: 'tool-call-start',
    block: item.block,
    id: asName(wire.call_id) ?? asName(wire.id) ?? `call_${index}`,
    name,
    ...(namespace !== null && { namespace }),
    kind: item.isCustom ? 'custom' : 'function',
  })
}

/** The part of a message that an event speaks of; null when the item at that place is no message, or has ended. */
export function partOf(state: DecoderState, item: OpenItem, contentIndex: number, isRefusal: boolean): TextPart | null {
  if (item.kind !== 'message' || item.isEnded) return null
  const known = item.parts.get(contentIndex)
  if (known) return known.isEnded ? null : known
  if (item.lastPart) endPart(state, item.lastPart)
  const isOwnItem = item.parts.size === 0 && (item.phase !== null || state.lastMessage !== null)
  const part: TextPart = { block: takeBlock(state), isRefusal, sent: 0, citations: 0, isEnded: false }
  item.parts.set(contentIndex, part)
  item.lastPart = part
  state.lastMessage = item
  state.out.push({
    type: 'text-start',
    block: part.block,
    ...(isRefusal && { isRefusal }),
    ...(isOwnItem && { raw: { item: item.phase === null ? {} : { phase: item.phase } } }),
  })
  return part
}

function endPart(state: DecoderState, part: TextPart): void {
  if (part.isEnded) return
  part.isEnded = true
  state.out.push({ type: 'text-end', block: part.block })
}

/** Passes on what a finished item holds beyond its pieces. */
export function fillItem(state: DecoderState, index: number, item: OpenItem, wire: WireObject): void {
  if (item.kind === 'message') fillMessage(state, item, wire)
  else if (item.kind === 'reasoning') fillReasoning(state, item, wire)
  else if (item.kind === 'call') {
    startCall(state, item, index, wire)
    const rest = item.block < 0 ? '' : inputOf(item, wire).slice(item.sent)
    item.sent += rest.length
    if (rest !== '') state.out.push({ type: 'tool-call-delta', block: item.block, text: rest })
  }
}

function fillMessage(state: DecoderState, item: MessageItem, wire: WireObject): void {
  asArray(wire.content).forEach((entry, contentIndex) => {
    const content = asObject(entry)
    const isRefusal = content?.type === 'refusal'
    const text = asText(isRefusal ? content?.refusal : content?.text) ?? ''
    const annotations = asArray(content?.annotations)
    if (text === '' && annotations.length === 0) return
    const part = partOf(state, item, contentIndex, isRefusal)
    if (!part) return
    addToPart(state, part, text.slice(part.sent))
    for (const annotation of annotations.slice(part.citations)) {
      const value = asObject(annotation)
      if (value) state.out.push({ type: 'citation', block: part.block, citation: citationOf(value) })
    }
  })
}

export function addToPart(state: DecoderState, part: TextPart, text: string): void {
  if (text === '') return
  part.sent += text.length
  state.isRefusal ||= part.isRefusal
  state.out.push({ type: 'text-delta', block: part.block, text })
}

function fillReasoning(state: DecoderState, item: ReasoningItem, wire: WireObject): void {
  item.source ??= textsOf(wire.summary).length > 0 ? 'summary' : 'content'
  const text = textsOf(wire[item.source]).join(SEPARATOR).slice(item.sent)
  item.sent += text.length
  if (text !== '') state.out.push({ type: 'thinking-delta', block: item.block, text })
}

/** Between the parts of a summary. */
export const SEPARATOR = '\n\n'

/** The texts of a list of parts that say something. */
export function textsOf(parts: unknown): string[] {
  return asArray(parts).flatMap((entry) => asName(asObject(entry)?.text) ?? [])
}

function inputOf({ isCustom }: CallItem, wire: WireObject): string {
  const input = isCustom ? wire.input : wire.arguments
  // Some servers parse the arguments of whole replies.
  return asText(input) ?? (asObject(input) ? JSON.stringify(input) : '')
}

/** `wire` is the finished item; null when the reply ended without it. */
export function endItem(state: DecoderState, item: OpenItem, wire: WireObject | null): void {
  if (item.isEnded) return
  item.isEnded = true
  switch (item.kind) {
    case 'message':
      for (const part of item.parts.values()) endPart(state, part)
      return
    case 'reasoning':
      // What the item had when it was added is not what must be sent back.
      state.out.push({ type: 'thinking-end', block: item.block, signature: asName(wire?.encrypted_content) })
      return
    case 'call':
      if (item.block < 0) return
      if (item.sent === 0 && !item.isCustom) state.out.push({ type: 'tool-call-delta', block: item.block, text: '{}' })
      state.out.push({ type: 'tool-call-end', block: item.block })
      return
    case 'other':
      if (wire) state.out.push({ type: 'block', block: item.block, value: opaqueOf(wire) })
      return
  }
}

function opaqueOf(value: WireObject): {
  type: 'opaque'
  protocol: 'openai-responses'
  kind: string
  value: WireObject
} {
  return { type: 'opaque', protocol: 'openai-responses', kind: asName(value.type) ?? 'unknown', value }
}

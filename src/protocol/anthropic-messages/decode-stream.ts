/**
 * Reads the events of a streamed Messages reply into the IR.
 *
 * Source: Anthropic "Streaming Messages" and captured streams: message_start can already hold content and a stop
 * reason, message_delta can lack `delta` (Kimi), counters of the end replace those of the start, events come after
 * message_stop; MiniMax is said to start blocks on an index that is still open, so a start closes what it finds there.
 */
import type { StreamDecoder } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { readCitation, readCitations } from './decode-block.ts'
import { decodeMessagesFinish } from './decode-reply.ts'
import { callId, decodeReplyBlock } from './reply-block.ts'
import { mergeUsage, NO_COUNTERS, readMessagesUsage } from './usage.ts'

type Kind = 'text' | 'thinking' | 'tool-call' | 'whole'

interface OpenBlock {
  readonly kind: Kind
  /** Its number in the IR. */
  readonly block: number
  /** As it started. */
  readonly wire: WireObject
  signature: string | null
  /** Pieces of an input were given. */
  hasInput: boolean
  /** Of a block that the IR takes whole: the pieces of its input. */
  readonly input: string[]
  /** The same: its content when that comes in a delta (compaction). */
  content: unknown
}

interface DecoderState {
  readonly open: Map<number, OpenBlock>
  blocks: number
  counters: typeof NO_COUNTERS
  stopReason: string | null
  stopSequence: string | null
  hasStopped: boolean
  /** The stream ended before its end. */
  isCut: boolean
}

export function createMessagesDecoder(): StreamDecoder {
  const state: DecoderState = {
    open: new Map(),
    blocks: 0,
    counters: NO_COUNTERS,
    stopReason: null,
    stopSequence: null,
    hasStopped: false,
    isCut: false,
  }
  return {
    decode(name, data) {
      const event = asObject(data)
      if (!event || state.hasStopped) return []
      return HANDLERS.get(asName(event.type) ?? name ?? '')?.(state, event) ?? []
    },
    end() {
      state.isCut = state.stopReason === null
      return stop(state)
    },
  }
}

type Handler = (state: DecoderState, event: WireObject) => IrEvent[]

const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['message_start', onMessageStart],
  ['content_block_start', onBlockStart],
  ['content_block_delta', onBlockDelta],
  ['content_block_stop', onBlockStop],
  ['message_delta', onMessageDelta],
  ['message_stop', stop],
])

function onMessageStart(state: DecoderState, event: WireObject): IrEvent[] {
  const message = asObject(event.message) ?? {}
  const events: IrEvent[] = [{ type: 'reply-start', id: asName(message.id), model: asName(message.model) }]
  events.push(...takeUsage(state, message.usage), ...closeAll(state))
  for (const entry of asArray(message.content)) {
    const wire = asObject(entry)
    if (wire) for (const event of [...startBlock(state, -1, wire), ...closeBlock(state, -1)]) events.push(event)
  }
  takeStop(state, message)
  return events
}

function takeUsage(state: DecoderState, wire: unknown): IrEvent[] {
  if (!asObject(wire)) return []
  state.counters = mergeUsage(state.counters, wire)
  const usage = readMessagesUsage(state.counters)
  return usage ? [{ type: 'usage', usage }] : []
}

function takeStop(state: DecoderState, wire: WireObject): void {
  state.stopReason = asName(wire.stop_reason) ?? state.stopReason
  state.stopSequence = asName(wire.stop_sequence) ?? state.stopSequence
}

function onMessageDelta(state: DecoderState, event: WireObject): IrEvent[] {
  takeStop(state, asObject(event.delta) ?? {})
  return takeUsage(state, event.usage)
}

/** Missing at vendors that send one block at a time. */
function indexOf(event: WireObject): number {
  return typeof event.index === 'number' ? event.index : 0
}

function onBlockStart(state: DecoderState, event: WireObject): IrEvent[] {
  const wire = asObject(event.content_block)
  const index = indexOf(event)
  return wire ? [...closeBlock(state, index), ...startBlock(state, index, wire)] : []
}

const KINDS: ReadonlyMap<unknown, Kind> = new Map<unknown, Kind>([
  ['text', 'text'],
  ['thinking', 'thinking'],
  ['tool_use', 'tool-call'],
])

function startBlock(state: DecoderState, index: number, wire: WireObject): IrEvent[] {
  const block = state.blocks
  state.blocks += 1
  const kind = KINDS.get(wire.type) ?? 'whole'
  const signature = kind === 'thinking' ? asName(wire.signature) : null
  state.open.set(index, { kind, block, wire, signature, hasInput: false, input: [], content: undefined })
  switch (kind) {
    case 'text': {
      const citations = readCitations(wire.citations)
      return [
        { type: 'text-start', block },
        ...textDelta('text-delta', block, wire.text),
        ...citations.map((citation): IrEvent => ({ type: 'citation', block, citation })),
      ]
    }
    case 'thinking':
      return [{ type: 'thinking-start', block }, ...textDelta('thinking-delta', block, wire.thinking)]
    case 'tool-call': {
      const name = asText(wire.name) ?? ''
      return [{ type: 'tool-call-start', block, id: callId(wire, block), name, kind: 'function' }]
    }
    case 'whole':
      return []
  }
}

function textDelta(
  type: 'text-delta' | 'thinking-delta' | 'tool-call-delta',
  block: number,
  value: unknown,
): IrEvent[] {
  const text = asName(value)
  return text === null ? [] : [{ type, block, text }]
}

type DeltaHandler = (state: DecoderState, index: number, delta: WireObject) => IrEvent[]

const DELTA_HANDLERS: ReadonlyMap<unknown, DeltaHandler> = new Map<unknown, DeltaHandler>([
  ['text_delta', onTextDelta],
  ['thinking_delta', onThinkingDelta],
  ['signature_delta', onSignatureDelta],
  ['input_json_delta', onInputDelta],
  ['citations_delta', onCitationsDelta],
  ['compaction_delta', onCompactionDelta],
])

function onBlockDelta(state: DecoderState, event: WireObject): IrEvent[] {
  const delta = asObject(event.delta)
  return (delta && DELTA_HANDLERS.get(delta.type)?.(state, indexOf(event), delta)) ?? []
}

/** The open block of the kind that a delta speaks of. A delta without one opens its own: no output is lost. */
function blockFor(state: DecoderState, index: number, kind: 'text' | 'thinking', events: IrEvent[]): OpenBlock | null {
  const open = state.open.get(index)
  if (open?.kind === kind) return open
  events.push(...closeBlock(state, index), ...startBlock(state, index, { type: kind }))
  return state.open.get(index) ?? null
}

function onTextDelta(state: DecoderState, index: number, delta: WireObject): IrEvent[] {
  return onPiece(state, index, 'text', asName(delta.text))
}

function onThinkingDelta(state: DecoderState, index: number, delta: WireObject): IrEvent[] {
  return onPiece(state, index, 'thinking', asName(delta.thinking))
}

function onPiece(state: DecoderState, index: number, kind: 'text' | 'thinking', text: string | null): IrEvent[] {
  if (text === null) return []
  const events: IrEvent[] = []
  const open = blockFor(state, index, kind, events)
  if (open) events.push({ type: `${kind}-delta`, block: open.block, text })
  return events
}

function onSignatureDelta(state: DecoderState, index: number, delta: WireObject): IrEvent[] {
  const open = state.open.get(index)
  if (open?.kind === 'thinking') open.signature = asName(delta.signature) ?? open.signature
  return []
}

function onInputDelta(state: DecoderState, index: number, delta: WireObject): IrEvent[] {
  const open = state.open.get(index)
  const text = asName(delta.partial_json)
  if (!open || text === null) return []
  open.hasInput = true
  if (open.kind === 'tool-call') return [{ type: 'tool-call-delta', block: open.block, text }]
  open.input.push(text)
  return []
}

function onCitationsDelta(state: DecoderState, index: number, delta: WireObject): IrEvent[] {
  const open = state.open.get(index)
  const raw = asObject(delta.citation)
  if (open?.kind !== 'text' || !raw) return []
  return [{ type: 'citation', block: open.block, citation: readCitation(raw) }]
}

function onCompactionDelta(state: DecoderState, index: number, delta: WireObject): IrEvent[] {
  const open = state.open.get(index)
  if (open?.kind === 'whole') open.content = delta.content
  return []
}

function onBlockStop(state: DecoderState, event: WireObject): IrEvent[] {
  return closeBlock(state, indexOf(event))
}

function closeBlock(state: DecoderState, index: number): IrEvent[] {
  const open = state.open.get(index)
  if (!open) return []
  state.open.delete(index)
  const { block, kind, signature } = open
  switch (kind) {
    case 'text':
      return [{ type: 'text-end', block }]
    case 'thinking':
      return [{ type: 'thinking-end', block, signature }]
    case 'tool-call': {
      // Without arguments, or with all of them in the start.
      const whole = open.hasInput || state.isCut ? '' : JSON.stringify(asObject(open.wire.input) ?? {})
      return [...textDelta('tool-call-delta', block, whole), { type: 'tool-call-end', block }]
    }
    case 'whole': {
      const value = decodeReplyBlock(wholeWire(open), block)
      return value.type === 'opaque' || value.type === 'redacted-thinking' ? [{ type: 'block', block, value }] : []
    }
  }
}

function wholeWire({ wire, input, content }: OpenBlock): WireObject {
  const withContent = content === undefined ? wire : { ...wire, content }
  if (input.length === 0) return withContent
  try {
    return { ...withContent, input: JSON.parse(input.join('')) as unknown }
  } catch {
    // Cut off inside its input.
    return withContent
  }
}

function closeAll(state: DecoderState): IrEvent[] {
  return [...state.open.keys()].flatMap((index) => closeBlock(state, index))
}

function stop(state: DecoderState): IrEvent[] {
  if (state.hasStopped) return []
  state.hasStopped = true
  const events = closeAll(state)
  const finish = decodeMessagesFinish(state.stopReason, state.stopSequence)
  if (finish) events.push({ type: 'finish', ...finish })
  return events
}

/**
 * Turns the chunks of a streamed Chat Completions reply into the IR's events.
 *
 * Source: OpenAI "Streaming" and captured streams of some twenty-five vendors: reasoning in `reasoning_content`,
 * `reasoning`, `reasoning_details` or parts of the content (Mistral), usage and the finish reason anywhere and more
 * than once, first content in the role chunk, last content in the finish chunk. The first choice counts.
 */
import type { Usage } from '../../base/usage.ts'
import type { StreamDecoder } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import type { IrThought } from '../translation/bundle.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { type CallAssembler, createCallAssembler } from './decode-calls.ts'
import { type AudioPieces, addAudio, audioBlock, imageBlock, urlCitation } from './decode-media.ts'
import { textOfThinking } from './decode-parts.ts'
import { decodeExtra } from './decode-thoughts.ts'
import { readChatError } from './error.ts'
import { isStopWord, readChatFinish } from './finish.ts'
import { factsOfDetail, isEncrypted, packEncrypted, packFacts, textOfDetail } from './thought-detail.ts'
import { readChatUsage } from './usage.ts'

type OpenKind = 'text' | 'refusal' | 'thinking'

interface ChatState {
  events: IrEvent[]
  hasStarted: boolean
  replyId: string | null
  blocks: number
  open: { readonly kind: OpenKind; readonly block: number } | null
  /** Of the open thinking block: what its entry says besides the text, or the token that stands on what follows. */
  facts: WireObject | null
  token: string | null
  readonly calls: CallAssembler
  isRefusal: boolean
  readonly audio: AudioPieces
  finish: string | null
  stopSequence: string | null
}

export function createChatStreamDecoder(): StreamDecoder {
  const state: ChatState = {
    events: [],
    hasStarted: false,
    replyId: null,
    blocks: 0,
    open: null,
    facts: null,
    token: null,
    calls: createCallAssembler({
      nextBlock: () => state.blocks++,
      emit: (event) => state.events.push(event),
      beforeCall: (thoughts) => {
        placeThoughts(state, thoughts)
        closeBlock(state)
      },
      replyId: () => state.replyId,
    }),
    isRefusal: false,
    audio: { data: [], transcript: [], members: {} },
    finish: null,
    stopSequence: null,
  }
  return {
    decode(_name, data) {
      const chunk = asObject(data)
      // Errors are read elsewhere, and a chunk that carries one carries nothing else.
      if (chunk && readChatError(chunk) === null) onChunk(state, chunk)
      return take(state)
    },
    end() {
      onEnd(state)
      return take(state)
    },
  }
}

function take(state: ChatState): IrEvent[] {
  const { events } = state
  state.events = []
  return events
}

function onChunk(state: ChatState, chunk: WireObject): void {
  if (!state.hasStarted) onStart(state, chunk)
  for (const entry of asArray(chunk.choices)) {
    const choice = asObject(entry)
    if (!choice) continue
    if (choice.index === undefined || choice.index === null || choice.index === 0) onChoice(state, choice)
    onUsage(state, readChatUsage(choice.usage))
  }
  onUsage(state, readChatUsage(asObject(chunk.x_groq)?.usage))
  onUsage(state, readChatUsage(chunk.usage))
}

function onStart(state: ChatState, chunk: WireObject): void {
  const id = asName(chunk.id)
  const model = asName(chunk.model)
  // Azure opens with a chunk of filter results that names neither.
  if (id === null && model === null && asArray(chunk.choices).length === 0) return
  state.hasStarted = true
  state.replyId = id
  state.events.push({ type: 'reply-start', id, model })
}

function onUsage(state: ChatState, usage: Usage | null): void {
  if (usage) state.events.push({ type: 'usage', usage })
}

function onChoice(state: ChatState, choice: WireObject): void {
  const delta = asObject(choice.delta) ?? asObject(choice.message)
  if (delta) onDelta(state, delta)
  const finish = asText(choice.finish_reason)
  // Some vendors write an empty reason into every chunk.
  if (finish !== null && (finish !== '' || state.finish === null)) state.finish = finish
  const stopped = asName(choice.stop_reason) ?? asName(choice.matched_stop)
  if (stopped !== null && !isStopWord(stopped)) state.stopSequence = stopped
}

/** In the order in which a turn is made. */
function onDelta(state: ChatState, delta: WireObject): void {
  onReasoning(state, delta)
  placeThoughts(state, decodeExtra(asObject(delta.extra_content)))
  onContent(state, delta.content)
  addText(state, 'refusal', asText(delta.refusal) ?? '')
  for (const entry of asArray(delta.annotations)) onAnnotation(state, entry)
  for (const entry of asArray(delta.images)) onImage(state, entry)
  const audio = asObject(delta.audio)
  if (audio) addAudio(state.audio, audio)
  for (const entry of asArray(delta.tool_calls)) {
    const call = asObject(entry)
    if (call) state.calls.add(call)
  }
  const legacy = asObject(delta.function_call)
  if (legacy) state.calls.addLegacy(legacy)
}

/** Vendors that send details repeat their text in `reasoning`. */
function onReasoning(state: ChatState, delta: WireObject): void {
  const details = asArray(delta.reasoning_details)
    .map(asObject)
    .filter((entry) => entry !== null)
  const isInDetails = details.some((entry) => textOfDetail(entry) !== '')
  if (!isInDetails) addThinking(state, asName(delta.reasoning_content) ?? asText(delta.reasoning) ?? '')
  for (const entry of details) {
    if (isEncrypted(entry)) onEncrypted(state, entry)
    else onDetail(state, entry)
  }
}

function onEncrypted(state: ChatState, entry: WireObject): void {
  const data = packEncrypted(entry)
  if (data === '') return
  closeBlock(state)
  const value = { type: 'redacted-thinking', data, mint: null } as const
  state.events.push({ type: 'block', block: state.blocks++, value })
}

/** Pieces of one entry share type, number and id. */
function onDetail(state: ChatState, entry: WireObject): void {
  const known = state.open?.kind === 'thinking' ? state.facts : null
  const isOther = (key: string): boolean => known?.[key] != null && entry[key] != null && known[key] !== entry[key]
  if (known && (isOther('index') || isOther('type') || isOther('id'))) closeBlock(state)
  addThinking(state, textOfDetail(entry))
  const facts = factsOfDetail(entry, state.facts ?? undefined)
  openBlock(state, 'thinking')
  state.facts = facts
}

function onContent(state: ChatState, content: unknown): void {
  if (typeof content === 'string') {
    addText(state, 'text', content)
    return
  }
  for (const entry of asArray(content)) {
    const part = asObject(entry)
    if (part?.type === 'thinking') onThinkingPart(state, part)
    else if (part?.type === 'image_url') onImage(state, part)
    else addText(state, 'text', asText(part?.text) ?? asText(entry) ?? '')
  }
}

function onThinkingPart(state: ChatState, part: WireObject): void {
  addThinking(state, textOfThinking(part))
  const signature = asName(part.signature)
  if (signature === null) return
  openBlock(state, 'thinking')
  state.token = signature
}

function openBlock(state: ChatState, kind: OpenKind): number {
  if (state.open?.kind === kind) return state.open.block
  closeBlock(state)
  const block = state.blocks++
  state.open = { kind, block }
  if (kind === 'thinking') state.events.push({ type: 'thinking-start', block })
  else state.events.push({ type: 'text-start', block, ...(kind === 'refusal' && { isRefusal: true }) })
  return block
}

function addText(state: ChatState, kind: OpenKind, text: string): void {
  if (text === '') return
  const block = openBlock(state, kind)
  if (kind === 'refusal') state.isRefusal = true
  state.events.push({ type: kind === 'thinking' ? 'thinking-delta' : 'text-delta', block, text })
}

/** A signature ends what it signs: text after it is another thought. */
function addThinking(state: ChatState, text: string): void {
  if (text !== '' && (state.token !== null || state.facts?.signature != null)) closeBlock(state)
  addText(state, 'thinking', text)
}

function closeBlock(state: ChatState): void {
  const { open } = state
  if (!open) return
  state.open = null
  if (open.kind !== 'thinking') {
    state.events.push({ type: 'text-end', block: open.block })
    return
  }
  const signature = state.token ?? packFacts(state.facts ?? {})
  state.facts = null
  state.token = null
  state.events.push({ type: 'thinking-end', block: open.block, signature })
}

/** A signature of what follows belongs to the thinking directly before it, unless that has one. */
function placeThoughts(state: ChatState, thoughts: readonly IrThought[]): void {
  for (const thought of thoughts) {
    if (thought.type !== 'thinking') continue
    const isTaken = state.open?.kind === 'thinking' && (state.token !== null || state.facts !== null)
    if (isTaken) closeBlock(state)
    openBlock(state, 'thinking')
    state.token = thought.signature
    closeBlock(state)
  }
}

/** Stands on the text that is open; what comes after its end has no place. */
function onAnnotation(state: ChatState, entry: unknown): void {
  const citation = urlCitation(entry)
  if (citation && state.open?.kind === 'text') {
    state.events.push({ type: 'citation', block: state.open.block, citation })
  }
}

function onImage(state: ChatState, entry: unknown): void {
  const value = imageBlock(entry)
  if (!value) return
  closeBlock(state)
  state.events.push({ type: 'block', block: state.blocks++, value })
}

function onEnd(state: ChatState): void {
  closeBlock(state)
  state.calls.end()
  const audio = audioBlock(state.audio)
  if (audio) state.events.push({ type: 'block', block: state.blocks++, value: audio })
  const { finish: raw, isRefusal } = state
  const finish = readChatFinish(raw, { hasToolCall: state.calls.hasCalls(), isRefusal })
  if (finish === null) return
  const stopSequence = finish === 'stop' ? state.stopSequence : null
  state.events.push({ type: 'finish', finish, raw, stopSequence })
}

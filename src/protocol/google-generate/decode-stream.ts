/**
 * Turns the chunks of a streamed reply into events.
 *
 * Source: Google "models.streamGenerateContent" and captured streams: a chunk holds whole parts; a call is one part, or
 * is named first and gets its arguments in pieces, whose last one may be missing; a signature stands on the part that it
 * belongs to, or on an empty text at the end. Only the first candidate is read.
 */
import type { StreamDecoder } from '../codec.ts'
import type { IrEvent, IrFinish } from '../ir/event.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { citationsOf } from './citation.ts'
import { partKind } from './decode-part.ts'
import { blockWord, finishWord, readGoogleFinish } from './finish.ts'
import { inlineSource, mediaBlock } from './media.ts'
import { createPartialArguments, type PartialArguments } from './partial-args.ts'
import { mergeGoogleUsage, readGoogleUsage } from './usage.ts'
import { camelMembers, jsonText } from './wire-name.ts'

interface OpenBlock {
  readonly kind: 'text' | 'thinking' | 'tool-call'
  readonly block: number
  /** Of a call whose arguments come in pieces. */
  readonly args: PartialArguments | null
}

interface DecoderState {
  readonly events: IrEvent[]
  hasStarted: boolean
  open: OpenBlock | null
  blocks: number
  calls: number
  usage: WireObject | null
  finish: string | null
  blocked: string | null
  /** Citations are repeated in every chunk that has any. */
  readonly cited: Set<string>
}

export function createStreamDecoder(): StreamDecoder {
  const state: DecoderState = {
    events: [],
    hasStarted: false,
    open: null,
    blocks: 0,
    calls: 0,
    usage: null,
    finish: null,
    blocked: null,
    cited: new Set(),
  }
  return {
    decode(_name, data) {
      const chunk = asObject(data)
      if (chunk) readChunk(state, camelMembers(chunk))
      return state.events.splice(0)
    },
    end() {
      closeOpen(state, null)
      const usage = readGoogleUsage(state.usage)
      if (usage) state.events.push({ type: 'usage', usage })
      const finish = finishOf(state)
      if (finish) state.events.push({ type: 'finish', ...finish })
      return state.events.splice(0)
    },
  }
}

function finishOf({ blocked, finish, calls }: DecoderState): IrFinish | null {
  if (blocked !== null) return { finish: 'content_filter', raw: blocked, stopSequence: null }
  const read = readGoogleFinish(finish, calls > 0)
  return read && { finish: read, raw: finish, stopSequence: null }
}

function readChunk(state: DecoderState, chunk: WireObject): void {
  state.usage = mergeGoogleUsage(state.usage, chunk.usageMetadata)
  const blocked = blockWord(chunk.promptFeedback)
  const candidate = firstCandidate(chunk.candidates)
  if (blocked === null && !candidate && !asObject(chunk.usageMetadata)) return
  if (!state.hasStarted) {
    state.hasStarted = true
    state.events.push({ type: 'reply-start', id: asName(chunk.responseId), model: asName(chunk.modelVersion) })
  }
  state.blocked = blocked ?? state.blocked
  if (candidate) readCandidate(state, candidate)
}

function firstCandidate(candidates: unknown): WireObject | null {
  for (const entry of asArray(candidates)) {
    const candidate = asObject(entry)
    if (candidate && (candidate.index ?? 0) === 0) return candidate
  }
  return null
}

function readCandidate(state: DecoderState, candidate: WireObject): void {
  const parts = asArray(asObject(candidate.content)?.parts).flatMap((entry) => {
    const part = asObject(entry)
    return part ? [camelMembers(part)] : []
  })
  // The last chunk often holds but the signature, which ends the text that the citations are for.
  const hasText = parts.some((part) => part.thought !== true && asName(part.text) !== null)
  if (!hasText) addCitations(state, candidate)
  for (const part of parts) readPart(state, part)
  if (hasText) addCitations(state, candidate)
  state.finish = finishWord(candidate.finishReason) ?? state.finish
}

function addCitations(state: DecoderState, candidate: WireObject): void {
  if (state.open?.kind !== 'text') return
  for (const citation of citationsOf(candidate)) {
    const key = `${citation.url} ${citation.text ?? ''}`
    if (state.cited.has(key)) continue
    state.cited.add(key)
    state.events.push({ type: 'citation', block: state.open.block, citation })
  }
}

type PartReader = (state: DecoderState, part: WireObject) => void

const READERS: ReadonlyMap<string, PartReader> = new Map([
  ['text', readText],
  ['functionCall', readCall],
  ['inlineData', readMedia],
])

function readPart(state: DecoderState, part: WireObject): void {
  const kind = partKind(part)
  if (kind === null) {
    const signature = asName(part.thoughtSignature)
    if (signature !== null) sign(state, signature)
    return
  }
  const reader = READERS.get(kind)
  if (reader) reader(state, part)
  else readOpaque(state, kind, part)
}

function readText(state: DecoderState, part: WireObject): void {
  const text = asText(part.text)
  if (text === null) return
  const signature = asName(part.thoughtSignature)
  if (part.thought === true) {
    if (text !== '') {
      const { block } = openBlock(state, 'thinking')
      state.events.push({ type: 'thinking-delta', block, text })
    }
    if (signature !== null) sign(state, signature)
    return
  }
  if (signature !== null) sign(state, signature)
  if (text === '') return
  const { block } = openBlock(state, 'text')
  state.events.push({ type: 'text-delta', block, text })
}

/** The open block of this kind, or a new one after whatever else is open. */
function openBlock(state: DecoderState, kind: 'text' | 'thinking'): OpenBlock {
  if (state.open?.kind === kind) return state.open
  closeOpen(state, null)
  const open: OpenBlock = { kind, block: state.blocks++, args: null }
  state.open = open
  state.events.push({ type: `${kind}-start`, block: open.block })
  return open
}

/** Gives a signature to the thoughts directly before, or to a thought of no words. */
function sign(state: DecoderState, signature: string): void {
  openBlock(state, 'thinking')
  closeOpen(state, signature)
}

function closeOpen(state: DecoderState, signature: string | null): void {
  const { open } = state
  if (!open) return
  const { kind, block, args } = open
  if (kind === 'thinking') state.events.push({ type: 'thinking-end', block, signature })
  else if (kind === 'text') state.events.push({ type: 'text-end', block })
  else {
    state.events.push({ type: 'tool-call-delta', block, text: jsonText(args?.value()) ?? '{}' })
    state.events.push({ type: 'tool-call-end', block })
  }
  state.open = null
}

function readCall(state: DecoderState, part: WireObject): void {
  const wire = asObject(part.functionCall)
  const call = wire && camelMembers(wire)
  if (!call) return
  const name = asName(call.name)
  const isMore = state.open?.kind === 'tool-call' && (name === null || name === '')
  if (!isMore) {
    if (name === null) return
    const signature = asName(part.thoughtSignature)
    if (signature !== null) sign(state, signature)
    closeOpen(state, null)
    startCall(state, name, asName(call.id), asObject(call.args) ?? {})
  }
  state.open?.args?.add(call.partialArgs)
  if (call.willContinue !== true) closeOpen(state, null)
}

function startCall(state: DecoderState, name: string, wireId: string | null, args: WireObject): void {
  const block = state.blocks++
  const id = wireId ?? `call_${state.calls}`
  state.calls++
  state.open = { kind: 'tool-call', block, args: createPartialArguments(args) }
  state.events.push({ type: 'tool-call-start', block, id, name, kind: 'function' })
}

function readMedia(state: DecoderState, part: WireObject): void {
  const wire = asObject(part.inlineData)
  const source = wire && inlineSource(camelMembers(wire))
  const value = source && mediaBlock(source)
  // Drafts that an image model thinks in are no answer.
  if (!value || value.type === 'document' || part.thought === true) {
    readOpaque(state, 'inlineData', part)
    return
  }
  const signature = asName(part.thoughtSignature)
  if (signature !== null) sign(state, signature)
  closeOpen(state, null)
  state.events.push({ type: 'block', block: state.blocks++, value })
}

/** What the model had Google itself do, code that it ran, and anything to come. */
function readOpaque(state: DecoderState, kind: string, part: WireObject): void {
  closeOpen(state, null)
  const value = { type: 'opaque', protocol: 'google-generate', kind, value: part } as const
  state.events.push({ type: 'block', block: state.blocks++, value })
}

/** Writes the texts and refusals of a reply as message items. */
import type { IrCitation } from '../ir/block.ts'
import type { IrEvent } from '../ir/event.ts'
import { asText, type WireObject } from '../wire-value.ts'
import { markOf } from './marks.ts'
import { addItem, finishItem, type ItemStatus, itemId, type WriterState } from './writer-state.ts'

interface OpenPart {
  readonly isRefusal: boolean
  text: string
  readonly annotations: WireObject[]
  /** Announced to the client: a part that stays empty never is. */
  isSent: boolean
}

export interface OpenMessage {
  readonly id: string
  readonly phase: string | null
  /** Place in the output; -1 until the first text comes. */
  index: number
  readonly content: WireObject[]
  part: OpenPart | null
}

/** A text right after another is the next part of the same message, unless it says that it is an item of its own. */
export function startPart(state: WriterState, event: Extract<IrEvent, { type: 'text-start' }>): void {
  const { item } = markOf(event.raw)
  if (item) closeMessage(state, 'completed')
  state.message ??= { id: itemId(state, 'msg'), phase: asText(item?.phase), index: -1, content: [], part: null }
  state.message.part = { isRefusal: event.isRefusal ?? false, text: '', annotations: [], isSent: false }
}

export function addText(state: WriterState, text: string): void {
  const { message } = state
  if (!message?.part || text === '') return
  const { part } = message
  ensureSent(state, message, part)
  part.text += text
  if (part.isRefusal) state.emit('response.refusal.delta', { ...placeOf(message), delta: text })
  else state.emit('response.output_text.delta', { ...placeOf(message), delta: text, logprobs: [] })
}

export function addCitation(state: WriterState, citation: IrCitation): void {
  const { message } = state
  if (!message?.part || message.part.isRefusal) return
  const annotation = annotationOf(citation, message.part.text)
  if (!annotation) return
  ensureSent(state, message, message.part)
  const annotation_index = message.part.annotations.push(annotation) - 1
  state.emit('response.output_text.annotation.added', { ...placeOf(message), annotation_index, annotation })
}

/**
 * A citation that does not say what it stands for stands for the whole text before it. Without an address there is no
 * form for those of other vendors.
 */
function annotationOf({ protocol, url, title, raw }: IrCitation, text: string): WireObject | null {
  const own = protocol === 'openai-responses' ? raw : {}
  if (url === undefined) return own === raw ? raw : null
  return { type: 'url_citation', start_index: 0, end_index: text.length, url, title: title ?? url, ...own }
}

export function endPart(state: WriterState): void {
  const { message } = state
  const part = message?.part
  if (!message || !part) return
  if (part.isSent) {
    const place = placeOf(message)
    const { text } = part
    if (part.isRefusal) state.emit('response.refusal.done', { ...place, refusal: text })
    else state.emit('response.output_text.done', { ...place, text, logprobs: [] })
    const whole = partOf(part)
    state.emit('response.content_part.done', { ...place, part: whole })
    message.content.push(whole)
    state.hasRefusal ||= part.isRefusal
  }
  message.part = null
}

export function closeMessage(state: WriterState, status: ItemStatus): void {
  const { message } = state
  if (!message) return
  endPart(state)
  state.message = null
  if (message.index >= 0) finishItem(state, message.index, itemOf(message, status))
}

function ensureSent(state: WriterState, message: OpenMessage, part: OpenPart): void {
  if (part.isSent) return
  if (message.index < 0) message.index = addItem(state, itemOf(message, 'in_progress'))
  part.isSent = true
  state.emit('response.content_part.added', { ...placeOf(message), part: partOf(part) })
}

function placeOf(message: OpenMessage): WireObject {
  return { item_id: message.id, output_index: message.index, content_index: message.content.length }
}

function partOf({ isRefusal, text, annotations }: OpenPart): WireObject {
  return isRefusal ? { type: 'refusal', refusal: text } : { type: 'output_text', annotations, logprobs: [], text }
}

function itemOf({ id, phase, content }: OpenMessage, status: ItemStatus | 'in_progress'): WireObject {
  return { id, type: 'message', status, role: 'assistant', content, ...(phase !== null && { phase }) }
}

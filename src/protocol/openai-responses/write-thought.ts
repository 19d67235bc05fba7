/** Writes the reasoning of a reply, and the blocks that come whole. */
import type { Mint } from '../ir/block.ts'
import type { WholeBlock } from '../ir/event.ts'
import { type SealKind, seal } from '../translation/seal.ts'
import { asName, type WireObject } from '../wire-value.ts'
import { closeMessage } from './write-message.ts'
import { addItem, finishItem, itemId, type WriterState } from './writer-state.ts'

export interface OpenThought {
  readonly id: string
  /** Place in the output; -1 until there is something to show. */
  index: number
  text: string
}

export function startThought(state: WriterState): void {
  closeMessage(state, 'completed')
  state.thought = { id: itemId(state, 'rs'), index: -1, text: '' }
}

/** Thoughts are shown as one part of a summary, whoever had them: clients of this protocol look there. */
export function addThought(state: WriterState, text: string): void {
  const { thought } = state
  if (!thought || text === '') return
  if (thought.index < 0) {
    thought.index = addItem(state, itemOf(thought, null))
    state.emit('response.reasoning_summary_part.added', { ...placeOf(thought), part: partOf(thought) })
  }
  thought.text += text
  state.emit('response.reasoning_summary_text.delta', { ...placeOf(thought), delta: text })
}

export function closeThought(state: WriterState, signature: string | null): void {
  const { thought } = state
  if (!thought) return
  state.thought = null
  const encrypted = encryptedOf(state, 'signature', signature ?? '')
  if (thought.index >= 0) {
    const { text } = thought
    state.emit('response.reasoning_summary_text.done', { ...placeOf(thought), text })
    state.emit('response.reasoning_summary_part.done', { ...placeOf(thought), part: partOf(thought) })
  } else if (encrypted !== null) thought.index = addItem(state, itemOf(thought, null))
  else return
  finishItem(state, thought.index, itemOf(thought, encrypted))
}

/**
 * What an upstream wants back, sealed; null when the client does not ask for it. A thought without a signature is
 * sealed as well: the seal tells whose it is.
 */
function encryptedOf({ context, wantsEncrypted }: WriterState, kind: SealKind, payload: string): string | null {
  if (!wantsEncrypted) return null
  return isOwn(context.mint) ? asName(payload) : seal(context.mint, kind, payload)
}

function isOwn(mint: Mint): boolean {
  return mint.protocol === 'openai-responses'
}

function placeOf({ id, index }: OpenThought): WireObject {
  return { item_id: id, output_index: index, summary_index: 0 }
}

function partOf({ text }: OpenThought): WireObject {
  return { type: 'summary_text', text }
}

function itemOf(thought: OpenThought, encrypted: string | null): WireObject {
  const summary = thought.text === '' ? [] : [partOf(thought)]
  return { id: thought.id, type: 'reasoning', summary, ...(encrypted !== null && { encrypted_content: encrypted }) }
}

/** Sound has no item of its own in this protocol, and neither have other vendors' tools. */
export function writeWholeBlock(state: WriterState, value: WholeBlock): void {
  const item = wholeItem(state, value)
  if (!item) return
  closeMessage(state, 'completed')
  finishItem(state, addItem(state, item), item)
}

function wholeItem(state: WriterState, value: WholeBlock): WireObject | null {
  switch (value.type) {
    case 'redacted-thinking': {
      const encrypted = encryptedOf(state, 'redacted', value.data)
      return encrypted === null ? null : itemOf({ id: itemId(state, 'rs'), index: -1, text: '' }, encrypted)
    }
    case 'image':
      if (value.source.type !== 'data') return null
      return {
        id: itemId(state, 'ig'),
        type: 'image_generation_call',
        status: 'completed',
        result: value.source.data,
        output_format: value.source.mediaType.replace(/^image\//, ''),
      }
    case 'opaque':
      if (value.protocol !== 'openai-responses') return null
      return { ...value.value, id: asName(value.value.id) ?? itemId(state, 'item') }
    case 'audio':
      return null
  }
}

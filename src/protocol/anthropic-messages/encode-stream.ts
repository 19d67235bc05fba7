/**
 * Writes a streamed reply for a client of the Messages API.
 *
 * Source: Anthropic "Streaming Messages": one block after another, each with start, deltas and stop under a rising
 * index; then `message_delta` with the reason and the whole usage, and `message_stop`.
 */
import type { Usage } from '../../base/usage.ts'
import type { ReplyContext, ReplyEnd, StreamEncoder } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import { noticeOf } from '../polite-end.ts'
import { createSequencer, type Sequencer } from '../translation/sequence.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { replyId } from './encode-reply.ts'
import { encodeMessagesUsage } from './encode-usage.ts'
import { writeMessagesFinish } from './finish.ts'
import { argumentsOf, encodeWholeBlock, sealedSignature } from './reply-block.ts'

interface EncoderState {
  readonly context: ReplyContext
  readonly sequencer: Sequencer
  hasStarted: boolean
  usage: Usage | null
  /** Of the block that is open, or of the next one. */
  index: number
  isOpen: boolean
  /** The free text of the open call, which is an argument here and given as a whole; null for other blocks. */
  freeText: string[] | null
}

export function createMessagesEncoder(context: ReplyContext): StreamEncoder {
  const state: EncoderState = {
    context,
    sequencer: createSequencer(),
    hasStarted: false,
    usage: null,
    index: 0,
    isOpen: false,
    freeText: null,
  }
  return {
    encode: (event) => onEvent(state, event),
    finish: (end) => onFinish(state, end),
    position: () => ({ sequence: 0, replyId: state.hasStarted ? replyId(context) : null }),
  }
}

function frame(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

function onEvent(state: EncoderState, event: IrEvent): string {
  if (event.type === 'usage') {
    state.usage = event.usage
    return ''
  }
  if (event.type === 'finish') return ''
  const text = start(state)
  return event.type === 'reply-start'
    ? text
    : text +
        state.sequencer
          .push(event)
          .map((e) => write(state, e))
          .join('')
}

function start(state: EncoderState): string {
  if (state.hasStarted) return ''
  state.hasStarted = true
  const { context, usage } = state
  const message = {
    id: replyId(context),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: encodeMessagesUsage(usage, null),
  }
  return frame('message_start', { message })
}

function write(state: EncoderState, event: IrEvent): string {
  switch (event.type) {
    case 'text-start':
      // Without text no block is written: clients send it back, and Anthropic refuses empty ones.
      return closeBlock(state)
    case 'text-delta':
      return event.text === '' ? '' : openText(state) + delta(state, { type: 'text_delta', text: event.text })
    case 'citation':
      if (event.citation.protocol !== 'anthropic-messages') return ''
      return openText(state) + delta(state, { type: 'citations_delta', citation: event.citation.raw })
    case 'thinking-start':
      return openBlock(state, { type: 'thinking', thinking: '', signature: '' })
    case 'thinking-delta':
      return event.text === '' ? '' : delta(state, { type: 'thinking_delta', thinking: event.text })
    case 'thinking-end': {
      const signature = sealedSignature(event.signature, state.context)
      return (signature === null ? '' : delta(state, { type: 'signature_delta', signature })) + closeBlock(state)
    }
    case 'tool-call-start':
      state.freeText = event.kind === 'custom' ? [] : null
      return openBlock(state, { type: 'tool_use', id: event.id, name: flatToolName(event), input: {} })
    case 'tool-call-delta':
      if (!state.freeText) return inputDelta(state, event.text)
      state.freeText.push(event.text)
      return ''
    case 'tool-call-end':
      return onCallEnd(state) + closeBlock(state)
    case 'text-end':
      return closeBlock(state)
    case 'block':
      return writeWhole(state, event.value)
    default:
      return ''
  }
}

function inputDelta(state: EncoderState, text: string): string {
  return text === '' ? '' : delta(state, { type: 'input_json_delta', partial_json: text })
}

function onCallEnd(state: EncoderState): string {
  const { freeText } = state
  state.freeText = null
  return freeText ? inputDelta(state, argumentsOf({ kind: 'custom', input: freeText.join('') })) : ''
}

function openText(state: EncoderState): string {
  return state.isOpen ? '' : openBlock(state, { type: 'text', text: '' })
}

function openBlock(state: EncoderState, block: WireObject): string {
  const before = closeBlock(state)
  state.isOpen = true
  return before + frame('content_block_start', { index: state.index, content_block: block })
}

function delta(state: EncoderState, delta: WireObject): string {
  return state.isOpen ? frame('content_block_delta', { index: state.index, delta }) : ''
}

function closeBlock(state: EncoderState): string {
  if (!state.isOpen) return ''
  state.isOpen = false
  const { index } = state
  state.index += 1
  return frame('content_block_stop', { index })
}

/** Images and sound have no place here. */
function writeWhole(state: EncoderState, value: Extract<IrEvent, { type: 'block' }>['value']): string {
  if (value.type === 'image' || value.type === 'audio') return ''
  const block = encodeWholeBlock(value, state.context)
  if (!block) return ''
  const input = asObject(block.input)
  if (input === null) return openBlock(state, block) + closeBlock(state)
  // Clients take the input of a server's tool from deltas, as they do for their own.
  const start = openBlock(state, { ...block, input: {} })
  const text = delta(state, { type: 'input_json_delta', partial_json: JSON.stringify(input) })
  return start + text + closeBlock(state)
}

function onFinish(state: EncoderState, { finish, usage, cost, detail }: ReplyEnd): string {
  let text = start(state)
  for (const event of state.sequencer.end()) text += write(state, event)
  text += closeBlock(state)
  const stop = { stop_reason: writeMessagesFinish(finish), stop_sequence: finish.stopSequence }
  const counted = encodeMessagesUsage(usage ?? state.usage, cost)
  text += frame('message_delta', { delta: stop, usage: counted, ...(detail && noticeOf(detail)) })
  return text + frame('message_stop', {})
}

/**
 * Turns the events of a reply into output items and the events that announce them.
 *
 * Source: OpenAI "Responses streaming events". Items come one after the other: each is added, filled and done before the
 * next one begins. Texts that follow each other directly are the parts of one message.
 */
import type { ReplyContext } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import { createSequencer } from '../translation/sequence.ts'
import type { WireObject } from '../wire-value.ts'
import { addCallDelta, closeCall, openCall } from './write-call.ts'
import { addCitation, addText, closeMessage, endPart, startPart } from './write-message.ts'
import { addThought, closeThought, startThought, writeWholeBlock } from './write-thought.ts'
import type { Emit, ItemStatus, WriterState } from './writer-state.ts'

export interface ItemWriter {
  add(event: IrEvent): void
  /** The reply is over: closes what is open. */
  end(status: ItemStatus): void
  readonly output: readonly WireObject[]
  readonly hasRefusal: boolean
}

type Handlers = { readonly [T in IrEvent['type']]: (state: WriterState, event: Extract<IrEvent, { type: T }>) => void }

const HANDLERS: Handlers = {
  'reply-start': ignore,
  'text-start': startPart,
  'text-delta': (state, event) => addText(state, event.text),
  citation: (state, event) => addCitation(state, event.citation),
  'text-end': endPart,
  'thinking-start': startThought,
  'thinking-delta': (state, event) => addThought(state, event.text),
  'thinking-end': (state, event) => closeThought(state, event.signature),
  'tool-call-start': openCall,
  'tool-call-delta': (state, event) => addCallDelta(state, event.text),
  'tool-call-end': (state) => closeCall(state, 'completed'),
  block: (state, event) => writeWholeBlock(state, event.value),
  usage: ignore,
  finish: ignore,
}

/** Events that begin an item or a part of one. */
const STARTS: ReadonlySet<IrEvent['type']> = new Set(['text-start', 'thinking-start', 'tool-call-start', 'block'])

function ignore(): void {}

export function createItemWriter(context: ReplyContext, wantsEncrypted: boolean, emit: Emit): ItemWriter {
  const sequencer = createSequencer()
  const state: WriterState = {
    context,
    emit,
    wantsEncrypted,
    output: [],
    callIds: new Set(),
    hasRefusal: false,
    message: null,
    thought: null,
    call: null,
  }
  return {
    add(event) {
      for (const next of sequencer.push(event)) handle(state, next)
    },
    end(status) {
      for (const next of sequencer.end()) {
        // What began behind a call that was cut off waits no longer.
        if (state.call && STARTS.has(next.type)) closeCall(state, status)
        handle(state, next)
      }
      if (state.thought) closeThought(state, null)
      if (state.call) closeCall(state, status)
      closeMessage(state, status)
    },
    output: state.output,
    get hasRefusal() {
      return state.hasRefusal
    },
  }
}

function handle(state: WriterState, event: IrEvent): void {
  const handler = HANDLERS[event.type] as (state: WriterState, event: IrEvent) => void
  handler(state, event)
}

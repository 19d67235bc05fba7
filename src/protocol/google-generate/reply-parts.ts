/**
 * Turns the events of a reply into parts of a candidate, for streams and whole replies alike.
 *
 * A call is one part with all its arguments. Google's clients return a signature but not always what it signs, so what
 * another protocol thought travels in the signature of the next part (`bundle.ts`); thoughts are shown as parts only to
 * those who asked.
 */
import type { ReplyContext } from '../codec.ts'
import type { IrCitation } from '../ir/block.ts'
import type { IrEvent, WholeBlock } from '../ir/event.ts'
import { type IrThought, packThoughts } from '../translation/bundle.ts'
import { customInputAsArguments } from '../translation/custom-tool.ts'
import { sealBase64 } from '../translation/seal.ts'
import { createSequencer } from '../translation/sequence.ts'
import { flatToolName } from '../translation/tool-name.ts'
import type { WireObject } from '../wire-value.ts'
import { argumentsOf } from './encode-part.ts'
import { mediaPart } from './media.ts'

export interface PartWriter {
  /** The parts that the event completes. */
  push(event: IrEvent): WireObject[]
  /** The reply is over: the parts that were waiting, and a signature that found no other. */
  end(): WireObject[]
  readonly citations: readonly IrCitation[]
  /** Whether a call was left out because its arguments are no JSON. */
  readonly hasBrokenCall: boolean
}

interface OpenCall {
  readonly id: string
  readonly name: string
  readonly isCustom: boolean
  readonly input: string[]
}

interface WriterState {
  readonly context: ReplyContext
  readonly showsThoughts: boolean
  /** What was thought since the last part. */
  thoughts: IrThought[]
  thinking: string[]
  call: OpenCall | null
  readonly citations: IrCitation[]
  hasBrokenCall: boolean
}

export function createPartWriter(context: ReplyContext): PartWriter {
  const state: WriterState = {
    context,
    showsThoughts: context.request.reasoning?.show === true,
    thoughts: [],
    thinking: [],
    call: null,
    citations: [],
    hasBrokenCall: false,
  }
  const sequencer = createSequencer()
  const write = (events: readonly IrEvent[]): WireObject[] => events.flatMap((event) => partsOf(state, event))
  return {
    push: (event) => write(sequencer.push(event)),
    end() {
      const parts = write(sequencer.end())
      const signature = takeSignature(state)
      return signature === null ? parts : [...parts, { text: '', thoughtSignature: signature }]
    },
    citations: state.citations,
    get hasBrokenCall() {
      return state.hasBrokenCall
    },
  }
}

function partsOf(state: WriterState, event: IrEvent): WireObject[] {
  switch (event.type) {
    case 'text-delta':
      return event.text === '' ? [] : [signed(state, { text: event.text })]
    case 'citation':
      state.citations.push(event.citation)
      return []
    case 'thinking-delta':
      state.thinking.push(event.text)
      return state.showsThoughts && event.text !== '' ? [{ text: event.text, thought: true }] : []
    case 'thinking-end': {
      const text = state.thinking.join('')
      const { signature } = event
      if (text !== '' || signature) state.thoughts.push({ type: 'thinking', text, signature, mint: state.context.mint })
      state.thinking = []
      return []
    }
    case 'tool-call-start': {
      const { id, kind } = event
      state.call = { id, name: flatToolName(event), isCustom: kind === 'custom', input: [] }
      return []
    }
    case 'tool-call-delta':
      state.call?.input.push(event.text)
      return []
    case 'tool-call-end':
      return callParts(state)
    case 'block':
      return wholeParts(state, event.value)
    default:
      return []
  }
}

/** A call that was cut off must not run with what there is of its arguments. */
function callParts(state: WriterState): WireObject[] {
  const { call } = state
  state.call = null
  if (!call) return []
  const input = call.input.join('')
  const args = argumentsOf(call.isCustom ? customInputAsArguments(input) : input)
  if (args === null) {
    state.hasBrokenCall = true
    return []
  }
  return [signed(state, { functionCall: { id: call.id, name: call.name, args } })]
}

function wholeParts(state: WriterState, value: WholeBlock): WireObject[] {
  switch (value.type) {
    case 'redacted-thinking':
      state.thoughts.push(value)
      return []
    case 'image':
    case 'audio':
      return [signed(state, mediaPart(value.source))]
    case 'opaque':
      return value.protocol === 'google-generate' ? [value.value] : []
  }
}

function signed(state: WriterState, part: WireObject): WireObject {
  const signature = takeSignature(state)
  return signature === null ? part : { ...part, thoughtSignature: signature }
}

/** The signature of what was thought since the last part. */
function takeSignature(state: WriterState): string | null {
  const { thoughts } = state
  const { mint } = state.context
  if (thoughts.length === 0) return null
  state.thoughts = []
  if (mint.protocol !== 'google-generate') return sealBase64(mint, 'bundle', packThoughts(thoughts))
  const last = thoughts.findLast((thought) => thought.type === 'thinking' && thought.signature)
  return last?.type === 'thinking' ? last.signature : null
}

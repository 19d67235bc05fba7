/**
 * Writes a reply as Chat Completions chunks. Source: OpenAI "Streaming": one id, the role first, each call under an index
 * of its own with id and name in its first delta, the finish reason in a chunk of its own, then usage, then `[DONE]`.
 */
import type { ReplyContext, ReplyEnd, StreamEncoder } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import { noticeOf } from '../polite-end.ts'
import { argumentsAsCustomInput } from '../translation/custom-tool.ts'
import { dataUrl } from '../translation/data-url.ts'
import type { WireObject } from '../wire-value.ts'
import { type Annotator, createAnnotator } from './annotation.ts'
import { type ClientCall, calledMembers, clientCall } from './client-call.ts'
import { encodeChatUsage } from './encode-usage.ts'
import { encodeChatFinish } from './finish.ts'
import { createThoughtWriter, type ThoughtWriter } from './reply-thoughts.ts'

interface OpenCall {
  readonly index: number
  readonly call: ClientCall
  /** The input of a wrapped call, which is given as a whole. */
  readonly pieces: string[]
}

interface ChatState {
  readonly context: ReplyContext
  readonly id: string
  readonly head: string
  hasStarted: boolean
  readonly refusals: Set<number>
  readonly calls: Map<number, OpenCall>
  callCount: number
  isLegacy: boolean
  readonly thoughts: ThoughtWriter
  readonly annotator: Annotator
}

export function chatReplyId(requestId: string): string {
  return `chatcmpl-${requestId}`
}

export function createChatStreamEncoder(context: ReplyContext): StreamEncoder {
  const id = chatReplyId(context.requestId)
  const created = Math.floor(context.createdAtMs / 1000)
  const frame = JSON.stringify({ id, object: 'chat.completion.chunk', created, model: context.model })
  const state: ChatState = {
    context,
    id,
    head: `data: ${frame.slice(0, -1)},"choices":[`,
    hasStarted: false,
    refusals: new Set(),
    calls: new Map(),
    callCount: 0,
    isLegacy: false,
    thoughts: createThoughtWriter(context.mint),
    annotator: createAnnotator(),
  }
  return {
    encode: (event) => encodeEvent(state, event),
    finish: (end) => finish(state, end),
    position: () => ({ sequence: 0, replyId: state.hasStarted ? id : null }),
  }
}

type Handlers = { readonly [T in IrEvent['type']]?: (state: ChatState, event: Extract<IrEvent, { type: T }>) => string }

const HANDLERS: Handlers = {
  'reply-start': start,
  'text-start': onTextStart,
  'text-delta': onTextDelta,
  citation: onCitation,
  'thinking-start': onThinkingStart,
  'thinking-delta': onThinkingDelta,
  'thinking-end': onThinkingEnd,
  'tool-call-start': onCallStart,
  'tool-call-delta': onCallDelta,
  'tool-call-end': onCallEnd,
  block: onBlock,
}

function encodeEvent(state: ChatState, event: IrEvent): string {
  const handle = HANDLERS[event.type] as ((state: ChatState, event: IrEvent) => string) | undefined
  return handle ? handle(state, event) : ''
}

function start(state: ChatState): string {
  if (state.hasStarted) return ''
  state.hasStarted = true
  return chunk(state, '{"role":"assistant","content":""}')
}

function chunk({ head }: ChatState, delta: string): string {
  return `${head}{"index":0,"delta":${delta},"finish_reason":null}]}\n\n`
}

function delta(state: ChatState, members: WireObject): string {
  return start(state) + chunk(state, JSON.stringify(members))
}

function onTextStart(state: ChatState, { block, isRefusal }: Extract<IrEvent, { type: 'text-start' }>): string {
  if (isRefusal) state.refusals.add(block)
  else state.annotator.begin(block)
  return extraOfMessage(state)
}

function extraOfMessage(state: ChatState): string {
  const extra = state.thoughts.ofMessage()
  return extra ? delta(state, { extra_content: extra }) : ''
}

function onTextDelta(state: ChatState, { block, text }: Extract<IrEvent, { type: 'text-delta' }>): string {
  if (text === '') return ''
  if (state.refusals.has(block)) return delta(state, { refusal: text })
  state.annotator.add(text)
  return delta(state, { content: text })
}

function onCitation(state: ChatState, { block, citation }: Extract<IrEvent, { type: 'citation' }>): string {
  const annotation = state.annotator.annotate(block, citation)
  return annotation ? delta(state, { annotations: [annotation] }) : ''
}

function onThinkingStart(state: ChatState): string {
  return extraOfMessage(state)
}

function onThinkingDelta(state: ChatState, { text }: Extract<IrEvent, { type: 'thinking-delta' }>): string {
  if (text === '') return ''
  state.thoughts.addText(text)
  return delta(state, { reasoning_content: text })
}

function onThinkingEnd(state: ChatState, { signature }: Extract<IrEvent, { type: 'thinking-end' }>): string {
  const entry = state.thoughts.end(signature)
  return entry ? delta(state, { reasoning_details: [entry] }) : ''
}

function onCallStart(state: ChatState, event: Extract<IrEvent, { type: 'tool-call-start' }>): string {
  const call = clientCall(state.context.request, event)
  const extra = state.thoughts.ofCall()
  // The deprecated form has room for one call.
  if (call.form === 'function_call' && state.isLegacy) return ''
  const open = { index: state.callCount++, call, pieces: [] }
  state.calls.set(event.block, open)
  if (call.form === 'function_call') {
    state.isLegacy = true
    return delta(state, { function_call: calledMembers(call, '') })
  }
  const first = { index: open.index, id: event.id, ...calledMembers(call, ''), ...(extra && { extra_content: extra }) }
  return delta(state, { tool_calls: [first] })
}

function onCallDelta(state: ChatState, { block, text }: Extract<IrEvent, { type: 'tool-call-delta' }>): string {
  const open = state.calls.get(block)
  if (!open || text === '') return ''
  if (!open.call.isWrapped) return inputDelta(state, open, text)
  open.pieces.push(text)
  return ''
}

function inputDelta(state: ChatState, { index, call }: OpenCall, text: string): string {
  if (call.form === 'function_call') return delta(state, { function_call: { arguments: text } })
  const called = call.form === 'custom' ? { custom: { input: text } } : { function: { arguments: text } }
  return delta(state, { tool_calls: [{ index, ...called }] })
}

function onCallEnd(state: ChatState, { block }: Extract<IrEvent, { type: 'tool-call-end' }>): string {
  const open = state.calls.get(block)
  if (!open?.call.isWrapped) return ''
  const text = argumentsAsCustomInput(open.pieces.join(''))
  return text === '' ? '' : inputDelta(state, open, text)
}

/** Images as OpenRouter gives them; sound and what only its own protocol understands have no place. */
function onBlock(state: ChatState, { value }: Extract<IrEvent, { type: 'block' }>): string {
  if (value.type === 'redacted-thinking') return delta(state, { reasoning_details: [state.thoughts.redacted(value)] })
  const extra = extraOfMessage(state)
  if (value.type !== 'image' || value.source.type === 'file-id') return extra
  const url = value.source.type === 'url' ? value.source.url : dataUrl(value.source)
  return extra + delta(state, { images: [{ type: 'image_url', image_url: { url } }] })
}

function finish(state: ChatState, { finish, usage, cost, detail }: ReplyEnd): string {
  const kinds = { isLegacyCall: state.isLegacy, hasRefusal: state.refusals.size > 0 }
  const reason = JSON.stringify(encodeChatFinish(finish.finish, kinds))
  const { head } = state
  const notice = detail ? `,${JSON.stringify(noticeOf(detail)).slice(1, -1)}` : ''
  const last = `${head}{"index":0,"delta":{},"finish_reason":${reason}}]${notice}}\n\n`
  let frames = `${start(state)}${extraOfMessage(state)}${last}`
  const isAsked = state.context.includeUsage && usage !== null
  if (isAsked || cost !== null) frames += `${head}],"usage":${JSON.stringify(encodeChatUsage(usage, cost))}}\n\n`
  return `${frames}data: [DONE]\n\n`
}

/** Writes the calls of a reply as function or custom calls, named as the client's own tools are. */
import type { IrEvent } from '../ir/event.ts'
import { clientTool } from '../openai-chat/client-call.ts'
import { argumentsAsCustomInput } from '../translation/custom-tool.ts'
import { flatToolName } from '../translation/tool-name.ts'
import type { WireObject } from '../wire-value.ts'
import { closeMessage } from './write-message.ts'
import { addItem, finishItem, type ItemStatus, itemId, type WriterState } from './writer-state.ts'

export interface OpenCall {
  readonly id: string
  readonly index: number
  readonly callId: string
  readonly name: string
  readonly namespace: string | undefined
  readonly kind: 'function' | 'custom'
  /** The upstream knew the tool as a function: its arguments hold the free text, which is told from them as a whole. */
  readonly isWrapped: boolean
  text: string
}

export function openCall(state: WriterState, event: Extract<IrEvent, { type: 'tool-call-start' }>): void {
  closeMessage(state, 'completed')
  const tool = clientTool(state.context.request, flatToolName(event)) ?? event
  const kind = event.kind === 'custom' || ('type' in tool && tool.type === 'custom') ? 'custom' : 'function'
  const call = {
    id: itemId(state, kind === 'custom' ? 'ctc' : 'fc'),
    callId: freshCallId(state, event.id),
    name: tool.name,
    namespace: tool.namespace,
    kind,
    isWrapped: kind !== event.kind,
    text: '',
  } as const
  state.call = { ...call, index: addItem(state, itemOf(call, 'in_progress')) }
}

/** The official SDK refuses a reply in which two calls have one id. */
function freshCallId(state: WriterState, id: string): string {
  const fresh = state.callIds.has(id) ? itemId(state, 'call') : id
  state.callIds.add(fresh)
  return fresh
}

export function addCallDelta(state: WriterState, text: string): void {
  const { call } = state
  if (!call || text === '') return
  call.text += text
  if (!call.isWrapped) emitDelta(state, call, text)
}

function emitDelta(state: WriterState, call: OpenCall, delta: string): void {
  const type = call.kind === 'custom' ? 'response.custom_tool_call_input.delta' : DELTA
  state.emit(type, { item_id: call.id, output_index: call.index, delta })
}

const DELTA = 'response.function_call_arguments.delta'

export function closeCall(state: WriterState, status: ItemStatus): void {
  const { call } = state
  if (!call) return
  state.call = null
  if (call.isWrapped) {
    call.text = argumentsAsCustomInput(call.text)
    if (call.text !== '') emitDelta(state, call, call.text)
  } else if (call.kind === 'function' && call.text === '' && status === 'completed') {
    call.text = '{}'
    emitDelta(state, call, call.text)
  }
  const place = { item_id: call.id, output_index: call.index }
  if (call.kind === 'custom') state.emit('response.custom_tool_call_input.done', { ...place, input: call.text })
  else state.emit('response.function_call_arguments.done', { ...place, arguments: call.text })
  // Clients run what is done. They find out that half an argument is no JSON, but not that a free text is not whole.
  if (call.kind === 'custom' && status === 'incomplete') state.output[call.index] = itemOf(call, status)
  else finishItem(state, call.index, itemOf(call, status))
}

function itemOf(call: Omit<OpenCall, 'index'>, status: ItemStatus | 'in_progress'): WireObject {
  const isCustom = call.kind === 'custom'
  return {
    id: call.id,
    type: isCustom ? 'custom_tool_call' : 'function_call',
    status,
    ...(isCustom ? { input: call.text } : { arguments: call.text }),
    call_id: call.callId,
    name: call.name,
    ...(call.namespace !== undefined && { namespace: call.namespace }),
  }
}

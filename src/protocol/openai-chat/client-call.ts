/** How a model's call looks to the chat client that declared the tool. */
import type { IrToolCall } from '../ir/block.ts'
import type { IrCustomTool, IrFunctionTool, IrRequest } from '../ir/request.ts'
import { argumentsAsCustomInput } from '../translation/custom-tool.ts'
import { flatToolName } from '../translation/tool-name.ts'
import type { WireObject } from '../wire-value.ts'
import { LEGACY_TYPE } from './decode-tools.ts'

type CalledTool = IrFunctionTool | IrCustomTool

/** Of the requests whose replies are under way: tools by their flat names. */
const TOOLS = new WeakMap<IrRequest, ReadonlyMap<string, CalledTool>>()

/** The tool of the client's request that a model's call means by its flat name; the first one of that name. */
export function clientTool(request: IrRequest, flatName: string): CalledTool | undefined {
  const known = TOOLS.get(request)
  if (known) return known.get(flatName)
  const tools = new Map<string, CalledTool>()
  for (const tool of request.tools) {
    if (tool.type !== 'hosted' && !tools.has(flatToolName(tool))) tools.set(flatToolName(tool), tool)
  }
  TOOLS.set(request, tools)
  return tools.get(flatName)
}

export interface ClientCall {
  readonly name: string
  /** `function_call`: the client has declared `functions`, and knows no `tool_calls`. */
  readonly form: 'function' | 'custom' | 'function_call'
  /** The upstream took a tool of free text for a function: its arguments hold the text. */
  readonly isWrapped: boolean
}

export function clientCall(
  request: IrRequest,
  call: Pick<IrToolCall, 'name' | 'kind'> & { readonly namespace?: string | undefined },
): ClientCall {
  const name = flatToolName(call)
  const tool = clientTool(request, name)
  if (tool?.type === 'custom') return { name, form: 'custom', isWrapped: call.kind === 'function' }
  const isLegacy = request.source === 'openai-chat' && tool?.raw?.type === LEGACY_TYPE
  return { name, form: isLegacy ? 'function_call' : call.kind, isWrapped: false }
}

/** The members of a call, or of its first delta, with as much of the input as there is. */
export function calledMembers({ name, form, isWrapped }: ClientCall, input: string): WireObject {
  const text = isWrapped && input !== '' ? argumentsAsCustomInput(input) : input
  if (form === 'function_call') return { name, arguments: text }
  return form === 'custom'
    ? { type: 'custom', custom: { name, input: text } }
    : { type: 'function', function: { name, arguments: text } }
}

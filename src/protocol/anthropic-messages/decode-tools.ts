/** Reads tools and the choice of them in a Messages request. Source: Anthropic "Create a Message", "Tool use". */
import { AppError } from '../../base/errors.ts'
import type { IrTool, IrToolChoice } from '../ir/request.ts'
import { asName, asObject, asText } from '../wire-value.ts'
import { commonMembers } from './decode-block.ts'

const TOOL_MEMBERS = new Set(['name', 'description', 'input_schema', 'strict', 'cache_control'])

/** @throws AppError invalid_request */
export function decodeTools(value: unknown): IrTool[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('tools', 'must be a list of tools')
  return value.map((entry, i) => decodeTool(entry, `tools[${i}]`))
}

function invalid(path: string, what: string): AppError {
  return new AppError('invalid_request', `"${path}" ${what}.`, { param: path })
}

/** A tool with a type of its own is the vendor's: only this protocol knows its schema. */
function decodeTool(entry: unknown, path: string): IrTool {
  const tool = asObject(entry)
  if (!tool) throw invalid(path, 'must be a tool')
  const type = asName(tool.type)
  if (type !== null && type !== 'custom') {
    return { type: 'hosted', protocol: 'anthropic-messages', kind: type, value: tool }
  }
  const name = asName(tool.name)
  if (name === null) throw invalid(`${path}.name`, 'must be the name of the tool')
  const description = asText(tool.description)
  return {
    type: 'function',
    name,
    ...(description !== null && { description }),
    parameters: asObject(tool.input_schema),
    ...(typeof tool.strict === 'boolean' && { strict: tool.strict }),
    ...commonMembers(tool, TOOL_MEMBERS),
  }
}

export interface DecodedChoice {
  readonly toolChoice: IrToolChoice | null
  readonly parallelTools: boolean | null
}

/** @throws AppError invalid_request */
export function decodeToolChoice(value: unknown, tools: readonly IrTool[]): DecodedChoice {
  if (value === undefined || value === null) return { toolChoice: null, parallelTools: null }
  const choice = asObject(value)
  const single = choice?.disable_parallel_tool_use
  const parallelTools = typeof single === 'boolean' ? !single : null
  switch (choice?.type) {
    case 'auto':
      return { toolChoice: { type: 'auto' }, parallelTools }
    case 'any':
      return { toolChoice: { type: 'required' }, parallelTools }
    case 'none':
      return { toolChoice: { type: 'none' }, parallelTools }
    case 'tool':
      return { toolChoice: namedTool(asName(choice.name), tools), parallelTools }
    default:
      throw invalid('tool_choice', 'must be of type auto, any, tool or none')
  }
}

function namedTool(name: string | null, tools: readonly IrTool[]): IrToolChoice {
  if (name === null) throw invalid('tool_choice.name', 'must be the name of a tool')
  const hosted = tools.find((tool) => tool.type === 'hosted' && tool.value.name === name)
  if (hosted?.type === 'hosted') return { type: 'tool', kind: 'hosted', name: hosted.kind }
  return { type: 'tool', kind: 'function', name }
}

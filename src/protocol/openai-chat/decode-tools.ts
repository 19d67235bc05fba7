/**
 * The tools of a chat request and the choice among them. Source: OpenAI "Create chat completion" (functions, `custom`
 * tools, `allowed_tools`, the deprecated `functions` and `function_call`); tools that a vendor runs itself have types of
 * their own (OpenRouter, Groq).
 */
import type { IrCustomTool, IrFunctionTool, IrTool, IrToolChoice } from '../ir/request.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { invalid, marksOf } from './decode-parts.ts'

/** `raw.type` of a tool that came in the deprecated `functions`. */
export const LEGACY_TYPE = 'functions'

/** @throws AppError invalid_request */
export function decodeTools(body: WireObject): IrTool[] {
  const { tools, functions } = body
  if (tools != null && !Array.isArray(tools)) throw invalid('tools', 'a list')
  if (functions != null && !Array.isArray(functions)) throw invalid('functions', 'a list')
  return [
    ...asArray(tools).map((tool, i) => decodeTool(tool, `tools[${i}]`)),
    ...asArray(functions).map((value, i) => {
      const path = `functions[${i}]`
      const tool = asObject(value)
      if (!tool) throw invalid(path, 'an object')
      return { ...functionMembers(tool, path), raw: { ...unknownMembers(tool, FUNCTION_MEMBERS), type: LEGACY_TYPE } }
    }),
  ]
}

function decodeTool(value: unknown, path: string): IrTool {
  const tool = asObject(value)
  const type = asName(tool?.type) ?? (asObject(tool?.function) ? 'function' : null)
  if (!tool || type === null) throw invalid(`${path}.type`, 'a string')
  if (type === 'function') return decodeFunction(tool, path)
  if (type === 'custom') return decodeCustom(tool, path)
  return { type: 'hosted', protocol: 'openai-chat', kind: type, value: tool }
}

const FUNCTION_MEMBERS: ReadonlySet<string> = new Set(['name', 'description', 'parameters', 'strict'])

function decodeFunction(tool: WireObject, path: string): IrFunctionTool {
  const nested = asObject(tool.function)
  // Some clients write it flat, as Responses has it.
  const members = functionMembers(nested ?? tool, nested ? `${path}.function` : path)
  const { cache, raw: outer } = marksOf(tool, nested ? ['function'] : [...FUNCTION_MEMBERS])
  const inner = nested ? unknownMembers(nested, FUNCTION_MEMBERS) : undefined
  const raw = { ...outer, ...(inner && { function: inner }) }
  return { ...members, ...(cache && { cache }), ...(Object.keys(raw).length > 0 && { raw }) }
}

function functionMembers(value: WireObject, path: string): IrFunctionTool {
  const name = asName(value.name)
  if (name === null) throw invalid(`${path}.name`, 'a name')
  const parameters = asObject(value.parameters)
  if (parameters === null && value.parameters != null) throw invalid(`${path}.parameters`, 'a JSON schema object')
  const description = asText(value.description)
  return {
    type: 'function',
    name,
    ...(description !== null && { description }),
    parameters,
    ...(typeof value.strict === 'boolean' && { strict: value.strict }),
  }
}

const CUSTOM_MEMBERS: ReadonlySet<string> = new Set(['name', 'description', 'format'])

function decodeCustom(tool: WireObject, path: string): IrCustomTool {
  const custom = asObject(tool.custom) ?? tool
  const name = asName(custom.name)
  if (name === null) throw invalid(`${path}.custom.name`, 'a name')
  const description = asText(custom.description)
  const format = asObject(custom.format)
  const { cache, raw: outer } = marksOf(tool, custom === tool ? [...CUSTOM_MEMBERS] : ['custom'])
  const inner = custom === tool ? undefined : unknownMembers(custom, CUSTOM_MEMBERS)
  const raw = { ...outer, ...(inner && { custom: inner }) }
  return {
    type: 'custom',
    name,
    ...(description !== null && { description }),
    ...(format && { format: flatFormat(format) }),
    ...(cache && { cache }),
    ...(Object.keys(raw).length > 0 && { raw }),
  }
}

/** Chat nests a grammar once more than Responses. */
function flatFormat(format: WireObject): WireObject {
  const grammar = asObject(format.grammar)
  return format.type === 'grammar' && grammar ? { type: 'grammar', ...grammar } : format
}

const CHOICES: Readonly<Record<string, IrToolChoice>> = {
  auto: { type: 'auto' },
  none: { type: 'none' },
  required: { type: 'required' },
  any: { type: 'required' }, // Mistral
}

/** @throws AppError invalid_request */
export function decodeToolChoice(body: WireObject): IrToolChoice | null {
  if (body.tool_choice != null) return decodeChoice(body.tool_choice, 'tool_choice')
  return body.function_call == null ? null : decodeChoice(body.function_call, 'function_call')
}

function decodeChoice(value: unknown, path: string): IrToolChoice {
  const choice = asObject(value)
  const word = asText(value) ?? asText(choice?.type) ?? ''
  if (choice && word === 'allowed_tools') return decodeAllowed(choice, path)
  const known = Object.hasOwn(CHOICES, word) ? CHOICES[word] : undefined
  if (known) return known
  const custom = asName(asObject(choice?.custom)?.name)
  if (custom !== null) return { type: 'tool', kind: 'custom', name: custom }
  const name = asName(asObject(choice?.function)?.name) ?? asName(choice?.name)
  if (name !== null) return { type: 'tool', kind: word === 'custom' ? 'custom' : 'function', name }
  if (choice && word !== '' && word !== 'function' && word !== 'custom')
    return { type: 'tool', kind: 'hosted', name: word }
  throw invalid(path, 'auto, none, required or an object that names a tool')
}

function decodeAllowed(choice: WireObject, path: string): IrToolChoice {
  const allowed = asObject(choice.allowed_tools) ?? choice
  const names = asArray(allowed.tools).map((entry) => {
    const tool = asObject(entry)
    const named = asObject(tool?.function) ?? asObject(tool?.custom) ?? tool
    return asName(named?.name) ?? asName(tool?.type)
  })
  if (names.length === 0 || names.includes(null)) throw invalid(`${path}.allowed_tools.tools`, 'a list of tools')
  return { type: 'allowed', mode: allowed.mode === 'required' ? 'required' : 'auto', names: names as string[] }
}

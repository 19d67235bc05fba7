/** Reads tools and the choice among them. Source: OpenAI "Create a model response" (`tools`, `tool_choice`). */
import { isDeepStrictEqual } from 'node:util'
import type { IrTool, IrToolChoice } from '../ir/request.ts'
import { unknownMembers } from '../translation/raw.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { asArray, asName, asObject, type WireObject } from '../wire-value.ts'
import { invalid } from './decode-part.ts'
import { encodeToolChoice } from './encode-tools.ts'
import { withGroup } from './marks.ts'

export function decodeTools(value: unknown, path: string): IrTool[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid(path, 'must be a list')
  return value.flatMap((entry, i) => decodeTool(entry, `${path}[${i}]`))
}

function decodeTool(value: unknown, path: string): IrTool[] {
  const wire = asObject(value)
  const type = asName(wire?.type)
  if (!wire || type === null) throw invalid(path, 'must be an object with a type')
  switch (type) {
    case 'function':
      return [decodeFunction(wire, path, undefined)]
    case 'custom':
      return [decodeCustom(wire, path, undefined)]
    case 'namespace':
      return decodeNamespace(wire, path) ?? [hosted(wire, type)]
    default:
      return [hosted(wire, type)]
  }
}

function hosted(value: WireObject, kind: string): IrTool {
  return { type: 'hosted', protocol: 'openai-responses', kind, value }
}

const FUNCTION_MEMBERS = new Set(['type', 'name', 'description', 'parameters', 'strict'])
const CUSTOM_MEMBERS = new Set(['type', 'name', 'description', 'format'])

function decodeFunction(wire: WireObject, path: string, namespace: string | undefined): IrTool {
  const raw = unknownMembers(wire, FUNCTION_MEMBERS)
  return {
    type: 'function',
    ...named(wire, path, namespace),
    parameters: asObject(wire.parameters),
    ...(typeof wire.strict === 'boolean' && { strict: wire.strict }),
    ...(raw && { raw }),
  }
}

function decodeCustom(wire: WireObject, path: string, namespace: string | undefined): IrTool {
  const raw = unknownMembers(wire, CUSTOM_MEMBERS)
  const format = asObject(wire.format)
  return {
    type: 'custom',
    ...named(wire, path, namespace),
    ...(format && { format }),
    ...(raw && { raw }),
  }
}

function named(
  wire: WireObject,
  path: string,
  namespace: string | undefined,
): { name: string; namespace?: string; description?: string } {
  const name = asName(wire.name)
  if (name === null) throw invalid(`${path}.name`, 'is missing')
  const { description } = wire
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(typeof description === 'string' && { description }),
  }
}

/** Null when the group holds something else than functions and custom tools, or nothing. */
function decodeNamespace(wire: WireObject, path: string): IrTool[] | null {
  const namespace = asName(wire.name)
  if (namespace === null) throw invalid(`${path}.name`, 'is missing')
  const inner = asArray(wire.tools).map(asObject)
  if (inner.length === 0 || !inner.every((tool) => tool?.type === 'function' || tool?.type === 'custom')) return null
  const tools = inner.map((tool, i) => {
    const decode = tool?.type === 'custom' ? decodeCustom : decodeFunction
    return decode(tool as WireObject, `${path}.tools[${i}]`, namespace)
  })
  return asGroup(tools, wire, null)
}

/** Marks tools that stand in one object of the wire, so that the first of them can bring it back. */
export function asGroup(tools: readonly IrTool[], wire: WireObject, at: number | null): IrTool[] | null {
  // Hosted tools cannot carry the mark.
  const ordered = [...tools.filter((tool) => tool.type !== 'hosted'), ...tools.filter((tool) => tool.type === 'hosted')]
  const [first, ...others] = ordered
  if (!first || first.type === 'hosted') return null
  return [{ ...first, raw: withGroup(first.raw, { wire, count: ordered.length, at }) }, ...others]
}

export interface DecodedChoice {
  readonly choice: IrToolChoice | null
  /** Whether the choice says all that the wire does; otherwise the wire's own value must be kept. */
  readonly isWhole: boolean
}

export function decodeToolChoice(value: unknown, tools: readonly IrTool[]): DecodedChoice {
  if (value === undefined || value === null) return { choice: null, isWhole: true }
  const choice = readChoice(value)
  return { choice, isWhole: isDeepStrictEqual(encodeToolChoice(choice, tools), value) }
}

function readChoice(value: unknown): IrToolChoice | null {
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value }
  const wire = asObject(value)
  const type = asName(wire?.type)
  if (!wire || type === null)
    throw invalid('tool_choice', 'must be "auto", "none", "required" or an object with a type')
  if (type === 'allowed_tools') return readAllowed(wire)
  if (type !== 'function' && type !== 'custom') return { type: 'tool', kind: 'hosted', name: type }
  const name = flatName(wire)
  if (name === null) throw invalid('tool_choice.name', 'is missing')
  return { type: 'tool', kind: type, name }
}

function readAllowed(wire: WireObject): IrToolChoice {
  const names = asArray(wire.tools).flatMap((entry) => flatName(asObject(entry)) ?? [])
  return { type: 'allowed', mode: wire.mode === 'required' ? 'required' : 'auto', names }
}

function flatName(wire: WireObject | null): string | null {
  const name = asName(wire?.name)
  return name === null ? null : flatToolName({ name, namespace: asName(wire?.namespace) ?? undefined })
}

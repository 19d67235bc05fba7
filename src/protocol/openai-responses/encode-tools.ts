/** Writes tools and the choice among them. Source: OpenAI "Create a model response" (`tools`, `tool_choice`). */
import type { Quirks } from '../../base/quirks.ts'
import type { Warning } from '../codec.ts'
import type { IrCustomTool, IrFunctionTool, IrHostedTool, IrTool, IrToolChoice } from '../ir/request.ts'
import { customToolAsFunction } from '../translation/custom-tool.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { normaliseToolSchema, toolSchemaBudget } from '../translation/tool-schema.ts'
import type { SchemaBudget } from '../translation/tool-schema-budget.ts'
import type { WireObject } from '../wire-value.ts'
import { toolGroupOf } from './marks.ts'

export interface OwnTools {
  readonly tools: readonly WireObject[]
  /** Items of `input` that bring tools, each with its place among the items. */
  readonly items: readonly { readonly at: number; readonly wire: WireObject }[]
}

/** The tools of a request that came in this protocol, as they came. */
export function encodeOwnTools(tools: readonly IrTool[]): OwnTools {
  const wires: WireObject[] = []
  const items: { at: number; wire: WireObject }[] = []
  for (let i = 0; i < tools.length; ) {
    const tool = tools[i] as IrTool
    const group = tool.type === 'hosted' ? null : toolGroupOf(tool.raw)
    if (group && group.at !== null) items.push({ at: group.at, wire: group.wire })
    else wires.push(group ? group.wire : encodeOwnTool(tool))
    i += group?.count ?? 1
  }
  return { tools: wires, items }
}

function encodeOwnTool(tool: IrTool): WireObject {
  switch (tool.type) {
    case 'hosted':
      return tool.value
    case 'function':
      return {
        type: 'function',
        name: tool.name,
        ...(tool.description !== undefined && { description: tool.description }),
        ...(tool.parameters && { parameters: tool.parameters }),
        ...(tool.strict !== undefined && { strict: tool.strict }),
        ...tool.raw,
      }
    case 'custom':
      return { ...encodeCustomTool(tool), ...tool.raw }
  }
}

function encodeCustomTool(tool: IrCustomTool): WireObject {
  return {
    type: 'custom',
    name: tool.name,
    ...(tool.description !== undefined && { description: tool.description }),
    ...(tool.format && { format: tool.format }),
  }
}

/** The tools of a request that came in another protocol; `all` are the client's, by whose places warnings speak. */
export function encodeForeignTools(
  tools: readonly (IrFunctionTool | IrCustomTool | IrHostedTool)[],
  all: readonly IrTool[],
  quirks: Quirks,
  warnings: Warning[],
): WireObject[] {
  const places = new Map(all.map((tool, i) => [tool, i]))
  const budget = toolSchemaBudget(all)
  return tools.map((tool) => {
    if (tool.type === 'hosted') return tool.value
    const field = `tools[${places.get(tool)}]`
    if (tool.type === 'function') return encodeFunction(tool, field, warnings, budget)
    if (quirks.customTools ?? true) return { ...encodeCustomTool(tool), name: flatToolName(tool) }
    warnings.push({ action: 'changed', field, detail: 'a function with one text argument' })
    return { type: 'function', ...customToolAsFunction(tool), name: flatToolName(tool), strict: false }
  })
}

function encodeFunction(tool: IrFunctionTool, field: string, warnings: Warning[], budget: SchemaBudget): WireObject {
  const { schema, losses } = normaliseToolSchema(tool.parameters, 'openai-responses', budget)
  if (losses.length > 0) {
    warnings.push({ action: 'changed', field: `${field}.parameters`, detail: losses.slice(0, 3).join(', ') })
  }
  return {
    type: 'function',
    name: flatToolName(tool),
    ...(tool.description !== undefined && { description: tool.description }),
    parameters: schema,
    // The vendor's own default is true, which refuses most schemas that were not written for it.
    strict: tool.strict ?? false,
  }
}

/** Null when the request leaves the choice to the vendor. */
export function encodeToolChoice(choice: IrToolChoice | null, tools: readonly IrTool[]): unknown {
  switch (choice?.type) {
    case undefined:
      return null
    case 'auto':
    case 'none':
    case 'required':
      return choice.type
    case 'tool':
      return choice.kind === 'hosted' ? { type: choice.name } : { type: choice.kind, name: choice.name }
    case 'allowed': {
      const custom = new Set(tools.flatMap((tool) => (tool.type === 'custom' ? [flatToolName(tool)] : [])))
      const entries = choice.names.map((name) => ({ type: custom.has(name) ? 'custom' : 'function', name }))
      return { type: 'allowed_tools', mode: choice.mode, tools: entries }
    }
  }
}

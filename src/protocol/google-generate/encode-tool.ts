/** Writes tools and how they may be called. Source: Google "Tool", "FunctionDeclaration", "FunctionCallingConfig". */
import type { IrCustomTool, IrFunctionTool, IrHostedTool, IrRequest, IrToolChoice } from '../ir/request.ts'
import { customToolAsFunction } from '../translation/custom-tool.ts'
import { normaliseToolSchema, toolSchemaBudget } from '../translation/tool-schema.ts'
import type { SchemaBudget } from '../translation/tool-schema-budget.ts'
import type { WireObject } from '../wire-value.ts'
import { functionName, legalFunctionName } from './function-name.ts'
import type { Notes } from './notes.ts'

type WireTool = IrFunctionTool | IrCustomTool | IrHostedTool

/** Functions that follow each other share one object. */
export function encodeTools(tools: readonly WireTool[], request: IrRequest, notes: Notes): WireObject[] {
  const isOwn = request.source === 'google-generate'
  const places = new Map(request.tools.map((tool, i) => [tool, i]))
  const budget = toolSchemaBudget(request.tools)
  const encoded: WireObject[] = []
  let declarations: WireObject[] | null = null
  for (const tool of tools) {
    if (tool.type === 'hosted') {
      encoded.push(tool.value)
      declarations = null
      continue
    }
    if (!declarations) encoded.push({ functionDeclarations: (declarations = []) })
    const path = `tools[${places.get(tool)}]`
    declarations.push(isOwn ? ownDeclaration(tool) : declaration(tool, path, notes, budget))
  }
  return encoded
}

function ownDeclaration(tool: IrFunctionTool | IrCustomTool): WireObject {
  const { name, description } = tool
  const parameters = tool.type === 'function' ? tool.parameters : null
  const schema = parameters && tool.raw?.parameters === undefined ? { parametersJsonSchema: parameters } : {}
  return { name, ...(description !== undefined && { description }), ...schema, ...tool.raw }
}

function declaration(
  tool: IrFunctionTool | IrCustomTool,
  path: string,
  notes: Notes,
  budget: SchemaBudget,
): WireObject {
  if (tool.type === 'custom') {
    const { description, parameters } = customToolAsFunction(tool)
    return { name: functionName(tool), description, parametersJsonSchema: parameters }
  }
  const { description, parameters, strict } = tool
  if (strict) notes.droppedOnce('strict', `${path}.strict`)
  const name = functionName(tool)
  if (!parameters) return { name, ...(description !== undefined && { description }) }
  const { schema, losses } = normaliseToolSchema(parameters, 'google-generate', budget)
  if (losses.length > 0) notes.changed(`${path}.parameters`, losses.slice(0, MAX_LOSSES).join(', '))
  return { name, ...(description !== undefined && { description }), parametersJsonSchema: schema }
}

/** Named in one warning. */
const MAX_LOSSES = 3

/** Null when nothing is to be said. */
export function encodeToolChoice(choice: IrToolChoice, request: IrRequest): WireObject | null {
  switch (choice.type) {
    case 'auto':
      return { mode: 'AUTO' }
    case 'none':
      return { mode: 'NONE' }
    case 'required':
      return { mode: 'ANY' }
    case 'tool':
      return choice.kind === 'hosted' ? null : { mode: 'ANY', allowedFunctionNames: wireNames(request, [choice.name]) }
    case 'allowed':
      // With AUTO, a list of names is not looked at.
      return {
        mode: choice.mode === 'required' ? 'ANY' : 'VALIDATED',
        allowedFunctionNames: wireNames(request, choice.names),
      }
  }
}

/** A choice names a tool with or without its group; the first tool of a name counts. */
function wireNames({ tools }: IrRequest, names: readonly string[]): string[] {
  const byName = new Map<string, string>()
  for (const tool of tools) {
    if (tool.type !== 'hosted' && !byName.has(tool.name)) byName.set(tool.name, functionName(tool))
  }
  return names.map((name) => byName.get(name) ?? legalFunctionName(name))
}

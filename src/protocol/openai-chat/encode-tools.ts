/** Writes tools, the choice among them and the form of the answer. Source: OpenAI "Create chat completion". */
import type { Warning } from '../codec.ts'
import type { IrCustomTool, IrFunctionTool, IrHostedTool, IrToolChoice } from '../ir/request.ts'
import { customToolAsFunction } from '../translation/custom-tool.ts'
import { splitTools } from '../translation/hosted-tools.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { normaliseToolSchema, toolSchemaBudget } from '../translation/tool-schema.ts'
import type { SchemaBudget } from '../translation/tool-schema-budget.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import type { ChatWriter } from './chat-writer.ts'
import { LEGACY_TYPE } from './decode-tools.ts'
import { withMarks } from './encode-parts.ts'

/** Whether tools of free text may be sent as such. */
export function takesCustomTools({ quirks, isOwn }: ChatWriter): boolean {
  return quirks.customTools ?? isOwn
}

/** Writes the members into the body. Returns a sentence for the system prompt, or null. @throws AppError unsupported_feature */
export function encodeTools(writer: ChatWriter, body: Record<string, unknown>): string | null {
  const { request, quirks, isOwn } = writer
  const split = splitTools(request, 'openai-chat')
  for (const warning of split.warnings) writer.warnings.push(warning)
  const choice = permitted(writer, request.toolChoice)
  const sent = allowedTools(writer, split.tools, choice)
  const places = new Map(request.tools.map((tool, i) => [tool, i]))
  const budget = toolSchemaBudget(request.tools)
  const tools: WireObject[] = []
  const functions: WireObject[] = []
  for (const tool of sent) {
    const path = `tools[${places.get(tool)}]`
    const isLegacy = isOwn && tool.type === 'function' && tool.raw?.type === LEGACY_TYPE
    if (isLegacy) functions.push(legacyFunction(tool as IrFunctionTool))
    else tools.push(encodeTool(writer, tool, path, budget))
  }
  if (tools.length > 0) body.tools = tools
  if (functions.length > 0) body.functions = functions
  if (choice && (isOwn || tools.length > 0)) {
    if (tools.length === 0 && functions.length > 0) body.function_call = legacyChoice(choice)
    else body.tool_choice = encodeChoice(writer, choice)
  }
  encodeParallel(writer, body, tools.length > 0)
  if (quirks.strictTools === false) warnStrict(writer)
  return split.note
}

type Tool = IrFunctionTool | IrCustomTool | IrHostedTool

function encodeTool(writer: ChatWriter, tool: Tool, path: string, budget: SchemaBudget): WireObject {
  if (tool.type === 'hosted') return tool.value
  if (tool.type === 'function') return encodeFunction(writer, tool, path, budget)
  const name = flatToolName(tool)
  if (!takesCustomTools(writer)) {
    const asFunction = { ...customToolAsFunction(tool), name }
    return withMarks(writer, markOnly(tool), { type: 'function', function: asFunction })
  }
  const { custom, ...outer } = writer.isOwn && tool.raw ? tool.raw : {}
  const body = {
    name,
    ...(tool.description !== undefined && { description: tool.description }),
    ...(tool.format && { format: nestedFormat(tool.format) }),
    ...asObject(custom),
  }
  return withMarks(writer, { ...markOnly(tool), raw: outer }, { type: 'custom', custom: body })
}

function markOnly({ cache }: IrFunctionTool | IrCustomTool): Pick<IrFunctionTool, 'cache'> {
  return cache ? { cache } : {}
}

function nestedFormat(format: WireObject): WireObject {
  if (format.type !== 'grammar') return format
  const { type, ...grammar } = format
  return { type, grammar }
}

function encodeFunction(writer: ChatWriter, tool: IrFunctionTool, path: string, budget: SchemaBudget): WireObject {
  const { function: inner, ...outer } = writer.isOwn && tool.raw ? tool.raw : {}
  const parameters = parametersOf(writer, tool, path, budget)
  const body = {
    name: flatToolName(tool),
    ...(tool.description !== undefined && { description: tool.description }),
    ...(parameters && { parameters }),
    ...(tool.strict !== undefined && writer.quirks.strictTools !== false && { strict: tool.strict }),
    ...asObject(inner),
  }
  return withMarks(writer, { ...markOnly(tool), raw: outer }, { type: 'function', function: body })
}

/** A chat client's schema was written for chat. */
function parametersOf(
  writer: ChatWriter,
  { parameters }: IrFunctionTool,
  path: string,
  budget: SchemaBudget,
): WireObject | null {
  if (writer.isOwn) return parameters
  const { schema, losses } = normaliseToolSchema(parameters, 'openai-chat', budget)
  for (const loss of losses) writer.warnings.push({ action: 'changed', field: `${path}.parameters`, detail: loss })
  return schema
}

function legacyFunction({ name, description, parameters, strict, raw }: IrFunctionTool): WireObject {
  const { type: _type, ...rest } = raw ?? {}
  return {
    name,
    ...(description !== undefined && { description }),
    ...(parameters && { parameters }),
    ...(strict !== undefined && { strict }),
    ...rest,
  }
}

function warnStrict(writer: ChatWriter): void {
  const at = writer.request.tools.findIndex((tool) => tool.type === 'function' && tool.strict)
  if (at >= 0) writer.warnings.push({ action: 'dropped', field: `tools[${at}].strict` })
}

/** The choice that the upstream takes: where it cannot be forced, the model is free. */
function permitted(writer: ChatWriter, choice: IrToolChoice | null): IrToolChoice | null {
  if (choice === null || writer.quirks.forcedToolChoice !== false) return choice
  const isForced = choice.type === 'required' || choice.type === 'tool'
  if (!isForced && !(choice.type === 'allowed' && choice.mode === 'required')) return choice
  writer.warnings.push({ action: 'changed', field: 'tool_choice', detail: 'auto' })
  return choice.type === 'allowed' ? { ...choice, mode: 'auto' } : { type: 'auto' }
}

/** OpenAI alone has a list of allowed tools; others are sent these tools only, which says the same. */
function takesAllowed({ isOwn, quirks }: ChatWriter): boolean {
  return isOwn || quirks.ownVendor === true
}

function allowedTools(writer: ChatWriter, tools: readonly Tool[], choice: IrToolChoice | null): readonly Tool[] {
  if (choice?.type !== 'allowed' || takesAllowed(writer)) return tools
  const names = new Set(choice.names)
  return tools.filter((tool) => names.has(choiceName(tool)))
}

/** What a choice calls a tool. */
function choiceName(tool: Tool): string {
  return tool.type === 'hosted' ? tool.kind : tool.name
}

function encodeChoice(writer: ChatWriter, choice: IrToolChoice): unknown {
  switch (choice.type) {
    case 'tool': {
      if (choice.kind === 'hosted') return { type: choice.name }
      const tool = writer.request.tools.find((tool) => choiceName(tool) === choice.name)
      return namedTool(writer, tool, choice.name, choice.kind)
    }
    case 'allowed': {
      if (!takesAllowed(writer)) return choice.mode
      // The first of a name counts.
      const byName = new Map([...writer.request.tools].reverse().map((tool) => [choiceName(tool), tool]))
      return {
        type: 'allowed_tools',
        allowed_tools: {
          mode: choice.mode,
          tools: choice.names.map((name) => namedTool(writer, byName.get(name), name)),
        },
      }
    }
    default:
      return choice.type
  }
}

function namedTool(writer: ChatWriter, tool: Tool | undefined, name: string, said?: 'function' | 'custom'): WireObject {
  if (tool?.type === 'hosted') return { type: name }
  const kind = said ?? tool?.type ?? 'function'
  const sentAs = kind === 'custom' && takesCustomTools(writer) ? 'custom' : 'function'
  return { type: sentAs, [sentAs]: { name: tool ? flatToolName(tool) : name } }
}

function legacyChoice(choice: IrToolChoice): unknown {
  return choice.type === 'tool' ? { name: choice.name } : choice.type
}

function encodeParallel(writer: ChatWriter, body: Record<string, unknown>, hasTools: boolean): void {
  const { request, quirks, isOwn, warnings } = writer
  if (request.parallelTools === null || !(isOwn || hasTools)) return
  if (quirks.parallelToolCalls !== false) body.parallel_tool_calls = request.parallelTools
  else if (!request.parallelTools) {
    const warning: Warning = { action: 'dropped', field: 'parallel_tool_calls' }
    warnings.push(warning)
  }
}

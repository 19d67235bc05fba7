/** Writes tools and the choice of them. Source: Anthropic "Create a Message", "Tool use". */
import type { IrCustomTool, IrFunctionTool, IrHostedTool, IrToolChoice } from '../ir/request.ts'
import { customToolAsFunction } from '../translation/custom-tool.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { normaliseToolSchema, toolSchemaBudget } from '../translation/tool-schema.ts'
import type { SchemaBudget } from '../translation/tool-schema-budget.ts'
import { fieldOf, PROTOCOL, type RequestWork, type WireDraft, warn, withCommon } from './encode-work.ts'

type Tool = IrFunctionTool | IrCustomTool | IrHostedTool

/** The tools that the upstream is offered. */
export function encodeTools(work: RequestWork, tools: readonly Tool[]): WireDraft[] {
  const indexes = new Map(work.request.tools.map((tool, i) => [tool, i]))
  const budget = toolSchemaBudget(work.request.tools)
  const names = new Set<string>()
  const drafts: WireDraft[] = []
  for (const tool of allowedTools(work, tools)) {
    const place = `tools[${indexes.get(tool) ?? 0}]`
    const name = tool.type === 'hosted' ? null : flatToolName(tool)
    if (work.isForeign && name !== null && names.has(name)) warn(work, 'dropped', place, 'a second tool of the name')
    else drafts.push(encodeTool(work, tool, place, budget))
    if (name !== null) names.add(name)
  }
  return drafts
}

/** This wire cannot offer a tool and forbid it: those that may not be called are left out. */
function allowedTools(work: RequestWork, tools: readonly Tool[]): readonly Tool[] {
  const choice = work.request.toolChoice
  if (choice?.type !== 'allowed') return tools
  warn(work, 'changed', fieldOf(work, 'toolChoice'), 'other tools are not offered')
  const allowed = new Set(choice.names)
  return tools.filter((tool) => {
    if (tool.type === 'hosted') return allowed.has(tool.kind)
    return allowed.has(tool.name) || allowed.has(flatToolName(tool))
  })
}

function encodeTool(work: RequestWork, tool: Tool, place: string, budget: SchemaBudget): WireDraft {
  switch (tool.type) {
    case 'function':
      return encodeFunction(work, tool, place, budget)
    case 'custom': {
      const { name: _name, description, parameters } = customToolAsFunction(tool)
      const draft = { ...nameAndText({ ...tool, description }), input_schema: parameters }
      return withCommon(work, draft, tool, place)
    }
    case 'hosted':
      return encodeHosted(work, tool, place)
  }
}

function nameAndText(tool: { name: string; namespace?: string; description?: string }): WireDraft {
  const { description } = tool
  return { name: flatToolName(tool), ...(description !== undefined && { description }) }
}

function encodeFunction(work: RequestWork, tool: IrFunctionTool, place: string, budget: SchemaBudget): WireDraft {
  const { parameters, strict } = tool
  if (!work.isForeign) {
    const schema = parameters && { input_schema: parameters }
    return withCommon(work, { ...nameAndText(tool), ...schema, ...(strict !== undefined && { strict }) }, tool, place)
  }
  const { schema, losses } = normaliseToolSchema(parameters, PROTOCOL, budget)
  for (const loss of losses) warn(work, 'changed', `${place}.parameters`, loss)
  // Strict schemas of one vendor are refused by another, which allows fewer words in them.
  if (strict === true) warn(work, 'dropped', `${place}.strict`)
  for (const key of Object.keys(tool.raw ?? {})) warn(work, 'dropped', `${place}.${key}`)
  return withCommon(work, { ...nameAndText(tool), input_schema: schema }, tool, place)
}

function encodeHosted(work: RequestWork, tool: IrHostedTool, place: string): WireDraft {
  const draft: WireDraft = { ...tool.value }
  if (draft.cache_control) work.marked.push({ draft, field: `${place}.cache_control` })
  return draft
}

/** Null where the wire's default says the same, or where there is nothing to choose from. */
export function encodeToolChoice(work: RequestWork, drafts: readonly WireDraft[]): WireDraft | null {
  const { request, target } = work
  const { toolChoice, parallelTools } = request
  if (drafts.length === 0) {
    if (!work.isForeign) return toolChoice && withParallel(work, wireChoice(work, toolChoice))
    if (isForced(toolChoice)) warn(work, 'dropped', fieldOf(work, 'toolChoice'), 'there are no tools')
    return null
  }
  if (toolChoice === null) return parallelTools === false ? withParallel(work, { type: 'auto' }) : null
  if (target.quirks.forcedToolChoice === false && isForced(toolChoice)) {
    warn(work, 'changed', fieldOf(work, 'toolChoice'), 'auto')
    return withParallel(work, { type: 'auto' })
  }
  return withParallel(work, wireChoice(work, toolChoice))
}

function isForced(choice: IrToolChoice | null): boolean {
  if (choice?.type === 'allowed') return choice.mode === 'required'
  return choice?.type === 'required' || choice?.type === 'tool'
}

function wireChoice({ request }: RequestWork, choice: IrToolChoice): WireDraft {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return { type: choice.type }
    case 'required':
      return { type: 'any' }
    case 'allowed':
      return { type: choice.mode === 'required' ? 'any' : 'auto' }
    case 'tool': {
      const tool = request.tools.find((candidate) =>
        candidate.type === 'hosted'
          ? choice.kind === 'hosted' && candidate.kind === choice.name
          : choice.kind !== 'hosted' && (candidate.name === choice.name || flatToolName(candidate) === choice.name),
      )
      if (!tool) return { type: 'tool', name: choice.name }
      return { type: 'tool', name: tool.type === 'hosted' ? (tool.value.name ?? tool.kind) : flatToolName(tool) }
    }
  }
}

function withParallel(work: RequestWork, choice: WireDraft): WireDraft {
  const { parallelTools } = work.request
  if (parallelTools === null || choice.type === 'none') return choice
  // Several calls are the default, so only this protocol's own clients have it written out.
  if (parallelTools && work.isForeign) return choice
  if (work.target.quirks.parallelToolCalls !== false) return { ...choice, disable_parallel_tool_use: !parallelTools }
  if (!parallelTools) warn(work, 'dropped', fieldOf(work, 'parallelTools'))
  return choice
}

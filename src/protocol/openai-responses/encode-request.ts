/**
 * Writes a request for a Responses upstream: as it came when it came in this protocol, else with what this protocol
 * needs beside it (nothing stored there, and the reasoning encrypted so that it can be sent back).
 *
 * Source: OpenAI "Create a model response".
 */
import { AppError } from '../../base/errors.ts'
import type { Protocol } from '../../base/words.ts'
import type { EncodedRequest, UpstreamTarget, Warning } from '../codec.ts'
import type { IrRequest } from '../ir/request.ts'
import { splitTools } from '../translation/hosted-tools.ts'
import { encodeRaw } from '../translation/raw.ts'
import { effortOf, nearestEffort } from '../translation/reasoning.ts'
import { encodeSettings } from '../translation/settings.ts'
import { normaliseFormatSchema } from '../translation/tool-schema.ts'
import type { WireObject } from '../wire-value.ts'
import { encodeMessages, encodeSystem } from './encode-input.ts'
import type { InputContext } from './encode-part.ts'
import { encodeForeignTools, encodeOwnTools, encodeToolChoice, type OwnTools } from './encode-tools.ts'
import { markOf } from './marks.ts'
import { instructionsOf } from './response-object.ts'
import { encodeTextFormat } from './text-format.ts'

type Body = Record<string, unknown>

/** @throws AppError unsupported_feature */
export function encodeResponsesRequest(request: IrRequest, target: UpstreamTarget): EncodedRequest {
  const warnings: Warning[] = []
  const isOwn = request.source === 'openai-responses'
  const context = inputContext(request, target, warnings)
  const body: Body = { model: target.model }
  if (isOwn) addOwnMembers(body, request, context)
  else addForeignMembers(body, request, target, context, warnings)
  if (request.stream) body.stream = true
  const { dropSettings = [], ownVendor = false } = target.quirks
  const settingsTarget = { source: request.source, target: 'openai-responses', drop: dropSettings, ownVendor } as const
  warnings.push(...encodeSettings(request.settings, settingsTarget, body))
  for (const warning of encodeRaw(request, 'openai-responses', body)) warnings.push(warning)
  if (!isOwn) forbidStorage(body, request, warnings)
  return { body, warnings }
}

function inputContext(request: IrRequest, { account, quirks }: UpstreamTarget, warnings: Warning[]): InputContext {
  const isOwn = request.source === 'openai-responses'
  const said = new Set<string>()
  return {
    isOwn,
    knowsFiles: isOwn || (request.source === 'openai-chat' && quirks.ownVendor === true),
    account,
    quirks,
    warn(about, warning) {
      if (!said.has(about)) warnings.push(warning)
      said.add(about)
    },
  }
}

function addOwnMembers(body: Body, request: IrRequest, context: InputContext): void {
  const instructions = instructionsOf(request)
  if (instructions !== null) body.instructions = instructions
  const { tools, items } = encodeOwnTools(request.tools)
  const text = inputText(request)
  if (text !== null) body.input = text
  else {
    const input = withItems(
      [...encodeSystem(request.system, context), ...encodeMessages(request.messages, context)],
      items,
    )
    if (input.length > 0) body.input = input
  }
  if (tools.length > 0) body.tools = tools
  const choice = encodeToolChoice(request.toolChoice, request.tools)
  if (choice !== null) body.tool_choice = choice
  if (request.parallelTools !== null) body.parallel_tool_calls = request.parallelTools
  if (request.maxOutput !== null) body.max_output_tokens = request.maxOutput
  if (request.format) body.text = { format: encodeTextFormat(request.format) }
  const { effort, summary } = request.reasoning ?? {}
  const reasoning = { ...(effort !== undefined && { effort }), ...(summary !== undefined && { summary }) }
  if (Object.keys(reasoning).length > 0) body.reasoning = reasoning
}

/** Each item at its place among all, in one go over them; places ascend. */
function withItems(input: readonly WireObject[], items: OwnTools['items']): WireObject[] {
  const whole: WireObject[] = []
  let next = 0
  for (const { at, wire } of items) {
    while (whole.length < at && next < input.length) whole.push(input[next++] as WireObject)
    whole.push(wire)
  }
  while (next < input.length) whole.push(input[next++] as WireObject)
  return whole
}

/** The input of a request that came with a string for it. */
function inputText({ messages }: IrRequest): string | null {
  const [message] = messages
  if (messages.length !== 1 || markOf(message?.raw).form !== 'input') return null
  return (message?.blocks ?? []).map((block) => (block.type === 'text' ? block.text : '')).join('')
}

function addForeignMembers(
  body: Body,
  request: IrRequest,
  target: UpstreamTarget,
  context: InputContext,
  warnings: Warning[],
): void {
  if (request.answers > 1) {
    throw new AppError('unsupported_feature', 'This model gives one answer at a time.', { param: 'n' })
  }
  const split = splitTools(request, 'openai-responses')
  for (const warning of split.warnings) warnings.push(warning)
  const system = request.system.map(({ text }) => text).filter((text) => text !== '')
  if (split.note !== null) system.push(split.note)
  if (system.length > 0) body.instructions = system.join('\n\n')
  body.input = encodeMessages(request.messages, context)
  const tools = encodeForeignTools(split.tools, request.tools, target.quirks, warnings)
  if (tools.length > 0) {
    body.tools = tools
    addToolSettings(body, request, target, warnings)
  }
  if (request.maxOutput !== null) body.max_output_tokens = capOf(request.maxOutput, request.source, warnings)
  addFormat(body, request, target, warnings)
  addReasoning(body, request, target, warnings)
}

/** Where each protocol has what is changed here. */
const FIELDS = {
  'openai-chat': { cap: 'max_tokens', format: 'response_format', choice: 'tool_choice', effort: 'reasoning_effort' },
  'anthropic-messages': {
    cap: 'max_tokens',
    format: 'output_config.format',
    choice: 'tool_choice',
    effort: 'thinking',
  },
  'google-generate': {
    cap: 'generationConfig.maxOutputTokens',
    format: 'generationConfig.responseJsonSchema',
    choice: 'toolConfig',
    effort: 'generationConfig.thinkingConfig',
  },
  'openai-responses': { cap: 'max_output_tokens', format: 'text.format', choice: 'tool_choice', effort: 'reasoning' },
} as const

/** The vendor refuses a lower cap. */
const MIN_OUTPUT = 16

function capOf(cap: number, source: Protocol, warnings: Warning[]): number {
  if (cap >= MIN_OUTPUT) return cap
  const detail = `${MIN_OUTPUT}, the least that this model takes`
  warnings.push({ action: 'changed', field: FIELDS[source].cap, detail })
  return MIN_OUTPUT
}

function addToolSettings(body: Body, request: IrRequest, { quirks }: UpstreamTarget, warnings: Warning[]): void {
  const { toolChoice, parallelTools } = request
  const isForced = toolChoice !== null && toolChoice.type !== 'auto' && toolChoice.type !== 'none'
  if (isForced && quirks.forcedToolChoice === false) {
    body.tool_choice = 'auto'
    warnings.push({ action: 'changed', field: FIELDS[request.source].choice, detail: 'auto' })
  } else if (toolChoice) body.tool_choice = foreignChoice(request, quirks.customTools ?? true)
  if (parallelTools === null) return
  if (quirks.parallelToolCalls ?? true) body.parallel_tool_calls = parallelTools
  else if (!parallelTools) warnings.push({ action: 'dropped', field: 'parallel_tool_calls' })
}

/** Custom tools that are sent as functions are chosen as functions. */
function foreignChoice({ toolChoice, tools }: IrRequest, hasCustom: boolean): unknown {
  if (hasCustom) return encodeToolChoice(toolChoice, tools)
  const isCustom = toolChoice?.type === 'tool' && toolChoice.kind === 'custom'
  return encodeToolChoice(isCustom ? { ...toolChoice, kind: 'function' } : toolChoice, [])
}

function addFormat(body: Body, { format, source }: IrRequest, { quirks }: UpstreamTarget, warnings: Warning[]): void {
  if (!format) return
  const level = quirks.structuredOutput ?? 'json_schema'
  const field = FIELDS[source].format
  if (level === 'none') warnings.push({ action: 'dropped', field })
  else if (format.type === 'json') body.text = { format: encodeTextFormat(format) }
  else if (level === 'json_object') {
    body.text = { format: { type: 'json_object' } }
    warnings.push({ action: 'changed', field, detail: 'any JSON object' })
  } else {
    const { schema, losses } = normaliseFormatSchema(format.schema, 'openai-responses')
    if (losses.length > 0) warnings.push({ action: 'changed', field, detail: losses.slice(0, 3).join(', ') })
    body.text = { format: encodeTextFormat({ ...format, name: legalName(format.name), schema }) }
  }
}

/** The vendor demands a name. */
function legalName(name: string | null): string {
  return (name ?? '').replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64) || 'response'
}

/** A model whose list of efforts is empty does not reason, and takes none of these members. */
function addReasoning(
  body: Body,
  { reasoning, source }: IrRequest,
  { quirks }: UpstreamTarget,
  warnings: Warning[],
): void {
  const field = FIELDS[source].effort
  if (quirks.efforts?.length === 0) {
    if (reasoning && effortOf(reasoning) !== 'none') warnings.push({ action: 'dropped', field })
    return
  }
  const wanted = reasoning ? effortOf(reasoning) : null
  const effort = wanted === null ? null : nearestEffort(wanted, quirks.efforts)
  if (effort !== wanted) warnings.push({ action: 'changed', field, detail: `effort ${effort}` })
  // Clients of the other protocols are used to see thoughts; they are all that is shown of them here.
  const isShown = effort !== 'none' && reasoning?.show !== false
  const members: WireObject = {
    ...(effort !== null && { effort }),
    ...(isShown && { summary: reasoning?.summary ?? 'auto' }),
  }
  if (Object.keys(members).length > 0) body.reasoning = members
  body.include = ['reasoning.encrypted_content']
}

/** What a client of another protocol sends is not kept at the vendor: nothing there could ask for it again. */
function forbidStorage(body: Body, { settings }: IrRequest, warnings: Warning[]): void {
  if (body.store === true && settings.store) warnings.push({ action: 'dropped', field: 'store' })
  body.store = false
}

/**
 * Reads a Responses request.
 *
 * Source: OpenAI "Create a model response" and captured requests of agents. What the IR has no word for stays in `raw`:
 * `include`, `previous_response_id`, `client_metadata` and whatever comes next.
 */
import type { DecodeContext } from '../codec.ts'
import type { IrText } from '../ir/block.ts'
import type { IrReasoning, IrRequest } from '../ir/request.ts'
import { unknownPaths } from '../translation/raw.ts'
import { isEffort } from '../translation/reasoning.ts'
import { decodeSettings } from '../translation/settings.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'
import { type DecodedInput, decodeInput } from './decode-input.ts'
import { invalid } from './decode-part.ts'
import { decodeToolChoice, decodeTools } from './decode-tools.ts'
import { storedStateParam } from './stored-state.ts'
import { decodeTextFormat } from './text-format.ts'

const KNOWN = new Set([
  'model',
  'stream',
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'text.format',
  'text.verbosity',
  'reasoning.effort',
  'reasoning.summary',
  'temperature',
  'top_p',
  'safety_identifier',
  'metadata',
  'prompt_cache_key',
  'service_tier',
  'store',
])

const FORMAT_MEMBERS = new Set(
  ['type', 'name', 'description', 'schema', 'strict'].map((member) => `text.format.${member}`),
)

/** @throws AppError invalid_request */
export function decodeResponsesRequest(body: WireObject, context: DecodeContext): IrRequest {
  const input = inputOf(body)
  const tools = [...decodeTools(body.tools, 'tools'), ...input.tools]
  const { choice, isWhole } = decodeToolChoice(body.tool_choice, tools)
  const text = asObject(body.text)
  const format = decodeTextFormat(text?.format)
  const reasoning = asObject(body.reasoning)
  const raw = unknownPaths(body, KNOWN, ['text', 'reasoning'])
  if (!isWhole) raw.tool_choice = body.tool_choice
  if (format) Object.assign(raw, unknownPaths({ 'text.format': text?.format }, FORMAT_MEMBERS, ['text.format']))
  else if (isUnknownFormat(text?.format)) raw['text.format'] = text?.format
  if (isUnknownEffort(reasoning?.effort)) raw['reasoning.effort'] = reasoning?.effort
  return {
    source: 'openai-responses',
    model: context.model,
    stream: context.stream,
    system: [...instructionsOf(body), ...input.system],
    messages: input.messages,
    tools,
    toolChoice: choice,
    parallelTools: booleanOf(body.parallel_tool_calls, 'parallel_tool_calls'),
    maxOutput: capOf(body.max_output_tokens),
    answers: 1,
    format,
    reasoning: reasoning && decodeReasoningSettings(reasoning),
    settings: decodeSettings('openai-responses', body),
    raw,
  }
}

/** A request that goes on from what the vendor has stored needs no input of its own. */
function inputOf(body: WireObject): DecodedInput {
  const { input } = body
  if (input !== undefined && input !== null) return decodeInput(input)
  if (storedStateParam(body) === null) throw invalid('input', 'is missing')
  return { system: [], messages: [], tools: [] }
}

function instructionsOf({ instructions }: WireObject): IrText[] {
  if (instructions === undefined || instructions === null) return []
  if (typeof instructions !== 'string') throw invalid('instructions', 'must be a string')
  return instructions === '' ? [] : [{ type: 'text', text: instructions }]
}

function booleanOf(value: unknown, path: string): boolean | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'boolean') throw invalid(path, 'must be true or false')
  return value
}

function capOf(value: unknown): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw invalid('max_output_tokens', 'must be a whole number')
}

/** Plain text is what there is without a format. */
function isUnknownFormat(value: unknown): boolean {
  return value !== undefined && value !== null && asObject(value)?.type !== 'text'
}

function isUnknownEffort(value: unknown): boolean {
  return value !== undefined && value !== null && !isEffort(value)
}

/** Null when it says nothing that the IR has a word for. */
function decodeReasoningSettings({ effort, summary }: WireObject): IrReasoning | null {
  const wanted = asName(summary)
  const reasoning: IrReasoning = {
    ...(isEffort(effort) && { effort }),
    ...(wanted !== null && { show: wanted !== 'none', summary: wanted }),
  }
  return Object.keys(reasoning).length === 0 ? null : reasoning
}

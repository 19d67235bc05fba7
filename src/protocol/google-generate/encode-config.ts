/**
 * Writes how an answer is to be made: form, length, thinking. Source: Google "GenerationConfig", "ThinkingConfig",
 * "Thinking" (budgets per model, levels since Gemini 3).
 */
import { AppError } from '../../base/errors.ts'
import type { Quirks } from '../../base/quirks.ts'
import type { Protocol } from '../../base/words.ts'
import type { IrFormat, IrReasoning, IrRequest } from '../ir/request.ts'
import { budgetOf, effortOf, nearestEffort } from '../translation/reasoning.ts'
import { normaliseFormatSchema } from '../translation/tool-schema.ts'
import type { WireObject } from '../wire-value.ts'
import type { Notes } from './notes.ts'

type Config = Record<string, unknown>

/** @throws AppError unsupported_feature */
export function encodeConfig(request: IrRequest, quirks: Quirks, notes: Notes): Config {
  const { maxOutput, answers, format, source } = request
  const isOwn = source === 'google-generate'
  if (answers > 1 && !isOwn) {
    throw new AppError('unsupported_feature', 'This model gives one answer at a time.', { param: 'n' })
  }
  const thinkingConfig = isOwn ? ownThinking(request.reasoning) : encodeThinking(request, quirks, notes)
  return {
    ...(maxOutput !== null && { maxOutputTokens: maxOutput }),
    ...(answers > 1 && { candidateCount: answers }),
    ...(format && encodeFormat(format, request, quirks, notes)),
    ...(thinkingConfig && { thinkingConfig }),
  }
}

const FORMAT_FIELDS: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'response_format',
  'openai-responses': 'text.format',
  'anthropic-messages': 'output_config.format',
  'google-generate': 'generationConfig.responseJsonSchema',
}

function encodeFormat(format: IrFormat, { source }: IrRequest, quirks: Quirks, notes: Notes): Config {
  const field = FORMAT_FIELDS[source]
  const ability = quirks.structuredOutput ?? 'json_schema'
  if (ability === 'none') {
    notes.dropped(field)
    return {}
  }
  const json = { responseMimeType: 'application/json' }
  if (format.type === 'json') return json
  if (ability === 'json_object') {
    notes.changed(field, 'JSON without the schema')
    return json
  }
  if (source === 'google-generate') return { ...json, responseJsonSchema: format.schema }
  const { schema, losses } = normaliseFormatSchema(format.schema, 'google-generate')
  if (losses.length > 0) notes.changed(field, losses.slice(0, MAX_LOSSES).join(', '))
  return { ...json, responseJsonSchema: schema }
}

/** Named in one warning. */
const MAX_LOSSES = 3

function ownThinking(reasoning: IrReasoning | null): WireObject | null {
  if (!reasoning) return null
  const { show, budget, effort } = reasoning
  return {
    ...(show !== undefined && { includeThoughts: show }),
    ...(budget !== undefined && { thinkingBudget: budget }),
    ...(effort !== undefined && { thinkingLevel: effort.toUpperCase() }),
  }
}

/** Protocols whose clients are shown reasoning without asking for it get Google's thoughts too. */
function encodeThinking({ reasoning, source }: IrRequest, quirks: Quirks, notes: Notes): WireObject | null {
  const asked = reasoning ?? {}
  if (quirks.reasoningControl === 'none' || quirks.thinkingForm === 'none') {
    if (effortOf(asked) !== null && asked.mode !== 'off') notes.dropped(REASONING_FIELDS[source])
    return null
  }
  const isOff = asked.mode === 'off' || asked.effort === 'none' || asked.budget === 0
  const amount = quirks.efforts ? level(asked, quirks.efforts, source, notes) : budget(asked, source, notes)
  return { ...(!isOff && asked.show !== false && { includeThoughts: true }), ...amount }
}

const REASONING_FIELDS: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'reasoning_effort',
  'openai-responses': 'reasoning.effort',
  'anthropic-messages': 'thinking',
  'google-generate': 'generationConfig.thinkingConfig',
}

function level(asked: IrReasoning, efforts: readonly string[], source: Protocol, notes: Notes): WireObject {
  const effort = effortOf(asked)
  if (effort === null) return {}
  const nearest = nearestEffort(effort, efforts)
  if (nearest !== effort) notes.changed(REASONING_FIELDS[source], nearest)
  return nearest === 'none' ? {} : { thinkingLevel: nearest.toUpperCase() }
}

/** What every model that thinks by budget takes: Pro begins at 128, Flash-Lite at 512 and ends at 24,576. */
const MIN_BUDGET = 512
const MAX_BUDGET = 24_576

function budget(asked: IrReasoning, source: Protocol, notes: Notes): WireObject {
  const tokens = budgetOf(asked)
  if (tokens === null) return {}
  const thinkingBudget = tokens === 0 ? 0 : Math.min(Math.max(tokens, MIN_BUDGET), MAX_BUDGET)
  if (thinkingBudget !== tokens) notes.changed(REASONING_FIELDS[source], `${thinkingBudget} tokens`)
  return { thinkingBudget }
}

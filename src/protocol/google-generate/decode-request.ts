/**
 * Reads a request of Google's protocol. Source: Google "GenerateContentRequest", "GenerationConfig",
 * "CountTokensRequest"; members are taken in both spellings of JSON of protocol buffers.
 */
import type { DecodeContext } from '../codec.ts'
import type { IrFormat, IrReasoning, IrRequest } from '../ir/request.ts'
import { unknownMembers, unknownPaths } from '../translation/raw.ts'
import { isEffort } from '../translation/reasoning.ts'
import { decodeSettings, SETTINGS } from '../translation/settings.ts'
import { asObject, asText, type WireObject } from '../wire-value.ts'
import { decodeContents, decodeSystem } from './decode-content.ts'
import { decodeToolConfig, decodeTools } from './decode-tool.ts'
import { jsonSchemaOf } from './schema.ts'
import { camelMembers, invalid, objectAt } from './wire-name.ts'

const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig.functionCallingConfig',
  'generationConfig.maxOutputTokens',
  'generationConfig.candidateCount',
  'generationConfig.responseMimeType',
  'generationConfig.responseSchema',
  'generationConfig.responseJsonSchema',
  'generationConfig.thinkingConfig',
  ...Object.values(SETTINGS).flatMap(({ place }) => place['google-generate'] ?? []),
])

/** @throws AppError invalid_request */
export function decodeRequest(body: WireObject, context: DecodeContext): IrRequest {
  const named = camelMembers(body)
  const config = objectAt(named, 'generationConfig', 'generationConfig') ?? {}
  const toolConfig = objectAt(named, 'toolConfig', 'toolConfig') ?? {}
  const thinking = objectAt(config, 'thinkingConfig', 'generationConfig.thinkingConfig')
  const wire = { ...named, generationConfig: config, toolConfig }
  const { toolChoice, raw: callingRaw } = decodeToolConfig(toolConfig)
  const { format, raw: formatRaw } = decodeFormat(config)
  return {
    source: 'google-generate',
    model: context.model,
    stream: context.stream,
    system: decodeSystem(named.systemInstruction),
    messages: decodeContents(named.contents),
    tools: decodeTools(named.tools),
    toolChoice,
    parallelTools: null,
    maxOutput: countAt(config, 'maxOutputTokens'),
    answers: countAt(config, 'candidateCount') ?? 1,
    format,
    reasoning: thinking && decodeReasoning(thinking),
    settings: decodeSettings('google-generate', wire),
    raw: {
      ...unknownPaths(wire, KNOWN, ['generationConfig', 'toolConfig']),
      ...formatRaw,
      ...callingRaw,
      ...(thinking && unknownThinking(thinking)),
    },
  }
}

/** A body of `countTokens`: contents alone, or a whole request. @throws AppError invalid_request */
export function decodeCountRequest(body: WireObject, context: DecodeContext): IrRequest {
  const whole = objectAt(camelMembers(body), 'generateContentRequest', 'generateContentRequest')
  return decodeRequest(whole ?? body, context)
}

function countAt(config: WireObject, key: string): number | null {
  const value = config[key]
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw invalid(`generationConfig.${key}`, 'must be a whole number')
}

interface DecodedFormat {
  readonly format: IrFormat | null
  readonly raw: Readonly<Record<string, unknown>>
}

/** A schema alone asks for JSON too. Other kinds of answer (`text/x.enum`) have no word. */
function decodeFormat(config: WireObject): DecodedFormat {
  const mimeType = asText(config.responseMimeType) ?? 'application/json'
  const schema = asObject(config.responseJsonSchema) ?? asObject(config.responseSchema)
  if (mimeType === 'application/json') {
    if (schema) return { format: { type: 'json-schema', name: null, schema: jsonSchemaOf(schema) }, raw: {} }
    return { format: config.responseMimeType ? { type: 'json' } : null, raw: {} }
  }
  const raw: Record<string, unknown> = {}
  for (const key of ['responseMimeType', 'responseSchema', 'responseJsonSchema']) {
    const value = config[key]
    if (value !== undefined && value !== null && value !== 'text/plain') raw[`generationConfig.${key}`] = value
  }
  return { format: null, raw }
}

function decodeReasoning(thinking: WireObject): IrReasoning | null {
  const { includeThoughts, thinkingBudget: budget } = thinking
  const effort = asText(thinking.thinkingLevel)?.toLowerCase()
  const reasoning: IrReasoning = {
    ...(budget === 0 && { mode: 'off' }),
    ...(isEffort(effort) && { effort }),
    ...(typeof budget === 'number' && { budget }),
    ...(typeof includeThoughts === 'boolean' && { show: includeThoughts }),
  }
  return Object.keys(reasoning).length === 0 ? null : reasoning
}

const THINKING: ReadonlySet<string> = new Set(['includeThoughts', 'thinkingBudget', 'thinkingLevel'])

function unknownThinking(thinking: WireObject): Record<string, unknown> {
  const rest = Object.entries(unknownMembers(thinking, THINKING) ?? {})
  return Object.fromEntries(rest.map(([key, value]) => [`generationConfig.thinkingConfig.${key}`, value]))
}

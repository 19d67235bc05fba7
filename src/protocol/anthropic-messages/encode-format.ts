/**
 * Binds the answer to JSON: by `output_config.format`, or in words where the model has no such thing.
 *
 * Source: Anthropic "Structured outputs": all objects are closed; bounds of numbers, lengths and counts are refused.
 * What is refused goes into the description, as Anthropic's own SDK does it.
 */

import { setAt } from '../translation/settings.ts'
import { normaliseFormatSchema } from '../translation/tool-schema.ts'
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'
import { fieldOf, PROTOCOL, type RequestWork, type WireDraft, warn } from './encode-work.ts'

/** Writes the format into the body; returns a sentence for the system prompt where that is the only way, else null. */
export function encodeFormat(work: RequestWork, body: WireDraft): string | null {
  const { format, raw } = work.request
  if (format === null) return null
  const field = fieldOf(work, 'format')
  if (format.type === 'json') {
    warn(work, 'changed', field, 'asked for in the system prompt')
    return 'Answer with one JSON object and nothing else: no other text, no code fence.'
  }
  if ((work.target.quirks.structuredOutput ?? 'json_schema') === 'json_schema') {
    const isWhereItWas = !work.isForeign && 'output_format' in raw
    const schema = work.isForeign ? answerSchema(work, format.schema, field) : format.schema
    if (!isWhereItWas) setAt(body, 'output_config.format', { type: 'json_schema', schema })
    return null
  }
  warn(work, 'changed', field, 'asked for in the system prompt')
  const schema = JSON.stringify(format.schema)
  return `Answer with JSON that fits this JSON Schema and with nothing else, without a code fence:\n${schema}`
}

function answerSchema(work: RequestWork, wanted: WireObject, field: string): WireObject {
  const { schema, losses } = normaliseFormatSchema(wanted, PROTOCOL)
  const refused = new Set<string>(losses)
  const closed = close(schema, '$', 0, refused)
  for (const loss of refused) warn(work, 'changed', field, loss)
  return closed
}

const MAX_DEPTH = 48
const REFUSED = [
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minLength', 'maxLength'],
  ...['maxItems', 'uniqueItems', 'contains', 'minContains', 'maxContains', 'minProperties', 'maxProperties'],
]
const MAPS = ['properties', '$defs', 'definitions']
const LISTS = ['anyOf', 'oneOf', 'allOf']

/** The schema with closed objects and without what is refused, all the way down. */
function close(schema: WireObject, path: string, depth: number, losses: Set<string>): WireObject {
  if (depth > MAX_DEPTH) return {}
  const out: WireDraft = { ...schema }
  const inner = (value: unknown, at: string): unknown => {
    const object = asObject(value)
    return object ? close(object, `${path}.${at}`, depth + 1, losses) : value
  }
  for (const key of MAPS) {
    const map = asObject(out[key])
    if (map) out[key] = Object.fromEntries(Object.entries(map).map(([name, value]) => [name, inner(value, name)]))
  }
  for (const key of LISTS) if (Array.isArray(out[key])) out[key] = asArray(out[key]).map((value) => inner(value, key))
  if (out.items !== undefined) out.items = inner(out.items, 'items')
  if (out.type === 'object' || asObject(out.properties)) closeObject(out, path, losses)
  return describeRefused(out, path, losses)
}

function closeObject(out: WireDraft, path: string, losses: Set<string>): void {
  if (out.additionalProperties !== undefined && out.additionalProperties !== false) {
    losses.add(`${path}.additionalProperties`)
  }
  out.additionalProperties = false
}

function describeRefused(out: WireDraft, path: string, losses: Set<string>): WireObject {
  const refused = REFUSED.filter((key) => out[key] !== undefined)
  if (typeof out.minItems === 'number' && out.minItems > 1) refused.push('minItems')
  if (refused.length === 0) return out
  const words = refused.map((key) => `${key}: ${JSON.stringify(out[key])}`)
  for (const key of refused) {
    losses.add(`${path}.${key}`)
    delete out[key]
  }
  out.description = [asText(out.description), words.join(', ')].filter(Boolean).join('\n')
  return out
}

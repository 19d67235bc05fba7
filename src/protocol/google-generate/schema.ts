/**
 * Google's own dialect of schemas (`Schema`, OpenAPI 3.0) as JSON Schema: types in lower case, `nullable` as a type,
 * bounds as numbers.
 *
 * Source: Google "Schema". What is JSON Schema already stays the same object, so that a caller sees whether anything
 * was changed.
 */
import { asObject, type WireObject } from '../wire-value.ts'

const TYPES: ReadonlyMap<unknown, string> = new Map([
  ['STRING', 'string'],
  ['NUMBER', 'number'],
  ['INTEGER', 'integer'],
  ['BOOLEAN', 'boolean'],
  ['ARRAY', 'array'],
  ['OBJECT', 'object'],
  ['NULL', 'null'],
])

/** 64-bit numbers are strings in JSON of protocol buffers. */
const BOUNDS: ReadonlySet<string> = new Set([
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
])
const SNAKE: ReadonlyMap<string, string> = new Map([
  ['any_of', 'anyOf'],
  ['min_items', 'minItems'],
  ['max_items', 'maxItems'],
  ['min_length', 'minLength'],
  ['max_length', 'maxLength'],
  ['min_properties', 'minProperties'],
  ['max_properties', 'maxProperties'],
  ['property_ordering', 'propertyOrdering'],
])
const MAPS: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs', 'definitions'])
const LISTS: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const SINGLES: ReadonlySet<string> = new Set(['items', 'additionalProperties', 'not', 'contains', 'propertyNames'])

/** Deeper schemas are left as they are. */
const MAX_DEPTH = 64

export function jsonSchemaOf(schema: WireObject): WireObject {
  return convert(schema, 0)
}

function convert(schema: WireObject, depth: number): WireObject {
  if (depth > MAX_DEPTH) return schema
  let isChanged = false
  const members: [string, unknown][] = []
  for (const [key, member] of Object.entries(schema)) {
    const name = SNAKE.get(key) ?? key
    const value = convertMember(name, member, depth)
    isChanged ||= name !== key || value !== member
    if (value !== undefined) members.push([name, value])
  }
  if (schema.nullable !== true && !isChanged) return schema
  const converted: Record<string, unknown> = Object.fromEntries(members)
  return schema.nullable === true ? nullable(converted) : converted
}

/** Undefined for what JSON Schema has no use for. */
function convertMember(name: string, value: unknown, depth: number): unknown {
  if (name === 'type') return value === 'TYPE_UNSPECIFIED' ? undefined : (TYPES.get(value) ?? value)
  if (name === 'propertyOrdering' || name === 'nullable') return undefined
  if (name === 'format') return value === 'enum' ? undefined : value
  if (BOUNDS.has(name)) return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (MAPS.has(name)) return mapped(value, depth)
  if (LISTS.has(name)) return listed(value, depth)
  return SINGLES.has(name) ? single(value, depth) : value
}

function single(value: unknown, depth: number): unknown {
  const schema = asObject(value)
  return schema ? convert(schema, depth + 1) : value
}

function listed(value: unknown, depth: number): unknown {
  if (!Array.isArray(value)) return value
  const list = value.map((entry) => single(entry, depth))
  return list.some((entry, i) => entry !== value[i]) ? list : value
}

function mapped(value: unknown, depth: number): unknown {
  const map = asObject(value)
  if (!map) return value
  const entries = Object.entries(map).map(([key, entry]) => [key, single(entry, depth)] as const)
  return entries.some(([key, entry]) => entry !== map[key]) ? Object.fromEntries(entries) : value
}

function nullable(schema: Record<string, unknown>): WireObject {
  const { type, enum: values, anyOf } = schema
  if (typeof type === 'string') schema.type = [type, 'null']
  else if (Array.isArray(anyOf)) schema.anyOf = [...anyOf, { type: 'null' }]
  if (Array.isArray(values) && !values.includes(null)) schema.enum = [...values, null]
  return schema
}

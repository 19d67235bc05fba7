/**
 * Makes whatever a client calls a schema valid JSON Schema (draft 2020-12), which OpenAI and Anthropic check: older
 * drafts, OpenAPI's words and plain mistakes are brought to what they mean.
 */
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'
import { MAX_DEPTH, type SchemaWork, withHint } from './tool-schema-work.ts'

/** Says nothing about the arguments. */
const SILENT = new Set(['$schema', '$id', '$comment', '$anchor', '$dynamicAnchor', '$vocabulary', '$recursiveAnchor'])
const MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])
const LISTS = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const SINGLE = new Set([
  'items',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'contains',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
  'contentSchema',
])
const COUNTS = new Set([
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'minContains',
  'maxContains',
])
const NUMBERS = new Set(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'])
const TEXTS = new Set(['title', 'description', 'format', 'pattern', 'contentEncoding', 'contentMediaType'])
/** These may also say just yes or no. */
const BOOLEAN_TOO = new Set(['additionalProperties', 'unevaluatedProperties', 'unevaluatedItems', 'items'])

const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])
const TYPE_WORDS: ReadonlyMap<string, string> = new Map([
  ['int', 'integer'],
  ['int32', 'integer'],
  ['int64', 'integer'],
  ['long', 'integer'],
  ['float', 'number'],
  ['double', 'number'],
  ['decimal', 'number'],
  ['str', 'string'],
  ['text', 'string'],
  ['bool', 'boolean'],
  ['dict', 'object'],
  ['map', 'object'],
  ['record', 'object'],
  ['list', 'array'],
  ['tuple', 'array'],
  ['none', 'null'],
])

export function tidySchema(value: unknown, path: string, depth: number, work: SchemaWork): WireObject {
  if (typeof value === 'boolean') return value ? {} : { not: {} }
  // Some servers write a type where its schema should be.
  const schema = typeof value === 'string' ? { type: value } : asObject(value)
  if (!schema) {
    work.lose(path)
    return {}
  }
  if (depth > MAX_DEPTH) {
    work.lose(path)
    return typeof schema.type === 'string' && TYPES.has(schema.type) ? { type: schema.type } : {}
  }
  const members: [string, unknown][] = []
  for (const [key, member] of Object.entries(modern(schema))) {
    if (SILENT.has(key) || member === undefined) continue
    const tidied = tidyMember(key, member, path, depth, work)
    if (tidied !== undefined) members.push([key, tidied])
  }
  return repaired(Object.fromEntries(members), path, work)
}

/** Words of older drafts and of OpenAPI 3.0 in those of draft 2020-12. */
function modern(schema: WireObject): WireObject {
  let current = schema
  for (const [bound, exclusive] of [
    ['minimum', 'exclusiveMinimum'],
    ['maximum', 'exclusiveMaximum'],
  ] as const) {
    if (typeof current[exclusive] !== 'boolean') continue
    const { [exclusive]: isExclusive, [bound]: value, ...rest } = current
    current = value === undefined ? rest : { ...rest, [isExclusive ? exclusive : bound]: value }
  }
  if (Array.isArray(current.items)) {
    const { items, additionalItems, ...rest } = current
    current = { ...rest, prefixItems: items, items: additionalItems ?? {} }
  }
  if ('dependencies' in current) current = withoutDependencies(current)
  if (!Array.isArray(current.required)) {
    // Draft 3 said it in the property.
    const names = Object.entries(asObject(current.properties) ?? {}).flatMap(([name, value]) =>
      asObject(value)?.required === true ? [name] : [],
    )
    if (names.length > 0) current = { ...current, required: names }
  }
  if ('nullable' in current) {
    const { nullable, ...rest } = current
    current = nullable === true ? asNullable(rest) : rest
  }
  return current
}

function withoutDependencies({ dependencies, ...rest }: WireObject): WireObject {
  const entries = Object.entries(asObject(dependencies) ?? {})
  const lists = entries.filter(([, value]) => Array.isArray(value))
  const schemas = entries.filter(([, value]) => asObject(value) !== null)
  return {
    ...(lists.length > 0 && { dependentRequired: Object.fromEntries(lists) }),
    ...(schemas.length > 0 && { dependentSchemas: Object.fromEntries(schemas) }),
    ...rest,
  }
}

function asNullable(schema: WireObject): WireObject {
  const { type, enum: values } = schema
  const types = [type ?? []].flat()
  if (types.length === 0) return '$ref' in schema ? { anyOf: [schema, { type: 'null' }] } : schema
  return {
    ...schema,
    type: types.includes('null') ? types : [...types, 'null'],
    ...(Array.isArray(values) && !values.includes(null) && { enum: [...values, null] }),
  }
}

/** Undefined: left out. */
function tidyMember(key: string, member: unknown, path: string, depth: number, work: SchemaWork): unknown {
  const place = `${path}.${key}`
  if (MAPS.has(key)) return tidyMap(member, place, depth, work)
  if (LISTS.has(key)) return tidyList(member, place, depth, work)
  if (SINGLE.has(key)) {
    if (typeof member === 'boolean' && BOOLEAN_TOO.has(key)) return key === 'items' ? tidyItems(member) : member
    return tidySchema(member, place, depth + 1, work)
  }
  if (key === 'type') return tidyType(member, place, work)
  if (key === 'enum') return tidyValues(member, place, work)
  if (key === 'required') return tidyNames(member)
  const isSound = isSoundMember(key, member)
  if (!isSound) work.lose(place)
  return isSound ? member : undefined
}

function tidyItems(value: boolean): unknown {
  // `false` closes a tuple; `true` says nothing.
  return value ? {} : false
}

function isSoundMember(key: string, member: unknown): boolean {
  if (COUNTS.has(key)) return Number.isInteger(member) && (member as number) >= 0
  if (NUMBERS.has(key)) return Number.isFinite(member) && (key !== 'multipleOf' || (member as number) > 0)
  if (TEXTS.has(key)) return typeof member === 'string'
  if (key === '$ref') return typeof member === 'string'
  if (key === 'uniqueItems') return typeof member === 'boolean'
  if (key === 'dependentRequired') return asObject(member) !== null && Object.values(member as object).every(isNames)
  return true
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

function tidyMap(member: unknown, path: string, depth: number, work: SchemaWork): WireObject | undefined {
  const map = asObject(member)
  if (!map) {
    // PHP writes an empty map as a list.
    if (asArray(member).length > 0 || !Array.isArray(member)) work.lose(path)
    return Array.isArray(member) && path.endsWith('.properties') ? {} : undefined
  }
  const entries = Object.entries(map).filter(([name]) => name !== '')
  return Object.fromEntries(
    entries.map(([name, value]) => [name, tidySchema(value, `${path}.${name}`, depth + 1, work)]),
  )
}

function tidyList(member: unknown, path: string, depth: number, work: SchemaWork): unknown {
  const list = asArray(member)
  if (!Array.isArray(member)) work.lose(path)
  if (list.length === 0) return undefined
  return list.map((value, i) => tidySchema(value, `${path}[${i}]`, depth + 1, work))
}

function tidyType(member: unknown, path: string, work: SchemaWork): unknown {
  const types = new Set<string>()
  for (const word of [member].flat()) {
    const lower = asText(word)?.toLowerCase() ?? (word === null ? 'null' : '')
    const type = TYPES.has(lower) ? lower : TYPE_WORDS.get(lower)
    if (type) types.add(type)
    else if (lower !== 'any' && lower !== 'unknown') work.lose(path)
  }
  if (types.size < 2) return [...types][0]
  if (types.has('number')) types.delete('integer')
  return types.size === 1 ? [...types][0] : [...types]
}

function tidyValues(member: unknown, path: string, work: SchemaWork): unknown {
  const texts = new Set<string>()
  const values = asArray(member).filter((value) => {
    const text = JSON.stringify(value)
    return texts.has(text) ? false : texts.add(text)
  })
  if (values.length > 0) return values
  work.lose(path)
  return undefined
}

function tidyNames(member: unknown): unknown {
  if (!Array.isArray(member)) return undefined
  return [...new Set(member.filter((name) => typeof name === 'string'))]
}

/** What can be told only once all members are known. */
function repaired(schema: WireObject, path: string, work: SchemaWork): WireObject {
  let current = schema
  const pattern = asText(current.pattern)
  if (pattern !== null && !isSoundPattern(pattern, work)) {
    const { pattern: _pattern, ...rest } = current
    work.lose(`${path}.pattern`)
    current = withHint(rest, 'pattern', pattern)
  }
  if ([current.type].flat().includes('array') && current.items === undefined) current = { ...current, items: {} }
  if ('$ref' in current && work.resolve(current.$ref) === null) {
    const { $ref: _ref, ...rest } = current
    work.lose(`${path}.$ref`)
    current = rest
  }
  return current
}

/** OpenAI compiles patterns with Python's `re`: escapes and groups that it does not have fail the whole request. */
const NOT_PYTHON = /\\(?:[pPkceghijlmoqyzCEFGHIJKLMNOQRTVXY]|u\{)|\(\?<[^=!]/

function isSoundPattern(pattern: string, work: SchemaWork): boolean {
  if (pattern.length > 2000) return false
  try {
    new RegExp(pattern, pattern.includes('\\p{') || pattern.includes('\\u{') ? 'u' : '')
  } catch {
    return false
  }
  return !work.target.startsWith('openai') || !NOT_PYTHON.test(pattern)
}

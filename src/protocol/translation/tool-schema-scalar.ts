/** What Google's subset of JSON Schema says of values without members, and what of rules is told in words instead. */
import { asArray, type WireObject } from '../wire-value.ts'
import { type SchemaWork, withHint } from './tool-schema-work.ts'

/** Where in the schema we are, for the losses. */
export interface SchemaPlace {
  readonly path: string
  readonly work: SchemaWork
}

/** Rules that Google has no word for: told in the description. */
const RULES = [
  'pattern',
  'minLength',
  'maxLength',
  'multipleOf',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'contains',
  'minContains',
  'maxContains',
  'propertyNames',
  'patternProperties',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedProperties',
  'unevaluatedItems',
  'not',
  'if',
  'contentEncoding',
  'contentMediaType',
]
/** Remarks: no rule is lost with them, but the model should know. */
export const REMARKS = ['default', 'examples', 'example', 'deprecated']

export function named(title: unknown, description: unknown): WireObject {
  return { ...(title !== undefined && { title }), ...(description !== undefined && { description }) }
}

export function remarked(schema: WireObject): WireObject {
  return REMARKS.reduce((told, word) => (word in schema ? withHint(told, word, schema[word]) : told), schema)
}

const HINTED_TYPES: readonly (readonly [string, readonly string[]])[] = [
  ['object', ['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames']],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems', 'contains']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
  ['string', ['pattern', 'minLength', 'maxLength', 'format', 'contentEncoding', 'contentMediaType']],
]

/** The types that a schema allows, guessed from its other words where it does not say; none: any. */
export function typesOf(schema: WireObject): readonly string[] {
  const said = [schema.type ?? []].flat() as string[]
  const values = asArray(schema.enum)
  if (said.length > 0) return said
  if (values.length > 0) return [...new Set(values.map(typeOfValue))]
  return HINTED_TYPES.filter(([, words]) => words.some((word) => word in schema)).map(([type]) => type)
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

export function toldRules(schema: WireObject, { path, work }: SchemaPlace): WireObject {
  let told = schema
  for (const word of RULES) {
    if (!(word in schema) || schema[word] === false) continue
    if (word === 'minLength' && schema[word] === 0) continue
    work.lose(`${path}.${word}`)
    told = withHint(told, word, schema[word])
  }
  return told
}

export function numberPart(type: string, schema: WireObject, { path, work }: SchemaPlace): WireObject {
  const bounds: Record<string, number> = {}
  for (const [bound, exclusive, step] of [
    ['minimum', 'exclusiveMinimum', 1],
    ['maximum', 'exclusiveMaximum', -1],
  ] as const) {
    const inclusive = schema[bound]
    const open = schema[exclusive]
    if (typeof inclusive === 'number') bounds[bound] = inclusive
    if (typeof open !== 'number') continue
    const isWhole = type === 'integer' && Number.isInteger(open)
    if (!isWhole) work.lose(`${path}.${exclusive}`)
    const value = isWhole ? open + step : open
    bounds[bound] =
      bounds[bound] === undefined ? value : step > 0 ? Math.max(bounds[bound], value) : Math.min(bounds[bound], value)
  }
  const values = asArray(schema.enum).map((value) =>
    typeof value === 'string' && value.trim() !== '' ? Number(value) : value,
  )
  const numbers = values.filter((value) => Number.isFinite(value))
  return { type, ...bounds, ...(numbers.length > 0 && { enum: numbers }) }
}

/** Those that Google knows; others are told in words. A format is a remark, not a rule. */
const FORMATS: ReadonlySet<unknown> = new Set(['date-time', 'date', 'time'])

export function stringPart(schema: WireObject, { path, work }: SchemaPlace): WireObject {
  const { format } = schema
  const values = asArray(schema.enum).filter((value) => value !== null && typeof value !== 'object')
  const texts = [...new Set(values.map(String))].filter((value) => value !== '')
  if (texts.length < values.length) work.lose(`${path}.enum`)
  const part = { type: 'string', ...(texts.length > 0 && { enum: texts }) }
  if (format === undefined) return part
  return FORMATS.has(format)
    ? { ...part, format }
    : withHint({ ...part, ...named(undefined, schema.description) }, 'format', format)
}

export function otherPart(type: string, schema: WireObject, { path, work }: SchemaPlace): WireObject {
  const values = asArray(schema.enum)
  if (values.length > 0 && new Set(values.filter((value) => value !== null)).size < 2) work.lose(`${path}.enum`)
  return { type }
}

/** The values of `enum` that are of this type. */
export function valuesOfType(type: string, schema: WireObject): WireObject {
  if (!Array.isArray(schema.enum)) return schema
  const values = schema.enum.filter((value) => {
    const own = typeOfValue(value)
    return own === type || (type === 'number' && own === 'integer')
  })
  const { enum: _values, ...rest } = schema
  return values.length > 0 ? { ...rest, enum: values } : rest
}

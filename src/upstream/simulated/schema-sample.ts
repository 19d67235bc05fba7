/**
 * Makes up arguments for a tool from its JSON Schema: only what is required, each with a small value that fits.
 *
 * Understands the keywords that coding agents put into tool parameters. `pattern` is not solved: such a string gets
 * the declared example or default, else the usual filler.
 */
import { isObject, type JsonObject, objectsIn } from './request.ts'

const FILLER = 'simulated'
const MAX_DEPTH = 12
/** Values in one sample at most, so that a hostile schema cannot make the work explode. */
const MAX_VALUES = 1000
const MAX_STRING_LENGTH = 4096

const FORMAT_SAMPLES: ReadonlyMap<unknown, string> = new Map([
  ['date-time', '2026-01-01T00:00:00Z'],
  ['date', '2026-01-01'],
  ['time', '00:00:00Z'],
  ['email', 'simulated@example.com'],
  ['uri', 'https://example.com/'],
  ['url', 'https://example.com/'],
  ['uuid', '00000000-0000-4000-8000-000000000000'],
  ['ipv4', '127.0.0.1'],
])

interface Sampling {
  /** Where `$ref` starts from. */
  readonly root: unknown
  valuesLeft: number
}

/** Arguments are always an object, whatever the schema says. */
export function sampleArguments(schema: unknown): JsonObject {
  const value = sample(schema, { root: schema, valuesLeft: MAX_VALUES }, 0)
  return isObject(value) ? value : {}
}

function sample(declared: unknown, sampling: Sampling, depth: number): unknown {
  if (--sampling.valuesLeft < 0 || depth > MAX_DEPTH || !isObject(declared)) return FILLER
  if (typeof declared.$ref === 'string') return sample(resolveRef(declared.$ref, sampling.root), sampling, depth + 1)
  const schema = flatten(declared, sampling.root)
  if (schema !== declared) return sample(schema, sampling, depth + 1)
  const given = givenValue(schema)
  if (given !== undefined) return given
  switch (typeOf(schema)) {
    case 'object':
      return sampleObject(schema, sampling, depth)
    case 'array':
      return sampleArray(schema, sampling, depth)
    case 'integer':
    case 'number':
      return sampleNumber(schema)
    case 'boolean':
      return false
    case 'null':
      return null
    default:
      return sampleString(schema)
  }
}

/** Joins `allOf` and takes the first alternative of `anyOf` or `oneOf` that is not null; else the schema itself. */
function flatten(schema: JsonObject, root: unknown): JsonObject {
  const { allOf, anyOf, oneOf, ...rest } = schema
  const parts = objectsIn(allOf).map((part) => (typeof part.$ref === 'string' ? resolveRef(part.$ref, root) : part))
  if (parts.length > 0) return parts.filter(isObject).reduce(mergeSchemas, { ...rest, ...defined({ anyOf, oneOf }) })
  const alternatives = objectsIn(anyOf ?? oneOf)
  const chosen = alternatives.find((alternative) => alternative.type !== 'null') ?? alternatives[0]
  return chosen === undefined ? schema : mergeSchemas(rest, chosen)
}

function defined(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function mergeSchemas(a: JsonObject, b: JsonObject): JsonObject {
  const merged: Record<string, unknown> = { ...a, ...b }
  if (isObject(a.properties) && isObject(b.properties)) merged.properties = { ...a.properties, ...b.properties }
  if (Array.isArray(a.required) && Array.isArray(b.required)) merged.required = [...a.required, ...b.required]
  return merged
}

/** Follows a pointer inside the schema, such as `#/$defs/Point`; undefined when it leads nowhere. */
function resolveRef(ref: string, root: unknown): unknown {
  if (!ref.startsWith('#')) return undefined
  let found = root
  for (const step of ref.slice(1).split('/').filter(Boolean)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    found = isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined
  }
  return found
}

function givenValue(schema: JsonObject): unknown {
  if (schema.const !== undefined) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if (schema.default !== undefined) return schema.default
  return Array.isArray(schema.examples) ? schema.examples[0] : undefined
}

function typeOf(schema: JsonObject): unknown {
  if (Array.isArray(schema.type)) return schema.type.find((type) => type !== 'null')
  if (schema.type !== undefined) return schema.type
  if (schema.properties !== undefined) return 'object'
  return schema.items === undefined ? undefined : 'array'
}

function sampleObject(schema: JsonObject, sampling: Sampling, depth: number): JsonObject {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const required = Array.isArray(schema.required) ? schema.required : []
  const entries: [string, unknown][] = []
  for (const key of required) {
    if (typeof key !== 'string') continue
    if (sampling.valuesLeft <= 0) break
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    entries.push([key, sample(property, sampling, depth + 1)])
  }
  return Object.fromEntries(entries)
}

function sampleArray(schema: JsonObject, sampling: Sampling, depth: number): readonly unknown[] {
  const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
  const count = typeof schema.minItems === 'number' ? schema.minItems : 0
  const items: unknown[] = []
  while (items.length < count && sampling.valuesLeft > 0) {
    items.push(sample(prefix[items.length] ?? schema.items, sampling, depth + 1))
  }
  return items
}

/** The first of a few likely values that the schema allows; 1 when it allows none of them. */
function sampleNumber(schema: JsonObject): number {
  const step = positive(schema.multipleOf) ?? 1
  const low = finite(schema.minimum) ?? finite(schema.exclusiveMinimum) ?? Number.NaN
  const high = finite(schema.maximum) ?? finite(schema.exclusiveMaximum) ?? Number.NaN
  const fromLow = [Math.ceil(low / step) * step, (Math.floor(low / step) + 1) * step, low]
  const fromHigh = [Math.floor(high / step) * step, (Math.ceil(high / step) - 1) * step, high]
  return [1, 0, step, ...fromLow, ...fromHigh, (low + high) / 2].find((value) => allows(schema, value)) ?? 1
}

function allows(schema: JsonObject, value: number): boolean {
  const step = positive(schema.multipleOf)
  return (
    Number.isFinite(value) &&
    (schema.type !== 'integer' || Number.isInteger(value)) &&
    (step === undefined || Number.isInteger(value / step)) &&
    value >= (finite(schema.minimum) ?? value) &&
    value <= (finite(schema.maximum) ?? value) &&
    value > (finite(schema.exclusiveMinimum) ?? -Infinity) &&
    value < (finite(schema.exclusiveMaximum) ?? Infinity)
  )
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function positive(value: unknown): number | undefined {
  const number = finite(value)
  return number !== undefined && number > 0 ? number : undefined
}

function sampleString(schema: JsonObject): string {
  const known = FORMAT_SAMPLES.get(schema.format)
  if (known !== undefined) return known
  const atLeast = Math.min(finite(schema.minLength) ?? 0, MAX_STRING_LENGTH)
  const atMost = finite(schema.maxLength) ?? MAX_STRING_LENGTH
  return FILLER.padEnd(atLeast, '.').slice(0, Math.max(0, atMost))
}

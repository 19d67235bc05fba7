/**
 * Reduces a tidy JSON Schema to what Google takes in `parametersJsonSchema` and `responseJsonSchema`.
 *
 * Source: "GenerationConfig.responseJsonSchema" lists the keywords that count; others are ignored at best. What cannot
 * be said with them is told in the description, where the model reads it. References are inlined: Google unrolls cyclic
 * ones in optional properties only. Values of `enum` are non-empty strings or numbers, `required` names what there is,
 * arrays have `items`, as Google's error texts demand.
 */
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'
import { intersection } from './tool-schema-merge.ts'
import {
  named,
  numberPart,
  otherPart,
  REMARKS,
  remarked,
  type SchemaPlace,
  stringPart,
  toldRules,
  typesOf,
  valuesOfType,
} from './tool-schema-scalar.ts'
import { MAX_DEPTH, type SchemaWork, withHint } from './tool-schema-work.ts'

interface Place extends SchemaPlace {
  readonly depth: number
  /** The references that this place is inside of. */
  readonly refs: ReadonlySet<string>
}

export function reduceForGoogle(root: WireObject, work: SchemaWork): WireObject {
  return reduce(root, { path: '$', depth: 0, refs: new Set(), work })
}

/** Any value, for places where Google wants to know a type. Lists of lists are not told. */
const ANY_TYPES = ['string', 'number', 'boolean', 'object'] as const
const ANY: WireObject = { anyOf: ANY_TYPES.map((type) => ({ type })) }
/** Where so many places say nothing that all their types would make the body many times as large. */
const SHORT_ANY: WireObject = { type: 'string' }

function anyValue({ path, work }: Place): WireObject {
  if (work.budget.take(ANY)) return ANY
  work.lose(path)
  return SHORT_ANY
}

function reduce(schema: WireObject, place: Place): WireObject {
  const inlined = inlineRefs(schema, place)
  if (inlined === null) return cutSchema(schema, place)
  const { schema: plain, place: inner } = inlined
  if (inner.depth > MAX_DEPTH + 1) return cutSchema(plain, inner)
  const merged = withoutAllOf(plain, inner)
  const known = withConditions(withValues(merged))
  const union = asArray(known.anyOf ?? known.oneOf)
  return union.length > 0 ? reduceUnion(known, union, inner) : reduceByType(known, inner)
}

/** A place where the schema goes on without end, or too far. */
function cutSchema(schema: WireObject, place: Place): WireObject {
  const { path, work } = place
  work.lose('$ref' in schema ? `${path}.$ref` : path)
  const target = asObject(work.resolve(schema.$ref)) ?? schema
  const type = asText(target.type) ?? 'object'
  const described = asText(target.description)
  const own = asText(schema.description)
  const description = own ?? (described !== null && work.budget.take(described) ? described : null)
  return {
    type,
    ...(type === 'array' && { items: anyValue(place) }),
    ...(description !== null && { description }),
  }
}

/** Null where a definition is inside of itself, or where there is no room for one more copy of it. */
function inlineRefs(schema: WireObject, place: Place): { schema: WireObject; place: Place } | null {
  if (!('$ref' in schema)) return { schema, place }
  let current = schema
  const refs = new Set(place.refs)
  while ('$ref' in current) {
    const { $ref, $defs: _defs, definitions: _definitions, ...siblings } = current
    const ref = String($ref)
    const found = place.work.resolve(ref)
    if (refs.has(ref) || (found !== null && !place.work.budget.take(found))) return null
    refs.add(ref)
    if (found === null) place.work.lose(`${place.path}.$ref`)
    current = { ...found, ...siblings }
  }
  return { schema: current, place: { ...place, refs } }
}

function withoutAllOf(schema: WireObject, place: Place): WireObject {
  if (!('allOf' in schema)) return schema
  const { allOf, ...rest } = schema
  const branches = asArray(allOf).flatMap((branch, i): WireObject[] => {
    const inlined = place.depth > MAX_DEPTH ? null : inlineRefs(asObject(branch) ?? {}, place)
    if (inlined !== null) return [withoutAllOf(inlined.schema, { ...inlined.place, depth: place.depth + 1 })]
    place.work.lose(`${place.path}.allOf[${i}]`)
    return []
  })
  return intersection([rest, ...branches], place.path, place.work)
}

function withValues(schema: WireObject): WireObject {
  if (!('const' in schema)) return schema
  const { const: value, ...rest } = schema
  return 'enum' in rest ? rest : { ...rest, enum: [value] }
}

/** Properties that only a condition brings in are told as optional ones. */
function withConditions(schema: WireObject): WireObject {
  let current = schema
  for (const word of ['then', 'else'] as const) {
    const branch = asObject(current[word])
    if (!branch) continue
    const own = asObject(current.properties) ?? {}
    const brought = Object.entries(asObject(branch.properties) ?? {}).filter(([name]) => !Object.hasOwn(own, name))
    if (brought.length > 0)
      current = { ...current, properties: Object.fromEntries([...Object.entries(own), ...brought]) }
  }
  return current
}

const UNION_WORDS = new Set(['anyOf', 'oneOf', 'title', 'description', '$defs', 'definitions', ...REMARKS])

/** Google wants nothing beside `anyOf`: what stands there goes into each of the branches. */
function reduceUnion(schema: WireObject, union: readonly unknown[], place: Place): WireObject {
  const beside = Object.fromEntries(Object.entries(schema).filter(([key]) => !UNION_WORDS.has(key)))
  const hasBeside = Object.keys(beside).length > 0
  const word = 'anyOf' in schema ? 'anyOf' : 'oneOf'
  if ('anyOf' in schema && 'oneOf' in schema) place.work.lose(`${place.path}.oneOf`)
  const isRuleOnly = union.every((branch) => !Object.keys(asObject(branch) ?? {}).some((key) => SHAPES.has(key)))
  if (isRuleOnly) {
    place.work.lose(`${place.path}.${word}`)
    const { anyOf: _any, oneOf: _one, ...rest } = schema
    return reduceByType(withHint(rest, word, union), place)
  }
  const branches = union.map((branch, i) => {
    const path = `${place.path}.${word}[${i}]`
    const inner = { ...place, path, depth: place.depth + 1 }
    const inlined = inlineRefs(asObject(branch) ?? {}, inner)
    if (inlined === null) return cutSchema(asObject(branch) ?? {}, inner)
    if (!hasBeside) return reduce(inlined.schema, inlined.place)
    // Each branch but the first makes it one time more.
    if (i === 0 || place.work.budget.take(beside)) {
      return reduce(intersection([inlined.schema, beside], path, place.work), inlined.place)
    }
    place.work.lose(path)
    return reduce(inlined.schema, inlined.place)
  })
  const texts = new Set<string>()
  const distinct = branches.flatMap(flattened).filter((branch) => {
    const text = JSON.stringify(branch)
    return texts.has(text) ? false : texts.add(text)
  })
  const { title, description } = remarked(schema)
  return { ...named(title, description), ...joinedNull(distinct) }
}

/** Words that give a schema a shape of its own. */
const SHAPES = new Set([
  'type',
  'properties',
  'items',
  'prefixItems',
  'enum',
  'const',
  '$ref',
  'anyOf',
  'oneOf',
  'allOf',
])

function flattened(branch: WireObject): readonly WireObject[] {
  return 'anyOf' in branch && Object.keys(branch).length === 1 ? (asArray(branch.anyOf) as WireObject[]) : [branch]
}

/** `anyOf` of one branch and null is that branch with a nullable type. */
function joinedNull(branches: readonly WireObject[]): WireObject {
  const some = branches.filter((branch) => branch.type !== 'null')
  const only = some[0]
  if (some.length !== 1 || only === undefined)
    return branches.length === 1 && branches[0] ? branches[0] : { anyOf: branches }
  if (branches.length === 1 || typeof only.type !== 'string') return branches.length === 1 ? only : { anyOf: branches }
  return { ...only, type: [only.type, 'null'] }
}

function reduceByType(schema: WireObject, place: Place): WireObject {
  const types = typesOf(schema)
  const isNullable = types.includes('null')
  const some = types.filter((type) => type !== 'null')
  const told = toldRules(remarked(schema), place)
  const { title, description } = told
  if (some.length === 0) {
    if (isNullable) return { ...named(title, description), type: 'null' }
    return { ...named(title, description), ...anyValue(place) }
  }
  const parts = some.map((type) => partOf(type, some.length > 1 ? valuesOfType(type, told) : told, place))
  const only = parts[0] as WireObject
  if (parts.length > 1)
    return { ...named(title, description), anyOf: [...parts, ...(isNullable ? [{ type: 'null' }] : [])] }
  return { ...named(title, description), ...only, ...(isNullable && { type: [only.type, 'null'] }) }
}

/** The part of a schema that concerns one type. */
function partOf(type: string, schema: WireObject, place: Place): WireObject {
  switch (type) {
    case 'object':
      return objectPart(schema, place)
    case 'array':
      return arrayPart(schema, place)
    case 'number':
    case 'integer':
      return numberPart(type, schema, place)
    case 'string':
      return stringPart(schema, place)
    default:
      return otherPart(type, schema, place)
  }
}

function objectPart(schema: WireObject, place: Place): WireObject {
  const { path, depth } = place
  const properties = Object.entries(asObject(schema.properties) ?? {})
  const names = new Set(properties.map(([name]) => name))
  const required = asArray(schema.required).filter((name) => names.has(String(name)))
  if (required.length < asArray(schema.required).length) place.work.lose(`${path}.required`)
  const order = asArray(schema.propertyOrdering).filter((name) => names.has(String(name)))
  const additional = additionalOf(schema)
  return {
    type: 'object',
    ...((properties.length > 0 || depth === 0) && {
      properties: Object.fromEntries(
        properties.map(([name, value]) => {
          const inner = { ...place, path: `${path}.properties.${name}`, depth: depth + 1 }
          return [name, reduce(asObject(value) ?? {}, inner)]
        }),
      ),
    }),
    ...(required.length > 0 && { required }),
    ...(order.length > 0 && { propertyOrdering: order }),
    ...(typeof additional === 'boolean' && { additionalProperties: additional }),
    ...(asObject(additional) && {
      additionalProperties: reduce(additional as WireObject, {
        ...place,
        path: `${path}.additionalProperties`,
        depth: depth + 1,
      }),
    }),
  }
}

/** A map whose keys follow one pattern is a map; the pattern is told in words. */
function additionalOf({ additionalProperties, patternProperties }: WireObject): unknown {
  const patterns = Object.values(asObject(patternProperties) ?? {})
  const open = asObject(additionalProperties)
  if (open !== null && Object.keys(open).length === 0) return true
  if (patterns.length === 0 || open !== null) return additionalProperties
  return patterns.length === 1 ? patterns[0] : true
}

function arrayPart(schema: WireObject, place: Place): WireObject {
  const { path, depth } = place
  const tuple = asArray(schema.prefixItems)
  const inside = (value: unknown, name: string): WireObject =>
    reduce(asObject(value) ?? {}, { ...place, path: `${path}.${name}`, depth: depth + 1 })
  const { minItems } = schema
  // A closed tuple has no more items than it names.
  const maxItems =
    schema.items === false ? Math.min(Number(schema.maxItems ?? tuple.length), tuple.length) : schema.maxItems
  return {
    type: 'array',
    ...(tuple.length > 0 && { prefixItems: tuple.map((value, i) => inside(value, `prefixItems[${i}]`)) }),
    items: inside(schema.items, 'items'),
    ...(minItems !== undefined && { minItems }),
    ...(maxItems !== undefined && { maxItems }),
  }
}

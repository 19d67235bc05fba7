/** JSON Schemas joined: what satisfies all of several (`allOf`), and what satisfies any (`anyOf`, `oneOf`). */
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import type { SchemaWork } from './tool-schema-work.ts'

type Join = (a: unknown, b: unknown, path: string, work: SchemaWork, depth: number) => unknown

const greater: Join = (a, b) => Math.max(Number(a), Number(b))
const lesser: Join = (a, b) => Math.min(Number(a), Number(b))

const JOINS: Readonly<Record<string, Join>> = {
  type: commonTypes,
  enum: commonValues,
  required: (a, b) => [...new Set([...asArray(a), ...asArray(b)])],
  properties: joinProperties,
  items: joinSchemas,
  // Branches that each close the object mean to list what is theirs: closed only when all are.
  additionalProperties: (a, b) => (a === false ? b : a),
  minimum: greater,
  minLength: greater,
  minItems: greater,
  minProperties: greater,
  exclusiveMinimum: greater,
  maximum: lesser,
  maxLength: lesser,
  maxItems: lesser,
  maxProperties: lesser,
  exclusiveMaximum: lesser,
}

/** What satisfies both. Where it cannot be said in one schema, the first is kept and the loss named. */
export function intersection(a: WireObject, b: WireObject, path: string, work: SchemaWork, depth = 0): WireObject {
  const joined: [string, unknown][] = []
  for (const [key, value] of Object.entries(a)) joined.push([key, value])
  const places = new Map(joined.map(([key], place) => [key, place]))
  for (const [key, value] of Object.entries(b)) {
    const place = places.get(key)
    const entry = place === undefined ? undefined : joined[place]
    if (!entry) joined.push([key, value])
    else if (!same(entry[1], value)) entry[1] = joinMember(key, entry[1], value, path, work, depth)
  }
  return Object.fromEntries(joined)
}

function joinMember(key: string, a: unknown, b: unknown, path: string, work: SchemaWork, depth: number): unknown {
  const join = JOINS[key]
  if (join && depth < 16) return join(a, b, `${path}.${key}`, work, depth + 1)
  if (!ANNOTATIONS.has(key)) work.lose(`${path}.${key}`)
  return a
}

const ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', 'default', 'examples', 'deprecated'])

function joinProperties(a: unknown, b: unknown, path: string, work: SchemaWork, depth: number): WireObject {
  const [own, other] = [asObject(a) ?? {}, asObject(b) ?? {}]
  const entries = new Map(Object.entries(own))
  for (const [name, value] of Object.entries(other)) {
    entries.set(name, entries.has(name) ? joinSchemas(entries.get(name), value, `${path}.${name}`, work, depth) : value)
  }
  return Object.fromEntries(entries)
}

function joinSchemas(a: unknown, b: unknown, path: string, work: SchemaWork, depth: number): unknown {
  const [own, other] = [asObject(a), asObject(b)]
  if (!own || !other) return own ?? other ?? a
  return intersection(own, other, path, work, depth)
}

function commonTypes(a: unknown, b: unknown, path: string, work: SchemaWork): unknown {
  const others = [b].flat()
  const common = [a].flat().filter((type) => others.includes(type) || (type === 'integer' && others.includes('number')))
  if (common.length === 0) {
    work.lose(path)
    return a
  }
  return common.length === 1 ? common[0] : common
}

function commonValues(a: unknown, b: unknown, path: string, work: SchemaWork): unknown {
  const others = new Set(asArray(b).map((value) => JSON.stringify(value)))
  const common = asArray(a).filter((value) => others.has(JSON.stringify(value)))
  if (common.length === 0) work.lose(path)
  return common.length === 0 ? a : common
}

/** Depth does not matter here: both come out of `tidySchema`, which bounds it. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** One object schema that allows what any of several object schemas allows, and demands what all demand. */
export function unionOf(branches: readonly WireObject[]): WireObject {
  const variants = new Map<string, unknown[]>()
  for (const { properties } of branches) {
    for (const [name, schema] of Object.entries(asObject(properties) ?? {})) {
      const known = variants.get(name)
      if (!known) variants.set(name, [schema])
      else if (!known.some((other) => same(other, schema))) known.push(schema)
    }
  }
  const demanded = branches.map((branch) => new Set(asArray(branch.required)))
  const required = [...(demanded[0] ?? [])].filter((name) => demanded.every((names) => names.has(name)))
  const isClosed = branches.every((branch) => branch.additionalProperties === false)
  return {
    ...(variants.size > 0 && {
      properties: Object.fromEntries([...variants].map(([name, schemas]) => [name, anyOfThese(schemas)])),
    }),
    ...(required.length > 0 && { required }),
    ...(isClosed && { additionalProperties: false }),
  }
}

function anyOfThese(schemas: readonly unknown[]): unknown {
  if (schemas.length === 1) return schemas[0]
  const values = schemas.map(valuesOf)
  const first = asObject(schemas[0])
  // Discriminators: `{const: "a"}` and `{const: "b"}` are the choice between both.
  if (first && values.every((list) => list !== null)) {
    const { const: _value, enum: _values, ...rest } = first
    return { ...rest, enum: [...new Set(values.flat())] }
  }
  return { anyOf: schemas }
}

function valuesOf(schema: unknown): readonly unknown[] | null {
  const object = asObject(schema)
  if (!object) return null
  if ('const' in object) return [object.const]
  return Array.isArray(object.enum) ? object.enum : null
}

/** The sets of arguments that belong together, in words; null when the branches do not tell them apart. */
export function alternatives(branches: readonly WireObject[]): string | null {
  const sets = branches.map((branch) => {
    const fixed = Object.entries(asObject(branch.properties) ?? {}).flatMap(([name, schema]) => {
      const values = valuesOf(schema)
      return values?.length === 1 ? [`${name}=${JSON.stringify(values[0])}`] : []
    })
    const plain = asArray(branch.required).filter((name) => !fixed.some((text) => text.startsWith(`${name}=`)))
    return [...fixed, ...plain].join(' + ')
  })
  return new Set(sets).size < 2 ? null : sets.map((set) => set || 'none').join(' | ')
}

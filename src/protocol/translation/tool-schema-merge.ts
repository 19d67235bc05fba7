/**
 * JSON Schemas joined: what satisfies all of several (`allOf`), and what satisfies any (`anyOf`, `oneOf`).
 *
 * All branches are joined at once: joining them one after the other would go through what is joined already each time.
 */
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { jsonOf, type SchemaWork } from './tool-schema-work.ts'

interface JoinPlace {
  readonly path: string
  readonly work: SchemaWork
  readonly depth: number
}

/** The one value for what several schemas say under the same word. */
type Join = (values: readonly unknown[], place: JoinPlace) => unknown

const greatest: Join = (values) => values.reduce((a, b) => Math.max(Number(a), Number(b)))
const least: Join = (values) => values.reduce((a, b) => Math.min(Number(a), Number(b)))

/** A map: words of schemas are a client's, and may be those that all objects have. */
const JOINS: ReadonlyMap<string, Join> = new Map<string, Join>([
  ['type', commonTypes],
  ['enum', commonValues],
  ['required', (values) => [...new Set(values.flatMap(asArray))]],
  ['properties', joinProperties],
  ['items', joinSchemas],
  // Branches that each close the object mean to list what is theirs: closed only when all are.
  ['additionalProperties', (values) => values.find((value) => value !== false) ?? false],
  ['minimum', greatest],
  ['minLength', greatest],
  ['minItems', greatest],
  ['minProperties', greatest],
  ['exclusiveMinimum', greatest],
  ['maximum', least],
  ['maxLength', least],
  ['maxItems', least],
  ['maxProperties', least],
  ['exclusiveMaximum', least],
])
const ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', 'default', 'examples', 'deprecated'])
const MAX_JOIN_DEPTH = 16

/** What satisfies all. Where it cannot be said in one schema, the first is kept and the loss named. */
export function intersection(schemas: readonly WireObject[], path: string, work: SchemaWork): WireObject {
  return joined(schemas, { path, work, depth: 0 })
}

function joined(schemas: readonly WireObject[], place: JoinPlace): WireObject {
  const [only, ...others] = schemas
  if (only !== undefined && others.length === 0) return only
  const members = valuesByName(schemas)
  return Object.fromEntries([...members].map(([key, values]) => [key, joinMember(key, values, place)]))
}

/** Everything that any of the objects says under a name, in their order. */
function valuesByName(objects: readonly WireObject[]): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>()
  for (const object of objects) {
    for (const [name, value] of Object.entries(object)) {
      const values = found.get(name)
      if (values) values.push(value)
      else found.set(name, [value])
    }
  }
  return found
}

function joinMember(key: string, values: readonly unknown[], { path, work, depth }: JoinPlace): unknown {
  const [first] = values
  if (values.length === 1 || values.every((value) => value === first)) return first
  const join = JOINS.get(key)
  if (join && depth < MAX_JOIN_DEPTH) return join(values, { path: `${path}.${key}`, work, depth: depth + 1 })
  if (!ANNOTATIONS.has(key) && !areSame(values)) work.lose(`${path}.${key}`)
  return first
}

function joinProperties(values: readonly unknown[], { path, work, depth }: JoinPlace): WireObject {
  const names = valuesByName(values.map((value) => asObject(value) ?? {}))
  return Object.fromEntries(
    [...names].map(([name, schemas]) => [name, joinSchemas(schemas, { path: `${path}.${name}`, work, depth })]),
  )
}

function joinSchemas(values: readonly unknown[], place: JoinPlace): unknown {
  const schemas = values.map(asObject).filter((schema) => schema !== null)
  return schemas.length === 0 ? values[0] : joined(schemas, place)
}

function commonTypes(values: readonly unknown[], { path, work }: JoinPlace): unknown {
  return values.reduce((a, b) => {
    const others = [b].flat()
    const common = [a]
      .flat()
      .filter((type) => others.includes(type) || (type === 'integer' && others.includes('number')))
    if (common.length === 0) {
      work.lose(path)
      return a
    }
    return common.length === 1 ? common[0] : common
  })
}

function commonValues(values: readonly unknown[], { path, work }: JoinPlace): unknown {
  const [first, ...others] = values.map((list) => new Map(asArray(list).map((value) => [jsonOf(value), value])))
  const counts = new Map<string, number>()
  for (const list of others) for (const text of list.keys()) counts.set(text, (counts.get(text) ?? 0) + 1)
  const common = [...(first ?? [])].filter(([text]) => counts.get(text) === others.length).map(([, value]) => value)
  if (common.length === 0) work.lose(path)
  return common.length === 0 ? values[0] : common
}

function areSame(values: readonly unknown[]): boolean {
  const [first, ...others] = values
  const text = jsonOf(first)
  return others.every((value) => jsonOf(value) === text)
}

/** One object schema that allows what any of several object schemas allows, and demands what all demand. */
export function unionOf(branches: readonly WireObject[]): WireObject {
  const variants = valuesByName(branches.map(({ properties }) => asObject(properties) ?? {}))
  const demanded = branches.map((branch) => new Set(asArray(branch.required)))
  const required = [...(demanded[0] ?? [])].filter((name) => demanded.every((names) => names.has(name)))
  const isClosed = branches.every((branch) => branch.additionalProperties === false)
  return {
    ...(variants.size > 0 && {
      properties: Object.fromEntries([...variants].map(([name, schemas]) => [name, anyOfThese(distinct(schemas))])),
    }),
    ...(required.length > 0 && { required }),
    ...(isClosed && { additionalProperties: false }),
  }
}

function distinct(values: readonly unknown[]): readonly unknown[] {
  if (values.length === 1) return values
  const byText = new Map<string, unknown>()
  for (const value of values) {
    const text = jsonOf(value)
    if (!byText.has(text)) byText.set(text, value)
  }
  return [...byText.values()]
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
    const fixed = new Map<unknown, string>()
    for (const [name, schema] of Object.entries(asObject(branch.properties) ?? {})) {
      const values = valuesOf(schema)
      if (values?.length === 1) fixed.set(name, `${name}=${jsonOf(values[0])}`)
    }
    const plain = asArray(branch.required).filter((name) => !fixed.has(name))
    return [...fixed.values(), ...plain].join(' + ')
  })
  return new Set(sets).size < 2 ? null : sets.map((set) => set || 'none').join(' | ')
}

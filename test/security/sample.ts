/** Input of operations, made from their schemas: the least that is valid, and random ones, valid and damaged. */
import fc from 'fast-check'
import { z } from 'zod'

/** The part of JSON Schema 2020-12 that zod writes. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly pattern?: string
  readonly format?: string
  readonly default?: unknown
}

export function schemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
}

/** A value for the member of this name, or undefined to make one from its schema. */
export type NamedValues = Readonly<Record<string, unknown>>

/** The least that a schema takes; `named` values go first wherever a member has such a name. */
export function leastOf(schema: JsonSchema, named: NamedValues, seed: number): unknown {
  if (schema.type === 'object') {
    const required = schema.required ?? []
    const members = Object.entries(schema.properties ?? {})
      .filter(([name]) => required.includes(name) || Object.hasOwn(named, name))
      .map(([name, member]) => [name, Object.hasOwn(named, name) ? named[name] : leastOf(member, named, seed)])
    return Object.fromEntries(members)
  }
  const [first] = fc.sample(arbitraryOf(schema), { numRuns: 1, seed })
  return first
}

/** Random values that a schema takes, as far as JSON Schema can say it. */
export function arbitraryOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return fc.oneof(...choices.map(arbitraryOf))
  if (schema.allOf?.[0]) return arbitraryOf({ ...schema.allOf[0], ...schema, allOf: [] })
  switch (schema.type) {
    case 'object':
      return objectOf(schema)
    case 'array': {
      const { items = {}, minItems: minLength = 0, maxItems = minLength + 3 } = schema
      return fc.array(arbitraryOf(items), { minLength, maxLength: Math.min(maxItems, minLength + 3) })
    }
    case 'integer':
      return fc.integer({ min: bound(schema.minimum, -1000), max: bound(schema.maximum, 1000) })
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'string':
      return textOf(schema)
    default:
      return fc.jsonValue({ maxDepth: 1 })
  }
}

function bound(value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  return Math.max(-2_000_000_000, Math.min(2_000_000_000, value))
}

function objectOf({ properties = {}, required = [], additionalProperties }: JsonSchema): fc.Arbitrary<unknown> {
  if (Object.keys(properties).length === 0 && typeof additionalProperties === 'object') {
    return fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), arbitraryOf(additionalProperties), { maxKeys: 3 })
  }
  const model = Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, arbitraryOf(member)]))
  return fc.record(model, { requiredKeys: Object.keys(model).filter((name) => required.includes(name)) })
}

function textOf({ format, pattern, minLength = 0, maxLength = minLength + 20 }: JsonSchema): fc.Arbitrary<string> {
  if (format === 'email') return fc.stringMatching(/^[a-z]{3,12}@fuzz\.example$/)
  if (format === 'date-time') return fc.constant('2060-01-01T00:00:00.000Z')
  if (format === 'uri') return fc.constant('https://fuzz.example/v1')
  const most = Math.min(maxLength, minLength + 20)
  if (pattern !== undefined && !pattern.includes('\\P{')) {
    try {
      const fitting = fc.stringMatching(new RegExp(pattern, 'u'))
      return fitting.map((text) => (text.length > maxLength ? text.slice(0, maxLength) : text))
    } catch {
      // A pattern that cannot be turned round.
    }
  }
  return fc.stringMatching(/^[a-zA-Z0-9 _.-]*$/, { maxLength: most }).map((text) => text.padEnd(minLength, 'x'))
}

const JUNK: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e308, -0, 9_007_199_254_740_992, '', ' ', '\0', '\u202e', '\ud800', '💥'],
  ...[
    'x'.repeat(300),
    [],
    [[]],
    {},
    { __proto__: null, constructor: { prototype: {} } },
    ['a', 'a'],
    '../../etc/passwd',
  ],
  ...["' OR 1=1 --", '%00', '$' + '{jndi:ldap://x}', '{{7*7}}', '<script>', '2026-99-99T00:00:00Z', '1e400', 'NaN'],
]

/** A body like a valid one with one to three wounds: a member gone, doubled by another name, or of another kind. */
export function damagedOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  const wound = fc.record({
    kind: fc.nat(2),
    at: fc.nat(),
    junk: fc.constantFrom(...JUNK),
    name: fc.string({ maxLength: 8 }),
  })
  return fc.tuple(arbitraryOf(schema), fc.array(wound, { minLength: 1, maxLength: 3 })).map(([body, wounds]) => {
    let damaged = body
    for (const { kind, at, junk, name } of wounds) {
      if (typeof damaged !== 'object' || damaged === null || Array.isArray(damaged)) return junk
      const members = Object.entries(damaged)
      if (members.length === 0 || kind === 2) damaged = { ...damaged, [name]: junk }
      else if (kind === 1) damaged = Object.fromEntries(members.toSpliced(at % members.length, 1))
      else damaged = { ...damaged, [members[at % members.length]?.[0] ?? '']: junk }
    }
    return damaged
  })
}

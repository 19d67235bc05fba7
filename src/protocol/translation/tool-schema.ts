/**
 * Brings the JSON Schema of a tool's arguments into what a target takes, keeping its meaning.
 *
 * Two steps: `tool-schema-tidy.ts` makes any schema valid draft 2020-12, which is all that OpenAI and Anthropic want
 * below the root; here the root is repaired; `tool-schema-google.ts` reduces the rest to Google's subset. Sources:
 * OpenAI "Function calling", Anthropic "Tool use" (both refuse unions at the root: their own error texts say so, no
 * page does), Google "GenerationConfig.responseJsonSchema".
 */
import type { Protocol } from '../../base/words.ts'
import type { IrTool } from '../ir/request.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { createSchemaBudget, type SchemaBudget } from './tool-schema-budget.ts'
import { reduceForGoogle } from './tool-schema-google.ts'
import { alternatives, intersection, unionOf } from './tool-schema-merge.ts'
import { tidySchema } from './tool-schema-tidy.ts'
import { createSchemaWork, type SchemaWork, withHint } from './tool-schema-work.ts'

export interface NormalisedSchema {
  readonly schema: WireObject
  /** What lost meaning: `$.properties.a.pattern`; empty when nothing did. */
  readonly losses: readonly string[]
}

/**
 * The schema of a tool's arguments: its root is an object everywhere. Never throws, whatever the schema is. `budget`: of
 * all the tools of a request, which may not grow without end; a schema alone has its own.
 */
export function normaliseToolSchema(
  schema: WireObject | null,
  target: Protocol,
  budget: SchemaBudget = createSchemaBudget([schema]),
): NormalisedSchema {
  if (schema === null) return { schema: { type: 'object', properties: {} }, losses: [] }
  return normalise(schema, createSchemaWork(schema, target, budget), true)
}

/** One for all the tools of a request. */
export function toolSchemaBudget(tools: readonly IrTool[]): SchemaBudget {
  return createSchemaBudget(tools.map((tool) => (tool.type === 'function' ? tool.parameters : null)))
}

/** The schema of a structured answer: Google and Anthropic take any root, OpenAI's must be an object. */
export function normaliseFormatSchema(schema: WireObject, target: Protocol): NormalisedSchema {
  const work = createSchemaWork(schema, target, createSchemaBudget([schema]))
  return normalise(schema, work, target === 'openai-chat' || target === 'openai-responses')
}

function normalise(schema: WireObject, work: SchemaWork, needsObject: boolean): NormalisedSchema {
  const { target } = work
  const tidy = tidySchema(schema, '$', 0, work)
  work.document = tidy
  const root = needsObject ? objectRoot(tidy, work) : tidy
  const reduced =
    target === 'google-generate' ? reduceForGoogle(root, work) : root === tidy ? root : withSoundRefs(root, work)
  const named = target === 'anthropic-messages' && needsObject ? withLegalNames(reduced, work) : reduced
  return { schema: named, losses: [...work.losses] }
}

/** What no target takes at the root of a tool's schema. */
const ROOT_UNIONS = ['$ref', 'allOf', 'anyOf', 'oneOf']
/** What OpenAI does not; of an object they say little. */
const ROOT_RULES = ['enum', 'const', 'not']
const MAX_ROUNDS = 4

function objectRoot(tidy: WireObject, work: SchemaWork): WireObject {
  let root = tidy
  // Branches may be unions again; what is left after that many rounds is given up.
  for (let round = 0; round < MAX_ROUNDS && ROOT_UNIONS.some((word) => word in root); round++)
    root = flatRoot(root, work)
  for (const word of [...ROOT_UNIONS, ...ROOT_RULES]) {
    if (!(word in root)) continue
    const { [word]: value, ...rest } = root
    work.lose(`$.${word}`)
    root = withHint(rest, word, value)
  }
  const types = asArray(root.type ?? [])
  const type = typeof root.type === 'string' ? root.type : types.includes('object') ? 'object' : types[0]
  if (type !== undefined && type !== 'object') {
    // A tool whose argument is no object: the model is asked for it by name.
    work.lose('$')
    const { $defs, definitions, ...value } = root
    const kept = { ...($defs !== undefined && { $defs }), ...(definitions !== undefined && { definitions }) }
    return { type: 'object', properties: { value }, required: ['value'], ...kept }
  }
  const { type: _type, properties, ...rest } = root
  return { type: 'object', properties: asObject(properties) ?? {}, ...rest }
}

function flatRoot(root: WireObject, work: SchemaWork, depth = 0): WireObject {
  const { $ref: _ref, allOf: _all, anyOf: _any, oneOf: _one, ...bare } = root
  // Definitions that are unions of themselves have no end.
  if (depth > MAX_ROUNDS) return bare
  const plain = mergeAllOf(inlineRootRef(root, work), work, depth)
  return mergeAlternatives(mergeAlternatives(plain, 'anyOf', work, depth), 'oneOf', work, depth)
}

function inlineRootRef(root: WireObject, work: SchemaWork): WireObject {
  if (!('$ref' in root)) return root
  const { $ref, ...rest } = root
  const found = $ref === '#' ? null : work.resolve($ref)
  if (found !== null && work.budget.take(found)) return { ...found, ...rest }
  work.lose('$.$ref')
  return rest
}

function mergeAllOf(root: WireObject, work: SchemaWork, depth: number): WireObject {
  if (!('allOf' in root)) return root
  const { allOf, ...rest } = root
  const branches = asArray(allOf).map((branch) => flatRoot(asObject(branch) ?? {}, work, depth + 1))
  return intersection([rest, ...branches], '$', work)
}

/** One object that allows what any branch allows; which belong together is told in words. */
function mergeAlternatives(root: WireObject, word: 'anyOf' | 'oneOf', work: SchemaWork, depth: number): WireObject {
  if (!(word in root)) return root
  const { [word]: value, ...rest } = root
  const branches = asArray(value).map((branch) => flatRoot(asObject(branch) ?? {}, work, depth + 1))
  const objects = branches.filter((branch) => branch.type === undefined || [branch.type].flat().includes('object'))
  if (branches.length > 1) work.lose(`$.${word}`)
  const only = objects[0]
  if (only === undefined) return intersection([rest, branches[0] ?? {}], '$', work)
  if (objects.length === 1) return intersection([rest, only], '$', work)
  const hint = alternatives(objects)
  const merged = intersection([rest, unionOf(objects)], '$', work)
  return hint === null ? merged : withHint(merged, word === 'oneOf' ? 'exactly one of' : 'at least one of', hint)
}

/** Anthropic checks the names of arguments at the root, and refuses the whole request for one that it does not like. */
const LEGAL_NAME = /^[a-zA-Z0-9_.-]{1,64}$/

function withLegalNames(root: WireObject, work: SchemaWork): WireObject {
  const properties = Object.entries(asObject(root.properties) ?? {})
  const legal = properties.filter(([name]) => LEGAL_NAME.test(name))
  if (legal.length === properties.length) return root
  for (const [name] of properties) if (!LEGAL_NAME.test(name)) work.lose(`$.properties.${name}`)
  const required = asArray(root.required).filter((name) => LEGAL_NAME.test(String(name)))
  const { required: _required, ...rest } = root
  return { ...rest, properties: Object.fromEntries(legal), ...(required.length > 0 && { required }) }
}

/** References into what the repair of the root has moved away say nothing any more. */
function withSoundRefs(root: WireObject, work: SchemaWork): WireObject {
  work.document = root
  return checkRefs(root, '$', work, 0) as WireObject
}

/** Words that hold values, in which nothing is a reference. */
const VALUES: ReadonlySet<string> = new Set(['enum', 'const', 'default', 'examples', 'example'])

/** Words that are not JSON Schema's may hold anything, nested as deep as they like. */
const MAX_CHECKED_DEPTH = 400

function checkRefs(value: unknown, path: string, work: SchemaWork, depth: number): unknown {
  if (depth > MAX_CHECKED_DEPTH) return value
  if (Array.isArray(value)) return value.map((entry, i) => checkRefs(entry, `${path}[${i}]`, work, depth + 1))
  const object = asObject(value)
  if (!object) return value
  const entries = Object.entries(object).filter(([key, member]) => {
    const isDangling = key === '$ref' && typeof member === 'string' && work.resolve(member) === null
    if (isDangling) work.lose(`${path}.$ref`)
    return !isDangling
  })
  const isMap = path.endsWith('.properties')
  return Object.fromEntries(
    entries.map(([key, member]) => {
      const isValue = VALUES.has(key) && !isMap
      return [key, isValue ? member : checkRefs(member, `${path}.${key}`, work, depth + 1)]
    }),
  )
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { z } from 'zod'
import { ERROR_CODES } from '../base/errors.ts'
import { allOperations } from './all-operations.ts'
import { type OpenApiDocument, openApiDocument } from './openapi.ts'
import { operation } from './operation.ts'

const document = openApiDocument(allOperations, 'https://zendo.example')

type Json = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const TYPES = ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null']
/** What each keyword of JSON Schema 2020-12 may hold, of those that definitions come out with. */
const KEYWORDS: Readonly<Record<string, (value: unknown, where: string) => string[]>> = {
  type: (value, where) =>
    [value].flat().every((type) => TYPES.includes(String(type))) ? [] : [`${where}: no type ${value}`],
  description: isText,
  title: isText,
  format: isText,
  contentEncoding: isText,
  default: () => [],
  const: () => [],
  pattern: isPattern,
  enum: (value, where) =>
    Array.isArray(value) && value.length > 0 && new Set(value).size === value.length ? [] : [`${where}: no enum`],
  ...Object.fromEntries(
    ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'].map((name) => [name, isCount]),
  ),
  ...Object.fromEntries(
    ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'].map((name) => [name, isNumber]),
  ),
  items: schemaFaults,
  additionalProperties: schemaFaults,
  propertyNames: schemaFaults,
  properties: (value, where) =>
    isObject(value)
      ? Object.entries(value).flatMap(([name, schema]) => schemaFaults(schema, `${where}.${name}`))
      : [`${where}: no properties`],
  required: (value, where) =>
    Array.isArray(value) && value.every((name) => typeof name === 'string') ? [] : [`${where}: no names`],
  ...Object.fromEntries(['anyOf', 'oneOf', 'allOf', 'prefixItems'].map((name) => [name, areSchemas])),
  $ref: (value, where) => (resolve(String(value)) === undefined ? [`${where}: ${value} leads nowhere`] : []),
}

function isText(value: unknown, where: string): string[] {
  return typeof value === 'string' ? [] : [`${where}: no text`]
}

function isCount(value: unknown, where: string): string[] {
  return Number.isInteger(value) && Number(value) >= 0 ? [] : [`${where}: no count`]
}

function isNumber(value: unknown, where: string): string[] {
  return typeof value === 'number' ? [] : [`${where}: no number`]
}

function isPattern(value: unknown, where: string): string[] {
  try {
    new RegExp(String(value), 'u')
    return []
  } catch {
    return [`${where}: ${value} is no pattern`]
  }
}

function areSchemas(value: unknown, where: string): string[] {
  if (!Array.isArray(value) || value.length === 0) return [`${where}: no list of schemas`]
  return value.flatMap((schema, index) => schemaFaults(schema, `${where}[${index}]`))
}

function schemaFaults(schema: unknown, where: string): string[] {
  if (typeof schema === 'boolean') return []
  if (!isObject(schema)) return [`${where}: no schema`]
  const faults = Object.entries(schema).flatMap(([keyword, value]) => {
    const check = KEYWORDS[keyword]
    return check ? check(value, `${where}/${keyword}`) : [`${where}: ${keyword} is no keyword`]
  })
  const { required = [], properties = {} } = schema
  const missing = (required as string[]).filter((name) => !Object.hasOwn(properties as Json, name))
  return [...faults, ...missing.map((name) => `${where}: ${name} is required and not described`)]
}

/** Of a reference inside the document: `#/components/…`. */
function resolve(reference: string): unknown {
  return reference.startsWith('#/') ? at(document, ...reference.slice(2).split('/')) : undefined
}

/** What stands at a path; undefined where it leads nowhere. */
function at(root: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((node, name) => (isObject(node) ? node[name] : undefined), root)
}

function documentFaults({ paths, components, tags }: OpenApiDocument): string[] {
  const ids = new Set<unknown>()
  const faults = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, found]) => {
      const where = `${method} ${path}`
      const repeated = ids.has(found.operationId) ? [`${where}: its id stands twice`] : []
      ids.add(found.operationId)
      return [...repeated, ...operationFaults(where, path, found, { components, tags })]
    }),
  )
  const schemas = Object.entries(components.schemas ?? {}).flatMap(([name, schema]) => schemaFaults(schema, name))
  return [...faults, ...schemas]
}

function operationFaults(
  where: string,
  path: string,
  found: Json,
  { components, tags }: Pick<OpenApiDocument, 'components' | 'tags'>,
): string[] {
  const parameters = found.parameters as readonly Json[]
  const inPath = parameters.flatMap((one) => (one.in === 'path' ? String(one.name) : []))
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => String(name))
  const names = parameters.map((one) => `${one.in} ${one.name}`)
  const schemes = (found.security as readonly Json[]).flatMap((one) => Object.keys(one))
  const known = tags.map(({ name }) => name)
  const rules: readonly (readonly [boolean, string])[] = [
    [/^[a-z][a-z_]*(\.[a-z_]+)+$/.test(String(found.operationId)), 'its id is no id'],
    [typeof found.summary === 'string' && found.summary.endsWith('.'), 'its summary is no sentence'],
    [inPath.join() === named.join(), `its path has ${named}, and described are ${inPath}`],
    [new Set(names).size === names.length, 'a parameter stands twice'],
    [schemes.every((name) => Object.hasOwn(components.securitySchemes ?? {}, name)), 'an unknown security scheme'],
    [(found.tags as string[]).every((tag) => known.includes(tag)), 'an unknown tag'],
    [Object.keys(found.responses as Json).some((status) => /^[23]\d\d$/.test(status)), 'no success'],
    [Object.hasOwn(found.responses as Json, 'default'), 'no failure'],
  ]
  return [
    ...rules.flatMap(([holds, fault]) => (holds ? [] : [`${where}: ${fault}`])),
    ...parameters.flatMap((one) => schemaFaults(one.schema, `${where} ${one.name}`)),
    ...contentsOf(found).flatMap((schema) => schemaFaults(schema, where)),
  ]
}

function contentsOf({ requestBody, responses }: Json): unknown[] {
  const holders = [requestBody, ...Object.values(responses as Json)].filter(isObject)
  return holders.flatMap(({ content = {} }) => Object.values(content as Json).map((media) => (media as Json).schema))
}

describe('the OpenAPI document', () => {
  it('is well-formed: schemas compile, references lead somewhere, ids and parameters are consistent', () => {
    assert.deepEqual(documentFaults(document), [])
  })

  it('has each operation once, with its id, method and path', () => {
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(described.sort(), allOperations.map(({ id, method, path }) => `${id} ${method} ${path}`).sort())
  })

  it('names every error code', () => {
    const codes = at(document.components, 'schemas', 'Problem', 'properties', 'code', 'enum')
    assert.deepEqual(codes, ERROR_CODES)
  })

  it('says what each operation takes to be let in', () => {
    for (const shape of allOperations) {
      const security = at(document.paths, shape.path, shape.method.toLowerCase(), 'security')
      const schemes = (security as Json[]).map((one) => Object.keys(one).join('+'))
      const session = shape.method === 'GET' ? 'session' : 'session+csrf'
      const wanted = shape.access === 'public' ? [] : [session, ...(shape.scope === null ? [] : ['key'])]
      assert.deepEqual(schemes, wanted, shape.id)
    }
  })

  it('allows null for what is told once', () => {
    const shape = operation({
      ...({
        id: 'a.create',
        method: 'POST',
        path: '/api/a',
        access: 'person',
        rate: 'write',
        scope: 'manage',
      } as const),
      ...({ summary: 'Makes it.', once: ['key'] } as const),
      reply: z.strictObject({ key: z.string() }),
    })
    const path = ['/api/a', 'post', 'responses', '201', 'content', 'application/json', 'schema', 'properties', 'key']
    assert.deepEqual(at(openApiDocument([shape], '').paths, ...path, 'anyOf'), [{ type: 'string' }, { type: 'null' }])
  })

  it('would be found wanting: a reference to nothing, a bad pattern, an unknown keyword, an undescribed member', () => {
    for (const planted of [
      { $ref: '#/components/schemas/Nothing' },
      { type: 'string', pattern: '(' },
      { type: 'text' },
      { typo: 'string' },
      { type: 'object', properties: {}, required: ['a'] },
      { anyOf: [] },
    ]) {
      assert.notDeepEqual(schemaFaults(planted, ''), [], JSON.stringify(planted))
    }
    const [path = ''] = Object.keys(document.paths)
    const twice = { ...document.paths, [`${path}/{x}`]: document.paths[path] ?? {} }
    assert.notDeepEqual(documentFaults({ ...document, paths: twice }), [])
  })
})

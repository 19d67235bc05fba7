/** The API as an OpenAPI 3.1 document, made from the definitions that the server itself goes by. */
import { z } from 'zod'
import { type OperationShape, operation } from './operation.ts'
import { problem } from './problem.ts'

/** JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
export type JsonSchema = Readonly<Record<string, unknown>>

export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: Readonly<Record<string, string>>
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>
}

const ACCESS_TEXTS: Readonly<Record<OperationShape['access'], string>> = {
  public: 'anybody',
  person: 'anybody who is signed in',
  member: 'members of the workspace',
  admin: 'admins of the workspace',
  operator: 'operators of the instance',
}

const IDEMPOTENCY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A name of your choice for this write. Sent again under it within 24 hours, the write has no second effect: the first answer comes again, with `idempotency-replayed: true` and null for what is told once.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
}

/** Where a path has a name in braces: an id, or a name without a slash. */
const SEGMENT = { type: 'string', pattern: '^[A-Za-z0-9_.:@~-]{1,128}$' }

/** @param serverUrl how clients reach the instance */
export function openApiDocument(operations: readonly OperationShape[], serverUrl: string): OpenApiDocument {
  const paths: Record<string, Record<string, JsonSchema>> = {}
  for (const shape of operations) {
    const known = paths[shape.path] ?? {}
    known[shape.method.toLowerCase()] = operationOf(shape)
    paths[shape.path] = known
  }
  const tags = [...new Set(operations.map(tagOf))].map((name) => ({ name }))
  return {
    openapi: '3.1.0',
    info: {
      title: 'Zendo',
      version: '1',
      description: 'People, workspaces, keys and what they may: everything that the console does, it does by this API.',
    },
    servers: [{ url: serverUrl }],
    ...{ tags, paths, components: componentsOf() },
  }
}

function tagOf({ id }: OperationShape): string {
  return id.split('.')[0] ?? id
}

function operationOf(shape: OperationShape): JsonSchema {
  const { id, access, scope, rate, summary, body, isSensitive } = shape
  return {
    operationId: id,
    tags: [tagOf(shape)],
    summary,
    description: descriptionOf(shape),
    ...{ 'x-zendo-access': access, 'x-zendo-scope': scope, 'x-zendo-rate': rate },
    'x-zendo-sensitive': isSensitive === true,
    security: securityOf(shape),
    parameters: parametersOf(shape),
    ...(body && { requestBody: { required: true, content: { 'application/json': { schema: inputSchema(body) } } } }),
    responses: { ...successOf(shape), default: { $ref: '#/components/responses/Problem' } },
  }
}

function descriptionOf({ access, scope, isSensitive }: OperationShape): string {
  const key = scope === null ? 'not for API keys' : `or an API key with the scope \`${scope}\``
  const recent = isSensitive ? ' Wants a proof of identity of the last 15 minutes.' : ''
  return access === 'public' ? 'For anybody.' : `For ${ACCESS_TEXTS[access]}; ${key}.${recent}`
}

function securityOf({ access, scope, method }: OperationShape): Readonly<Record<string, readonly string[]>>[] {
  if (access === 'public') return []
  const session = method === 'GET' ? { session: [] } : { session: [], csrf: [] }
  return scope === null ? [session] : [session, { key: [scope] }]
}

function parametersOf({ path, query, method, access }: OperationShape): JsonSchema[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: SEGMENT },
  }))
  const { properties = {}, required = [] } = query ? inputSchema(query) : {}
  const inQuery = Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => {
    const { description, ...rest } = schema
    const isRequired = (required as string[]).includes(name)
    return { name, in: 'query', required: isRequired, ...(description ? { description } : {}), schema: rest }
  })
  return [...inPath, ...inQuery, ...(method === 'GET' || access === 'public' ? [] : [IDEMPOTENCY])]
}

function successOf({ method, reply, once = [], streams, redirects }: OperationShape): JsonSchema {
  if (redirects) return { 302: { description: 'On to where `location` says.' } }
  if (streams) {
    const content = Object.fromEntries(streams.map((type) => [type, { schema: { type: 'string' } }]))
    return { 200: { description: 'A stream.', content } }
  }
  if (reply instanceof z.ZodUndefined) return { 204: { description: 'Done; nothing to tell.' } }
  const schema = toldOnce(schemaOf(reply, 'output'), once)
  const status = method === 'POST' ? 201 : 200
  return { [status]: { description: 'Done.', content: { 'application/json': { schema } } } }
}

/** A repetition gets null for what was told once. */
function toldOnce(schema: JsonSchema, once: readonly string[]): JsonSchema {
  if (once.length === 0) return schema
  const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(
    ([name, member]): [string, JsonSchema] =>
      once.includes(name)
        ? [name, { ...orNull(member), description: 'Told once: null in a repetition.' }]
        : [name, member],
  )
  return { ...schema, properties: Object.fromEntries(properties) }
}

function orNull(schema: JsonSchema): JsonSchema {
  const isNullable = [schema.type].flat().includes('null')
  return isNullable ? schema : { anyOf: [schema, { type: 'null' }] }
}

function inputSchema(schema: z.ZodType): JsonSchema {
  return schemaOf(schema, 'input')
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    ...({ target: 'draft-2020-12', io, reused: 'inline' } as const),
    override: ({ jsonSchema }) => {
      // Its format says the same in one word.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  return rest
}

function componentsOf(): OpenApiDocument['components'] {
  return {
    schemas: { Problem: inputSchema(problem) },
    responses: {
      Problem: {
        description: 'Refused or failed. `code` says why; `retry-after` (seconds) goes with what waiting heals.',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
    securitySchemes: {
      session: {
        ...{ type: 'apiKey', in: 'cookie', name: '__Host-zendo_session' },
        description: 'Of whoever signed in. Without TLS, on a loopback address, it is called `zendo_session`.',
      },
      csrf: {
        ...{ type: 'apiKey', in: 'header', name: 'x-zendo-csrf' },
        description: 'Beside the cookie on each write: `csrf` of `session.read`.',
      },
      key: {
        ...{ type: 'http', scheme: 'bearer' },
        description: 'An API key, by the scopes it was made with: `read`, or `manage`, which reads too.',
      },
    },
  }
}

export const readOpenApi = operation({
  id: 'openapi.read',
  method: 'GET',
  path: '/api/openapi.json',
  access: 'public',
  rate: 'read',
  scope: null,
  summary: 'This API as an OpenAPI 3.1 document.',
  reply: z.record(z.string(), z.unknown()),
})

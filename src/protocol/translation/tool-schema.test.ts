import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PROTOCOLS, type Protocol } from '../../base/words.ts'
import { asArray, asObject, type WireObject } from '../wire-value.ts'
import { normaliseFormatSchema, normaliseToolSchema } from './tool-schema.ts'
import { NASTY_SCHEMAS } from './tool-schema-samples.ts'

const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])
const GOOGLE_WORDS = new Set([
  ...['type', 'format', 'title', 'description', 'enum', 'items', 'prefixItems', 'minItems', 'maxItems', 'minimum'],
  ...['maximum', 'anyOf', 'properties', 'additionalProperties', 'required', 'propertyOrdering'],
])

/** What the target would refuse a schema for; empty when nothing. */
function breaches(schema: WireObject, target: Protocol): string[] {
  const found: string[] = []
  if (schema.type !== 'object') found.push('$: root must be an object')
  if (!asObject(schema.properties)) found.push('$: root needs properties')
  for (const word of ['anyOf', 'oneOf', 'allOf']) if (word in schema) found.push(`$: ${word} at the root`)
  if (target.startsWith('openai')) {
    for (const word of ['enum', 'const', 'not']) if (word in schema) found.push(`$: ${word} at the root`)
  }
  if (target === 'anthropic-messages') {
    for (const name of Object.keys(asObject(schema.properties) ?? {})) {
      if (!/^[a-zA-Z0-9_.-]{1,64}$/.test(name)) found.push(`$: name ${name}`)
    }
  }
  visit(schema, '$', (node, path) => {
    checkValid(node, path, schema, found)
    if (target === 'google-generate') checkGoogle(node, path, found)
    if (target.startsWith('openai') && /\\[pP]\{|\(\?<[a-z]/.test(String(node.pattern ?? '')))
      found.push(`${path}: pattern`)
  })
  return found
}

function visit(node: unknown, path: string, check: (node: WireObject, path: string) => void): void {
  const object = asObject(node)
  if (!object) return
  check(object, path)
  for (const key of ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']) {
    for (const [name, value] of Object.entries(asObject(object[key]) ?? {}))
      visit(value, `${path}.${key}.${name}`, check)
  }
  for (const key of ['items', 'additionalProperties', 'contains', 'propertyNames', 'not', 'if', 'then', 'else']) {
    visit(object[key], `${path}.${key}`, check)
  }
  for (const key of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) {
    asArray(object[key]).forEach((value, i) => {
      visit(value, `${path}.${key}[${i}]`, check)
    })
  }
}

function checkValid(node: WireObject, path: string, root: WireObject, found: string[]): void {
  const types = [node.type ?? []].flat()
  if (types.some((type) => !TYPES.has(String(type)))) found.push(`${path}: type`)
  if (types.includes('array') && node.items === undefined) found.push(`${path}: array schema missing items`)
  if (Array.isArray(node.items)) found.push(`${path}: items is a list`)
  for (const key of ['anyOf', 'oneOf', 'allOf', 'prefixItems', 'enum']) {
    if (key in node && asArray(node[key]).length === 0) found.push(`${path}: empty ${key}`)
  }
  if (Array.isArray(node.enum) && new Set(node.enum.map((v) => JSON.stringify(v))).size < node.enum.length) {
    found.push(`${path}: enum with doubles`)
  }
  if ('required' in node && !asArray(node.required).every((name) => typeof name === 'string'))
    found.push(`${path}: required`)
  for (const key of ['exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxItems']) {
    if (key in node && typeof node[key] !== 'number') found.push(`${path}: ${key}`)
  }
  for (const key of ['$schema', '$id', '$comment', 'nullable', 'dependencies', 'additionalItems']) {
    if (key in node) found.push(`${path}: ${key}`)
  }
  const ref = node.$ref
  if (ref !== undefined && !pointsSomewhere(String(ref), root)) found.push(`${path}: $ref`)
}

function pointsSomewhere(ref: string, root: WireObject): boolean {
  let value: unknown = root
  for (const key of ref.split('/').slice(1)) value = asObject(value)?.[decodeURIComponent(key).replaceAll('~1', '/')]
  return asObject(value) !== null
}

function checkGoogle(node: WireObject, path: string, found: string[]): void {
  for (const key of Object.keys(node)) if (!GOOGLE_WORDS.has(key)) found.push(`${path}: ${key} is not known`)
  const types = [node.type ?? []].flat()
  if (types.filter((type) => type !== 'null').length > 1) found.push(`${path}: several types`)
  if (types.length === 0 && !('anyOf' in node)) found.push(`${path}: no type`)
  for (const value of asArray(node.enum)) {
    const isFit = types.includes('string') ? typeof value === 'string' && value !== '' : typeof value === 'number'
    if (!isFit) found.push(`${path}: enum value ${JSON.stringify(value)}`)
  }
  const properties = asObject(node.properties) ?? {}
  for (const name of asArray(node.required)) if (!(String(name) in properties)) found.push(`${path}: requires ${name}`)
  if ('anyOf' in node) {
    const beside = Object.keys(node).filter((key) => !['anyOf', 'title', 'description'].includes(key))
    if (beside.length > 0) found.push(`${path}: ${beside} beside anyOf`)
  }
  if ('properties' in node && !types.includes('object')) found.push(`${path}: properties of no object`)
}

const property = (schema: WireObject, target: Protocol): { got: unknown; losses: readonly string[] } => {
  const { schema: whole, losses } = normaliseToolSchema({ type: 'object', properties: { a: schema } }, target)
  return { got: asObject(whole.properties)?.a, losses }
}

describe('every target takes', () => {
  for (const [name, schema] of Object.entries(NASTY_SCHEMAS)) {
    test(name, () => {
      for (const target of PROTOCOLS) {
        const { schema: normal } = normaliseToolSchema(schema, target)
        assert.deepEqual(breaches(normal, target), [], `${target}: ${JSON.stringify(normal)}`)
        assert.deepEqual(normaliseToolSchema(normal, target).schema, normal, `${target}: twice is once`)
      }
    })
  }

  test('any JSON at all', () => {
    const word = fc.constantFrom(
      ...['type', 'properties', 'items', 'anyOf', 'oneOf', 'allOf', 'enum', 'const', '$ref', 'required', 'not', 'if'],
      ...['then', 'additionalProperties', 'prefixItems', 'nullable', 'exclusiveMinimum', 'minimum', 'a', '$defs'],
    )
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 6, depthSize: 'medium' },
        fc.constantFrom<unknown>('object', 'array', 'string', 'integer', '#', '#/$defs/a', true, false, null, 1, ''),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(word, tie('node'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(word, node, { maxKeys: 6 }), (schema) => {
        for (const target of PROTOCOLS)
          assert.deepEqual(breaches(normaliseToolSchema(schema, target).schema, target), [])
      }),
      { numRuns: 400 },
    )
  })

  test('no schema: a tool without arguments', () => {
    for (const target of PROTOCOLS) {
      assert.deepEqual(normaliseToolSchema(null, target), { schema: { type: 'object', properties: {} }, losses: [] })
    }
  })
})

describe('the checker', () => {
  test('finds each kind of breach, or its silence would mean nothing', () => {
    const bad: WireObject = {
      type: 'object',
      properties: { 'a[b]': { type: ['string', 'number'] }, c: { type: 'array' } },
    }
    assert.equal(breaches(bad, 'anthropic-messages').length, 2)
    assert.equal(breaches(bad, 'google-generate').length, 2)
    assert.equal(breaches({ type: 'object', properties: {}, anyOf: [{}] }, 'openai-chat').length, 1)
  })
})

describe('meaning', () => {
  test('a sound schema comes out as it went in', () => {
    const schema = {
      type: 'object',
      properties: { path: { type: 'string', description: 'A file' }, lines: { type: 'integer', minimum: 1 } },
      required: ['path'],
      additionalProperties: false,
    }
    for (const target of PROTOCOLS) assert.deepEqual(normaliseToolSchema(schema, target), { schema, losses: [] })
  })

  test('Google: references are inlined, a recursion is cut and named', () => {
    const { schema, losses } = normaliseToolSchema(NASTY_SCHEMAS['recursive tree'] ?? null, 'google-generate')
    const tree = asObject(asObject(schema.properties)?.tree)
    assert.equal(asObject(asObject(tree?.properties)?.name)?.type, 'string')
    assert.equal(asObject(asObject(asObject(tree?.properties)?.children)?.items)?.type, 'object')
    assert.deepEqual(losses, ['$.properties.tree.properties.children.items.$ref'])
  })

  test('others keep references', () => {
    const { schema, losses } = normaliseToolSchema(NASTY_SCHEMAS['recursive tree'] ?? null, 'anthropic-messages')
    assert.ok(asObject(schema.$defs)?.node)
    assert.deepEqual(losses, [])
  })

  test('a union at the root becomes one object that allows what any branch allows', () => {
    const { schema, losses } = normaliseToolSchema(
      NASTY_SCHEMAS['discriminated union at the root'] ?? null,
      'openai-chat',
    )
    assert.deepEqual(schema, {
      type: 'object',
      properties: {
        kind: { enum: ['file', 'url'] },
        path: { type: 'string' },
        url: { type: 'string' },
      },
      required: ['kind'],
      description: '(exactly one of: kind="file" + path | kind="url" + url)',
    })
    assert.deepEqual(losses, ['$.oneOf'])
  })

  test('"one of these is needed" at the root is told in words', () => {
    const { schema, losses } = normaliseToolSchema(
      NASTY_SCHEMAS['root anyOf of required'] ?? null,
      'anthropic-messages',
    )
    assert.equal(schema.description, '(at least one of: route | file)')
    assert.deepEqual(Object.keys(asObject(schema.properties) ?? {}), ['route', 'file'])
    assert.deepEqual(losses, ['$.anyOf'])
  })

  test('Google: nullable in every spelling', () => {
    const nullable = { type: ['string', 'null'] }
    for (const schema of [
      { type: ['string', 'null'] },
      { type: 'string', nullable: true },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
      { oneOf: [{ type: 'null' }, { type: 'string' }] },
    ]) {
      assert.deepEqual(property(schema, 'google-generate'), { got: nullable, losses: [] })
    }
  })

  test('Google: what has no keyword is told in the description, and listed when it is a rule', () => {
    assert.deepEqual(property({ type: 'string', pattern: '^a', default: 'a', description: 'D' }, 'google-generate'), {
      got: { description: 'D (default: a) (pattern: ^a)', type: 'string' },
      losses: ['$.properties.a.pattern'],
    })
    assert.deepEqual(property({ type: 'integer', exclusiveMinimum: 0 }, 'google-generate'), {
      got: { type: 'integer', minimum: 1 },
      losses: [],
    })
    assert.deepEqual(property({ const: 'x' }, 'google-generate'), { got: { type: 'string', enum: ['x'] }, losses: [] })
    assert.deepEqual(property({ enum: ['', 'b'] }, 'google-generate').losses, ['$.properties.a.enum'])
  })

  test('older drafts are brought up to date for all', () => {
    for (const target of PROTOCOLS) {
      const { got } = property(
        { type: 'array', items: [{ type: 'string' }, { type: 'number' }], additionalItems: false },
        target,
      )
      assert.equal(asArray(asObject(got)?.prefixItems).length, 2, target)
    }
    assert.deepEqual(property({ type: 'number', minimum: 0, exclusiveMinimum: true }, 'openai-chat').got, {
      type: 'number',
      exclusiveMinimum: 0,
    })
  })

  test('the schema of an answer keeps a root that is no object where the target takes one', () => {
    const list = { type: 'array', items: { type: 'string' } }
    assert.deepEqual(normaliseFormatSchema(list, 'google-generate'), { schema: list, losses: [] })
    assert.deepEqual(normaliseFormatSchema(list, 'openai-responses').losses, ['$'])
  })
})

describe('limits', () => {
  test('definitions that double each other end', () => {
    const $defs: Record<string, unknown> = { d0: { type: 'string' } }
    for (let i = 1; i < 40; i++) {
      const ref = { $ref: `#/$defs/d${i - 1}` }
      $defs[`d${i}`] = { type: 'object', properties: { a: ref, b: ref } }
    }
    const bomb = { type: 'object', properties: { a: { $ref: '#/$defs/d39' } }, $defs }
    const startedAt = performance.now()
    const { schema, losses } = normaliseToolSchema(bomb, 'google-generate')
    assert.ok(performance.now() - startedAt < 500)
    assert.ok(losses.length > 0 && losses.length <= 40)
    assert.deepEqual(breaches(schema, 'google-generate'), [])
  })

  test('a schema of ten thousand levels is cut, not walked', () => {
    let deep: WireObject = { type: 'string' }
    for (let i = 0; i < 10_000; i++) deep = { type: 'object', properties: { a: deep } }
    for (const target of PROTOCOLS) assert.equal(normaliseToolSchema(deep, target).losses.length, 1)
  })

  test('a name that means something to JavaScript stays a name', () => {
    const schema = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"}}}',
    )
    for (const target of PROTOCOLS) {
      const { properties } = normaliseToolSchema(schema, target).schema
      assert.deepEqual(Object.keys(properties as object), ['__proto__', 'constructor'], target)
    }
  })
})

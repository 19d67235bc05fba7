/** Made-up arguments fit the schema they were made from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { isObject } from './request.ts'
import { sampleArguments } from './schema-sample.ts'

const tool = z.object({
  command: z.string(),
  title: z.string().min(12).max(20),
  short: z.string().max(3),
  mode: z.enum(['read', 'write']),
  fixed: z.literal('v2'),
  port: z.int().min(1024).max(65535),
  ratio: z.number().gt(0).lt(1),
  below: z.number().max(-3),
  even: z.number().min(13).multipleOf(5),
  enabled: z.boolean(),
  nothing: z.null(),
  tags: z.array(z.string()).min(2),
  pair: z.tuple([z.string(), z.int()]),
  nested: z.object({ path: z.string(), line: z.int().nonnegative(), note: z.string().optional() }),
  either: z.union([z.null(), z.object({ kind: z.literal('a') }), z.string()]),
  both: z.intersection(z.object({ a: z.string() }), z.object({ b: z.int() })),
  link: z.url(),
  day: z.iso.date(),
  someone: z.email(),
  id: z.uuid(),
  nullable: z.string().nullable(),
  optional: z.string().optional(),
})

test('every required member is there and valid, and nothing else', () => {
  const schema = z.toJSONSchema(tool, { io: 'input' })
  const value = sampleArguments(schema)
  tool.parse(value)
  assert.ok(!('optional' in value))
  assert.deepEqual(value.nested, { path: 'simulated', line: 1 })
})

test('references inside the schema are followed', () => {
  const point = { type: 'object', properties: { x: { type: 'integer', minimum: 7 } }, required: ['x'] }
  const schema = {
    type: 'object',
    properties: {
      at: { $ref: '#/$defs/point' },
      also: { allOf: [{ $ref: '#/$defs/point' }] },
      lost: { $ref: '#/$defs/no' },
    },
    required: ['at', 'also', 'lost'],
    $defs: { point },
  }
  assert.deepEqual(sampleArguments(schema), { at: { x: 7 }, also: { x: 7 }, lost: 'simulated' })
})

test('a declared default or example is used', () => {
  const schema = {
    properties: {
      a: { type: 'string', default: 'main' },
      b: { type: 'string', examples: ['HEAD~1'], pattern: '^HEAD' },
    },
    required: ['a', 'b', 'c'],
  }
  assert.deepEqual(sampleArguments(schema), { a: 'main', b: 'HEAD~1', c: 'simulated' })
})

test('arguments are an object even when the schema is missing or is not one', () => {
  for (const schema of [undefined, null, true, [], 'object', { type: 'string' }, { type: 'array' }]) {
    assert.deepEqual(sampleArguments(schema), {})
  }
})

test('hostile schemas cost little: recursion, giant counts, giant lengths, odd names', () => {
  const loop = { type: 'object', properties: { self: { $ref: '#' } }, required: ['self'] }
  assert.ok(isObject(sampleArguments(loop)))
  let wide: object = { type: 'string', minLength: 1e12 }
  for (let depth = 0; depth < 10; depth++) wide = { type: 'array', minItems: 1e9, items: wide }
  const giant = {
    type: 'object',
    properties: { wide, word: { type: 'string', minLength: 1e12 } },
    required: ['word', 'wide'],
  }
  assert.ok(JSON.stringify(sampleArguments(giant)).length < 5_000_000)
  const odd = sampleArguments({ type: 'object', required: ['__proto__', 'constructor', 5] })
  assert.equal(JSON.stringify(odd), '{"__proto__":"simulated","constructor":"simulated"}')
})

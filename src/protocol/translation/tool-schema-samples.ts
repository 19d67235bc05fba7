/** Schemas as tool servers really write them, each a trouble of its own; for tests. */
import type { WireObject } from '../wire-value.ts'

const text = { type: 'string' }

function withArgument(schema: unknown): WireObject {
  return { type: 'object', properties: { a: schema } } as WireObject
}

export const NASTY_SCHEMAS: Readonly<Record<string, WireObject>> = {
  'nothing at all': {},
  'only a draft': { $schema: 'http://json-schema.org/draft-07/schema#', $id: 'x', $comment: 'y' },
  'object without properties': { type: 'object' },
  'properties as an empty list': { type: 'object', properties: [], required: [] },
  'root of no type': { properties: { a: text }, required: ['a'] },
  'root is a list': { type: 'array', items: text },
  'root may be null': { type: ['object', 'null'], properties: { a: text } },
  'root is a reference': { $ref: '#/$defs/Args', $defs: { Args: { type: 'object', properties: { a: text } } } },
  'root refers to itself': { $ref: '#' },
  'root anyOf of required': {
    type: 'object',
    properties: { route: text, file: text },
    anyOf: [{ required: ['route'] }, { required: ['file'] }],
  },
  'discriminated union at the root': {
    oneOf: [
      { type: 'object', properties: { kind: { const: 'file' }, path: text }, required: ['kind', 'path'] },
      { type: 'object', properties: { kind: { const: 'url' }, url: text }, required: ['kind', 'url'] },
    ],
  },
  'allOf at the root': {
    allOf: [{ $ref: '#/definitions/Base' }, { properties: { b: { type: 'integer' } }, required: ['b'] }],
    definitions: { Base: { type: 'object', properties: { a: text }, required: ['a'] } },
  },
  'root union of object and text': { anyOf: [{ type: 'object', properties: { a: text } }, text] },
  'root negation': { type: 'object', properties: { a: text }, not: { required: ['a', 'b'] } },
  'if, then, else at the root': {
    type: 'object',
    properties: { mode: { enum: ['a', 'b'] } },
    if: { properties: { mode: { const: 'a' } } },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's word
    then: { properties: { only: text }, required: ['only'] },
    else: { properties: { other: text } },
  },
  'recursive tree': {
    type: 'object',
    properties: { tree: { $ref: '#/$defs/node' } },
    $defs: {
      node: {
        type: 'object',
        properties: { name: text, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
      },
    },
  },
  'mutual recursion': {
    type: 'object',
    properties: { a: { $ref: '#/$defs/A' } },
    $defs: { A: { anyOf: [{ $ref: '#/$defs/B' }, text] }, B: { type: 'array', items: { $ref: '#/$defs/A' } } },
  },
  'definitions that are unions of themselves': {
    allOf: [{ $ref: '#/$defs/A' }],
    anyOf: [{ $ref: '#/$defs/B' }, { $ref: '#/$defs/A' }],
    $defs: { A: { allOf: [{ $ref: '#/$defs/A' }] }, B: { anyOf: [{ $ref: '#/$defs/B' }, { $ref: '#/$defs/C' }] } },
  },
  'references that lead nowhere': {
    type: 'object',
    properties: { a: { $ref: '#/$defs/Gone' }, b: { $ref: 'https://example.com/x.json' }, c: { $ref: 7 } },
  },
  'references with escapes': {
    type: 'object',
    properties: { a: { $ref: '#/$defs/x~1y%20z' } },
    $defs: { 'x/y z': text },
  },
  'reference into the root union': {
    anyOf: [
      { type: 'object', properties: { a: text } },
      { type: 'object', properties: { b: { $ref: '#/anyOf/0' } } },
    ],
  },
  'nullable in three ways': {
    type: 'object',
    properties: {
      a: { type: ['string', 'null'], enum: ['x', null] },
      b: { type: 'integer', nullable: true },
      c: { anyOf: [{ type: 'array', items: text }, { type: 'null' }], default: null },
    },
  },
  'several types': withArgument({ type: ['string', 'number', 'array', 'object', 'null'] }),
  'enums of other things': {
    type: 'object',
    properties: {
      numbers: { type: 'integer', enum: [60, 1440] },
      flags: { enum: [true, false] },
      mixed: { enum: ['a', 1, null, true] },
      empty: { type: 'string', enum: ['', 'a', 'a'] },
      none: { type: 'string', enum: [] },
      wrong: { type: 'string', enum: [1, 2] },
      objects: { enum: [{ a: 1 }] },
      nothing: { type: 'string', enum: [''] },
    },
  },
  constants: { type: 'object', properties: { a: { const: 1 }, b: { const: null }, c: { const: { x: [] } } } },
  'bounds of draft 4': withArgument({
    type: 'number',
    minimum: 0,
    exclusiveMinimum: true,
    maximum: 9,
    exclusiveMaximum: false,
  }),
  tuples: {
    type: 'object',
    properties: {
      old: { type: 'array', items: [text, { type: 'number' }], additionalItems: false },
      now: { type: 'array', prefixItems: [text], items: false },
      bare: { type: 'array' },
      any: { type: 'array', items: true },
    },
  },
  'boolean schemas': { type: 'object', properties: { yes: true, no: false }, additionalProperties: {} },
  maps: {
    type: 'object',
    properties: {
      env: { type: 'object', additionalProperties: text, propertyNames: { pattern: '^[A-Z]+$' } },
      byPattern: { type: 'object', patternProperties: { '^x-': text }, additionalProperties: false },
      two: { patternProperties: { '^a': text, '^b': { type: 'number' } } },
    },
  },
  'required names what is not there': { type: 'object', properties: { a: text }, required: ['a', 'b', 'a', 7] },
  'required in the property': { type: 'object', properties: { a: { type: 'string', required: true } } },
  'words for types': {
    type: 'object',
    properties: {
      a: 'string',
      b: { type: 'STRING' },
      c: { type: 'int' },
      d: { type: 'any' },
      e: { type: 'file' },
      f: null,
    },
  },
  'names that Anthropic refuses': {
    type: 'object',
    properties: { 'filter[id]': text, $top: text, fine: text },
    required: ['$top', 'fine'],
  },
  'patterns of other languages': {
    type: 'object',
    properties: { a: { type: 'string', pattern: '^\\p{L}+$' }, b: { pattern: '(?<year>\\d+)' }, c: { pattern: '(' } },
  },
  'branches that only demand': withArgument({
    type: 'object',
    properties: { x: text, y: text },
    oneOf: [{ required: ['x'] }, { required: ['y'] }],
  }),
  'siblings of a union': withArgument({
    type: 'object',
    description: 'D',
    properties: { shared: text },
    required: ['shared'],
    anyOf: [{ properties: { x: text }, required: ['x'] }, { properties: { y: { $ref: '#/properties/a' } } }],
  }),
  'dependencies of draft 7': {
    type: 'object',
    properties: { a: text, b: text },
    dependencies: { a: ['b'], b: { properties: { c: text } } },
  },
  'rules of the wrong kind': withArgument({
    type: 'string',
    minLength: '5',
    maxLength: -1,
    pattern: 7,
    title: 1,
    required: 'a',
  }),
  'foreign words': withArgument({
    type: 'string',
    'x-order': 1,
    example: 'e',
    encrypted: true,
    deprecated: true,
    format: 'uri',
  }),
}

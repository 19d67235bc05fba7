/** Schemas that are written to cost much, or whose words JavaScript has a meaning for. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PROTOCOLS } from '../../base/words.ts'
import type { IrFunctionTool } from '../ir/request.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { normaliseToolSchema, toolSchemaBudget } from './tool-schema.ts'

/** Where each branch was joined to all before it, or each reference was inlined, this took five times as long or more. */
const MAX_CPU_MS = 1000

function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function times<T>(count: number, made: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => made(i))
}

function object(names: readonly string[], schema: unknown = { type: 'string' }): WireObject {
  return { type: 'object', properties: Object.fromEntries(names.map((name) => [name, schema])) }
}

/** Each definition holds the next one twice. */
function doubling(levels: number): WireObject {
  const $defs = Object.fromEntries(
    times(levels, (i) => [`d${i}`, object(['a', 'b'], i + 1 === levels ? {} : { $ref: `#/$defs/d${i + 1}` })]),
  )
  return { ...object(['x'], { $ref: '#/$defs/d0' }), $defs }
}

const BRANCHES = 20_000
const branches = times(BRANCHES, (i) => ({ ...object([`k${i}`]), required: [`k${i}`] }))

const COSTLY: Readonly<Record<string, WireObject>> = {
  'branches of allOf in a member': object(['x'], { allOf: branches }),
  'branches of allOf at the root': { type: 'object', allOf: branches },
  'branches of anyOf at the root': {
    type: 'object',
    anyOf: times(BRANCHES, (i) => ({ ...object(['kind'], { const: `k${i}` }), required: ['kind'] })),
  },
  'branches with one name in common': {
    type: 'object',
    anyOf: times(BRANCHES, (i) => ({ ...object(['a'], { type: 'string', maxLength: i }), required: ['a'] })),
  },
  'values of allOf': object(['x'], {
    allOf: [{ enum: times(BRANCHES, (i) => `v${i}`) }, ...times(BRANCHES, (i) => ({ enum: [`w${i}`] }))],
  }),
  'members beside a union': object(['x'], {
    ...object(times(3000, (i) => `a${i}`)),
    anyOf: times(3000, (i) => object([`b${i}`])),
  }),
  'references in a chain': {
    ...object(['x'], { $ref: '#/$defs/d0' }),
    $defs: Object.fromEntries(times(BRANCHES, (i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }])),
  },
  'references at the root that lead to themselves': {
    allOf: [{ $ref: '#/$defs/a' }],
    $defs: { a: { allOf: times(60, () => ({ $ref: '#/$defs/a' })) } },
  },
}

describe('the cost of a schema grows with its size', () => {
  for (const [name, schema] of Object.entries(COSTLY)) {
    for (const target of PROTOCOLS) {
      test(`${name}: ${target}`, () => {
        const took = cpuMs(() => JSON.stringify(normaliseToolSchema(schema, target).schema))
        assert.ok(took < MAX_CPU_MS, `${took} ms`)
      })
    }
  }
})

describe('what inlining adds to a request is bounded', () => {
  const GROWING: Readonly<Record<string, WireObject>> = {
    'definitions that double each other': doubling(40),
    'one large definition that is referred to often': {
      ...object(
        times(500, (i) => `p${i}`),
        { $ref: '#/$defs/big' },
      ),
      $defs: { big: object(times(200, (i) => `q${i}`)) },
    },
    'one long description that is referred to often': {
      ...object(
        times(500, (i) => `p${i}`),
        { $ref: '#/$defs/big' },
      ),
      $defs: { big: { type: 'object', description: 'd'.repeat(20_000) } },
    },
    'members that say nothing': object(
      times(5000, (i) => `p${i}`),
      {},
    ),
    'lists of anything': object(
      times(5000, (i) => `p${i}`),
      { type: 'array' },
    ),
    'a union in which each branch has what stands beside it': object(['x'], {
      ...object(times(500, (i) => `a${i}`)),
      anyOf: times(500, (i) => object([`b${i}`])),
    }),
  }
  const MUTE = new Set(['members that say nothing', 'lists of anything'])
  for (const [name, parameters] of Object.entries(GROWING)) {
    test(name, () => {
      const tools = times(20, (i): IrFunctionTool => ({ type: 'function', name: `f${i}`, parameters }))
      const budget = toolSchemaBudget(tools)
      const schemas = tools.map((tool) => normaliseToolSchema(tool.parameters, 'google-generate', budget))
      const [came, sent] = [JSON.stringify(parameters).length * 20, JSON.stringify(schemas.map((s) => s.schema)).length]
      // A type must be told where nothing was said, which is more than `{}` already.
      const most = MUTE.has(name) ? 3.5 : 3
      assert.ok(sent <= most * came + 65_536, `${came} became ${sent}`)
      assert.notDeepEqual(schemas.at(-1)?.losses, [], 'what was cut is named')
    })
  }

  test('the budget is the request’s, not each tool’s', () => {
    const tools = times(100, (i): IrFunctionTool => ({ type: 'function', name: `f${i}`, parameters: doubling(40) }))
    const budget = toolSchemaBudget(tools)
    const took = cpuMs(() => {
      for (const { parameters } of tools) normaliseToolSchema(parameters, 'google-generate', budget)
    })
    assert.ok(took < MAX_CPU_MS, `${took} ms`)
  })

  test('ordinary references are inlined, however many tools use them', () => {
    const parameters = {
      ...object(['from', 'to'], { $ref: '#/$defs/place' }),
      $defs: { place: { ...object(['street', 'town', 'country']), required: ['town'] } },
    }
    const tools = times(200, (i): IrFunctionTool => ({ type: 'function', name: `f${i}`, parameters }))
    const budget = toolSchemaBudget(tools)
    for (const tool of tools) {
      const { schema, losses } = normaliseToolSchema(tool.parameters, 'google-generate', budget)
      assert.deepEqual(losses, [])
      assert.deepEqual(asObject(schema.properties)?.to, parameters.$defs.place)
    }
  })
})

describe('words that every JavaScript object has', () => {
  for (const word of ['valueOf', 'constructor', 'toString', 'hasOwnProperty', '__proto__', '__defineGetter__']) {
    test(`as keywords and as names: ${word}`, () => {
      const schema = JSON.parse(
        `{"type":"object","allOf":[{"type":"object","${word}":1},{"type":"object","${word}":2}],
          "anyOf":[{"properties":{"${word}":{"type":"string"}}},{"properties":{"${word}":{"type":"number"}}}]}`,
      )
      for (const target of PROTOCOLS) {
        const { schema: written, losses } = normaliseToolSchema(schema, target)
        assert.deepEqual(losses.includes(`$.${word}`), true, target)
        if (word === '__proto__' && target === 'anthropic-messages') continue
        assert.deepEqual(Object.keys(asObject(written.properties) ?? {}), [word], target)
      }
    })
  }

  test('nesting without end under a word that is not JSON Schema’s', () => {
    let deep: unknown = 1
    for (let i = 0; i < 20_000; i++) deep = { a: [deep] }
    for (const target of PROTOCOLS) {
      const { schema } = normaliseToolSchema({ anyOf: [{ 'x-own': deep, default: deep }] }, target)
      assert.equal(schema.type, 'object')
    }
  })
})

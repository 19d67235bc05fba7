/** What clients ask of a model beyond the prompt reaches every upstream in a form that it takes. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { FunctionCallingConfigMode } from '@google/genai'
import type { Protocol } from '../../src/base/words.ts'
import type { ToolSpec } from './session.ts'
import { PAIRS, startWorld, type World, warningsOf } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())
afterEach(() => world.expectSound())

type More = Readonly<Record<string, unknown>>

const TOOLS: readonly ToolSpec[] = ['look', 'leap'].map((name) => ({
  name,
  description: `To ${name}.`,
  parameters: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'], additionalProperties: false },
}))
const CALL = { id: 'call_forced', name: 'look', arguments: { at: 'sky' } }

const SAMPLING: Readonly<Record<Protocol, More>> = {
  'openai-chat': { temperature: 0.5, top_p: 0.875, stop: ['END', 'STOP'] },
  'openai-responses': { temperature: 0.5, top_p: 0.875 },
  'anthropic-messages': { temperature: 0.5, top_p: 0.875, stop_sequences: ['END', 'STOP'] },
  'google-generate': { temperature: 0.5, topP: 0.875, stopSequences: ['END', 'STOP'] },
}

const REQUIRED: Readonly<Record<Protocol, More>> = {
  'openai-chat': { tool_choice: 'required' },
  'openai-responses': { tool_choice: 'required' },
  'anthropic-messages': { tool_choice: { type: 'any' } },
  'google-generate': { toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } },
}

const NAMED: Readonly<Record<Protocol, More>> = {
  'openai-chat': { tool_choice: { type: 'function', function: { name: 'look' } } },
  'openai-responses': { tool_choice: { type: 'function', name: 'look' } },
  'anthropic-messages': { tool_choice: { type: 'tool', name: 'look' } },
  'google-generate': {
    toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['look'] } },
  },
}

const FORBIDDEN: Readonly<Record<Protocol, More>> = {
  'openai-chat': { tool_choice: 'none' },
  'openai-responses': { tool_choice: 'none' },
  'anthropic-messages': { tool_choice: { type: 'none' } },
  'google-generate': { toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.NONE } } },
}

/** Google's clients cannot say it. */
const ONE_BY_ONE: Readonly<Partial<Record<Protocol, More>>> = {
  'openai-chat': { parallel_tool_calls: false },
  'openai-responses': { parallel_tool_calls: false },
  'anthropic-messages': { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
}

/** How each upstream is told; null where it has no word for it. */
const TOLD: Readonly<Record<'required' | 'named' | 'none' | 'oneByOne', Readonly<Record<Protocol, RegExp | null>>>> = {
  required: {
    'openai-chat': /"tool_choice":"required"/,
    'openai-responses': /"tool_choice":"required"/,
    'anthropic-messages': /"tool_choice":\{"type":"any"/,
    'google-generate': /"mode":"ANY"\}/,
  },
  named: {
    'openai-chat': /"tool_choice":\{"type":"function","function":\{"name":"look"\}\}/,
    'openai-responses': /"tool_choice":\{"type":"function","name":"look"\}/,
    'anthropic-messages': /"tool_choice":\{"type":"tool","name":"look"/,
    'google-generate': /"mode":"ANY","allowedFunctionNames":\["look"\]/,
  },
  none: {
    'openai-chat': /"tool_choice":"none"/,
    'openai-responses': /"tool_choice":"none"/,
    'anthropic-messages': /"tool_choice":\{"type":"none"\}/,
    'google-generate': /"mode":"NONE"/,
  },
  oneByOne: {
    'openai-chat': /"parallel_tool_calls":false/,
    'openai-responses': /"parallel_tool_calls":false/,
    'anthropic-messages': /"disable_parallel_tool_use":true/,
    'google-generate': null,
  },
}

/** What MCP servers put into schemas of arguments, and some target refuses. */
const ROUGH_TOOLS: readonly ToolSpec[] = [
  {
    name: 'mcp__files-2__read',
    description: 'Reads.',
    parameters: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        range: { type: 'object', properties: { from: { type: 'integer', exclusiveMinimum: 0 } }, description: 'Lines' },
      },
      properties: {
        path: { type: ['string', 'null'], minLength: 1, pattern: '^/', default: '/' },
        range: { $ref: '#/$defs/range', description: 'Which lines' },
        mode: { const: 'text' },
        kinds: { type: 'array', items: { enum: ['a', 'b', null] }, uniqueItems: true },
        either: {
          oneOf: [
            { type: 'string', format: 'uri' },
            { type: 'number', multipleOf: 2 },
          ],
        },
        both: { allOf: [{ type: 'object', properties: { x: { type: 'number' } } }, { required: ['x'] }] },
        free: { type: 'object', additionalProperties: { type: 'string' }, propertyNames: { pattern: '^[a-z]+$' } },
        any: {},
        yes: true,
      },
      required: ['path', 'mode'],
      additionalProperties: false,
    },
  },
  {
    name: 'union_at_root',
    description: 'One of two.',
    parameters: {
      type: 'object',
      anyOf: [
        { properties: { id: { type: 'string' } }, required: ['id'] },
        { properties: { name: { type: 'string' } }, required: ['name'] },
      ],
    },
  },
  { name: 'nothing', description: 'Takes nothing.', parameters: { type: 'object' } },
]

for (const pair of PAIRS) {
  const client = pair.client.protocol
  const { upstream } = pair
  const sent = (): string => JSON.stringify(world.upstream(upstream).requests.at(-1)?.body)

  describe(pair.name, () => {
    test('sampling is passed on, or its loss is told', async () => {
      world.upstream(upstream).play({ text: 'Yes.' })
      const answer = await world.open(pair, { more: SAMPLING[client] }).say('Is it so?')
      assert.match(sent(), /"temperature":0\.5/)
      assert.match(sent(), /"top_?[pP]":0\.875/)
      if (client === 'openai-responses') return
      if (upstream === 'openai-responses') assert.match(warningsOf(answer), /stop/)
      else assert.match(sent(), /"stop(?:_sequences|Sequences)?":\["END","STOP"\]/)
    })

    for (const [what, more] of [
      ['required', REQUIRED[client]],
      ['named', NAMED[client]],
      ['none', FORBIDDEN[client]],
      ['oneByOne', ONE_BY_ONE[client]],
    ] as const) {
      if (more === undefined) continue
      test(`a choice of tools (${what}) is passed on, or its loss is told`, async () => {
        world.upstream(upstream).play(what === 'none' ? { text: 'Yes.' } : { calls: [CALL] })
        const answer = await world.open(pair, { tools: TOOLS, more }).say('Is it so?')
        const told = TOLD[what][upstream]
        if (told) assert.match(sent(), told)
        else assert.notEqual(warningsOf(answer), '')
      })
    }

    test('a forced tool and thinking together are never refused', async () => {
      world.upstream(upstream).play({ calls: [CALL] })
      const answer = await world
        .open(pair, { tools: TOOLS, reasons: true, more: client === 'anthropic-messages' ? {} : NAMED[client] })
        .say('Is it so?')
      assert.equal(answer.calls.length, 1)
    })

    test('a sampling temperature and thinking together are never refused', async () => {
      world.upstream(upstream).play({ text: 'Yes.' })
      const more = client === 'anthropic-messages' ? { temperature: 1 } : SAMPLING[client]
      const answer = await world.open(pair, { reasons: true, more }).say('Is it so?')
      assert.equal(answer.text, 'Yes.')
    })

    test('schemas as MCP servers write them are taken', async () => {
      world.upstream(upstream).play({ calls: [{ id: 'call_rough', name: 'nothing', arguments: {} }] }, { text: 'Yes.' })
      const session = world.open(pair, { tools: ROUGH_TOOLS })
      const first = await session.say('Is it so?')
      const last = await session.give(first.calls.map((call) => ({ call, text: '' })))
      assert.equal(last.text, 'Yes.')
      for (const { name } of ROUGH_TOOLS) assert.ok(sent().includes(`"${name}"`))
    })

    test('empty results, empty texts and turns in a row are never refused', async () => {
      world.upstream(upstream).play({ text: '' }, { text: 'Yes.' })
      const session = world.open(pair)
      await session.say('Say nothing.')
      const answer = await session.say('Now say something.')
      assert.equal(answer.text, 'Yes.')
    })
  })
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Quirks } from '../../base/quirks.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrFormat, IrTool, IrToolChoice } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { assistant, call, encode, user } from './test-request.ts'
import { strictComplaints } from './test-strict-check.ts'

const told = (warnings: readonly { action: string; field: string }[]): string[] =>
  warnings.map(({ action, field }) => `${action} ${field}`)

describe('tools for an upstream', () => {
  const read: IrTool = { type: 'function', name: 'read', parameters: { type: 'object' }, strict: true }
  const patch: IrTool = { type: 'custom', name: 'patch', namespace: 'fs', description: 'Patches.' }
  const search: IrTool = { type: 'hosted', protocol: 'openai-responses', kind: 'web_search', value: {} }

  it('are functions with a schema, each name once', () => {
    const { body, warnings } = encode({ tools: [read, patch, { ...read }, search] })
    assert.deepEqual(strictComplaints(body), [])
    assert.deepEqual(
      (body.tools as { name: string }[]).map(({ name }) => name),
      ['read', 'fs__patch'],
    )
    assert.deepEqual(told(warnings), ['dropped tools[3]', 'dropped tools[0].strict', 'dropped tools[2]'])
    assert.match(JSON.stringify(body.system), /web_search/)
  })

  const CHOICES: readonly (readonly [IrToolChoice, unknown, Quirks?])[] = [
    [{ type: 'auto' }, { type: 'auto' }],
    [{ type: 'none' }, { type: 'none' }],
    [{ type: 'required' }, { type: 'any' }],
    [{ type: 'required' }, { type: 'auto' }, { forcedToolChoice: false }],
    [
      { type: 'tool', kind: 'custom', name: 'patch' },
      { type: 'tool', name: 'fs__patch' },
    ],
    [{ type: 'allowed', mode: 'required', names: ['read'] }, { type: 'any' }],
  ]
  for (const [toolChoice, expected, quirks] of CHOICES) {
    it(`are chosen by ${JSON.stringify(toolChoice)}${quirks ? ', unless the model cannot' : ''}`, () => {
      const { body } = encode({ tools: [read, patch], toolChoice }, quirks)
      assert.deepEqual(body.tool_choice, expected)
      assert.deepEqual(strictComplaints(body), [])
      assert.equal((body.tools as unknown[]).length, toolChoice.type === 'allowed' ? 1 : 2)
    })
  }

  it('are called one at a time when the client wants that', () => {
    const one = encode({ tools: [read], parallelTools: false })
    assert.deepEqual(one.body.tool_choice, { type: 'auto', disable_parallel_tool_use: true })
    const cannot = encode({ tools: [read], parallelTools: false }, { parallelToolCalls: false })
    assert.deepEqual(told(cannot.warnings), ['dropped tools[0].strict', 'dropped parallel_tool_calls'])
    assert.equal(encode({ tools: [read], parallelTools: true }).body.tool_choice, undefined)
    assert.equal(encode({ toolChoice: { type: 'auto' } }).body.tool_choice, undefined)
  })

  it('were called with an object, whatever the client kept of it', () => {
    const custom: IrBlock = { type: 'tool-call', id: 'c', name: 'patch', kind: 'custom', input: 'free "text"' }
    const messages = [user('Go.'), assistant(call('a', '{"x":'), call('b', ''), custom), user()]
    const { body } = encode({ messages })
    assert.deepEqual(strictComplaints(body), [])
    const calls = (body.messages as { content: { input: unknown }[] }[])[1]?.content
    assert.deepEqual(
      calls?.map(({ input }) => input),
      [{}, {}, { input: 'free "text"' }],
    )
  })
})

describe('an answer bound to JSON', () => {
  const schema = {
    type: 'object',
    properties: { n: { type: 'integer', minimum: 1, description: 'Count' }, list: { type: 'array', items: {} } },
    additionalProperties: true,
  }
  const format: IrFormat = { type: 'json-schema', name: 'answer', schema, strict: true }

  it('has a schema that the vendor takes', () => {
    const { body, warnings } = encode({ format })
    const sent = (body.output_config as { format: { schema: WireObject } }).format
    assert.equal(sent.schema.additionalProperties, false)
    assert.deepEqual((sent.schema.properties as WireObject).n, {
      type: 'integer',
      description: 'Count\nminimum: 1',
    })
    assert.deepEqual(told(warnings), ['changed response_format', 'changed response_format'])
    assert.equal(schema.additionalProperties, true)
  })

  it('is asked for in words where there is no other way', () => {
    for (const [wanted, quirks] of [
      [format, { structuredOutput: 'none' }],
      [{ type: 'json' }, {}],
    ] as const) {
      const { body, warnings } = encode({ format: wanted }, quirks)
      assert.equal(body.output_config, undefined)
      assert.match(JSON.stringify(body.system), /JSON/)
      assert.deepEqual(told(warnings), ['changed response_format'])
    }
  })
})

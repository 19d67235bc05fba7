/** Tool names that some wire would refuse. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { IrRequest } from '../ir/request.ts'
import { legaliseToolNames } from './legal-names.ts'

function request(names: readonly string[]): IrRequest {
  return {
    source: 'anthropic-messages',
    model: 'm',
    stream: false,
    system: [],
    messages: [
      {
        role: 'assistant',
        blocks: names.map((name, i) => ({ type: 'tool-call', id: `c${i}`, name, kind: 'function', input: '{}' })),
      },
    ],
    tools: names.map((name) => ({ type: 'function', name, parameters: null })),
    toolChoice: { type: 'tool', kind: 'function', name: names[0] ?? '' },
    parallelTools: null,
    maxOutput: null,
    answers: 1,
    format: null,
    reasoning: null,
    settings: {},
    raw: {},
  }
}

describe('names of tools', () => {
  test('that all wires take stay, and with them the very same request', () => {
    const plain = request(['read_file', 'mcp__server__tool-1', '_x'])
    assert.equal(legaliseToolNames(plain).request, plain)
  })

  test('are legal on every wire, stay apart, and are the client’s own again on the way back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 200 }), { minLength: 1 }), (names) => {
        const { request: legal, original } = legaliseToolNames(request(names))
        const sent = legal.tools.map((tool) => (tool.type === 'hosted' ? '' : tool.name))
        for (const name of sent) assert.match(name, /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/)
        assert.equal(new Set(sent).size, names.length)
        assert.deepEqual(sent.map(original), names)
        const called = legal.messages[0]?.blocks.map((block) => (block.type === 'tool-call' ? block.name : ''))
        assert.deepEqual(called, sent)
        assert.deepEqual(legal.toolChoice, { type: 'tool', kind: 'function', name: sent[0] })
      }),
    )
  })

  test('within a group that makes them too long lose it, and find it again by their flat name', () => {
    const grouped = request(['tool'])
    const namespace = 'n'.repeat(70)
    const tools = [{ type: 'function', name: 'tool', namespace, parameters: null } as const]
    const { request: legal, original } = legaliseToolNames({ ...grouped, tools })
    const [sent] = legal.tools
    assert.ok(sent?.type === 'function' && sent.namespace === undefined)
    assert.equal(original(sent.name), `${namespace}__tool`)
  })
})

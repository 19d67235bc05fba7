import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Quirks } from '../../base/quirks.ts'
import type { IrReasoning } from '../ir/request.ts'
import { assistant, call, encode, result, thought, user } from './test-request.ts'
import { strictComplaints } from './test-strict-check.ts'

interface Case {
  readonly name: string
  readonly reasoning: IrReasoning
  readonly quirks?: Quirks
  readonly maxOutput?: number
  readonly thinking: unknown
  readonly effort?: string
  readonly warnings?: readonly string[]
}

const ADAPTIVE: Quirks = { thinkingForm: 'adaptive' }

const CASES: readonly Case[] = [
  {
    name: 'an effort is a budget',
    reasoning: { effort: 'low' },
    thinking: { type: 'enabled', budget_tokens: 1024 },
  },
  {
    name: 'an effort leaves room for the answer',
    reasoning: { effort: 'high' },
    thinking: { type: 'enabled', budget_tokens: 6400 },
    warnings: ['changed reasoning_effort'],
  },
  {
    name: 'a budget stays as it is',
    reasoning: { budget: 4000 },
    thinking: { type: 'enabled', budget_tokens: 4000 },
  },
  {
    name: 'a budget below the least is raised',
    reasoning: { budget: 100 },
    thinking: { type: 'enabled', budget_tokens: 1024 },
    warnings: ['changed reasoning_effort'],
  },
  {
    name: 'a budget is lowered below max_tokens',
    reasoning: { budget: 5000 },
    maxOutput: 5000,
    thinking: { type: 'enabled', budget_tokens: 4999 },
    warnings: ['changed reasoning_effort'],
  },
  {
    name: 'a small cap leaves no room',
    reasoning: { effort: 'high' },
    maxOutput: 1000,
    thinking: { type: 'disabled' },
    warnings: ['changed reasoning_effort'],
  },
  { name: 'none is off', reasoning: { effort: 'none' }, thinking: { type: 'disabled' } },
  { name: 'nothing asked is nothing said', reasoning: { summary: 'auto' }, thinking: undefined },
  {
    name: 'the model decides how much',
    reasoning: { budget: -1 },
    thinking: { type: 'enabled', budget_tokens: 6400 },
    warnings: ['changed reasoning_effort'],
  },
  {
    name: 'adaptive takes the effort',
    reasoning: { effort: 'high' },
    quirks: ADAPTIVE,
    thinking: { type: 'adaptive' },
    effort: 'high',
  },
  {
    name: 'adaptive takes the nearest effort',
    reasoning: { effort: 'xhigh' },
    quirks: { ...ADAPTIVE, efforts: ['low', 'medium', 'high'] },
    thinking: { type: 'adaptive' },
    effort: 'high',
    warnings: ['changed reasoning_effort'],
  },
  {
    name: 'adaptive takes a budget as an effort',
    reasoning: { budget: 8000 },
    quirks: ADAPTIVE,
    thinking: { type: 'adaptive' },
    effort: 'medium',
    warnings: ['changed reasoning_effort'],
  },
  {
    name: 'thoughts are shown by the vendor itself',
    reasoning: { effort: 'low' },
    quirks: { ...ADAPTIVE, ownVendor: true },
    thinking: { type: 'adaptive', display: 'summarized' },
    effort: 'low',
  },
  {
    name: 'a model that does not think is not asked to',
    reasoning: { effort: 'high' },
    quirks: { thinkingForm: 'none' },
    thinking: undefined,
    warnings: ['dropped reasoning_effort'],
  },
]

describe('thinking for an upstream', () => {
  for (const { name, reasoning, quirks, maxOutput = null, thinking, effort, warnings = [] } of CASES) {
    it(name, () => {
      const encoded = encode({ reasoning, maxOutput }, quirks)
      assert.deepEqual(encoded.body.thinking, thinking)
      assert.deepEqual(encoded.body.output_config, effort && { effort })
      assert.deepEqual(
        encoded.warnings.map(({ action, field }) => `${action} ${field}`),
        warnings,
      )
      assert.deepEqual(strictComplaints(encoded.body), [])
    })
  }

  it('goes without what it cannot be combined with', () => {
    const { body, warnings } = encode({
      reasoning: { effort: 'low' },
      settings: { temperature: 0.2, topK: 5, topP: 0.5 },
      tools: [{ type: 'function', name: 'read', parameters: null }],
      toolChoice: { type: 'tool', kind: 'function', name: 'read' },
      parallelTools: false,
    })
    assert.deepEqual(strictComplaints(body), [])
    assert.deepEqual(body.tool_choice, { type: 'auto', disable_parallel_tool_use: true })
    assert.deepEqual(
      warnings.map(({ action, field }) => `${action} ${field}`),
      ['dropped temperature', 'dropped topK', 'dropped top_p', 'changed tool_choice'],
    )
    const kept = encode({ reasoning: { effort: 'low' }, settings: { temperature: 1, topP: 0.97 } })
    assert.deepEqual([kept.body.temperature, kept.body.top_p, kept.warnings], [1, 0.97, []])
  })

  it('is off where the turn that goes on has lost its thoughts', () => {
    const reasoning: IrReasoning = { effort: 'low' }
    const loop = (...first: Parameters<typeof assistant>) => [
      user('Go.'),
      assistant(...first, call('a')),
      user(result('a', 'A')),
      assistant(call('b')),
      user(result('b', 'B')),
    ]
    const thinkingOf = (messages: ReturnType<typeof loop>, quirks: Quirks = {}): unknown => {
      const { body } = encode({ reasoning, messages }, quirks)
      assert.deepEqual(strictComplaints(body), [])
      return (body.thinking as { type: string }).type
    }
    assert.equal(thinkingOf(loop('No thoughts.')), 'disabled')
    assert.equal(thinkingOf(loop(thought('other'))), 'disabled')
    assert.equal(thinkingOf(loop(thought())), 'enabled')
    assert.equal(thinkingOf([...loop('No thoughts.'), assistant('Done.'), user('More.')]), 'enabled')
    assert.equal(thinkingOf(loop('No thoughts.'), ADAPTIVE), 'adaptive')
  })

  it("is as this protocol's own client said, unless the model takes another form", () => {
    const own = { source: 'anthropic-messages', maxOutput: 3000 } as const
    const reasoning: IrReasoning = { mode: 'on', budget: 4000, show: false }
    const raw = { 'thinking.block_binding': {} }
    const asked = encode({ ...own, reasoning, raw })
    assert.deepEqual(asked.body.thinking, {
      type: 'enabled',
      budget_tokens: 4000,
      display: 'omitted',
      block_binding: {},
    })
    assert.deepEqual(asked.warnings, [])
    const other = encode({ ...own, reasoning, raw }, ADAPTIVE)
    assert.deepEqual(other.body.thinking, { type: 'adaptive', display: 'omitted' })
    assert.deepEqual(other.body.output_config, { effort: 'medium' })
    const effortOnly = encode({ ...own, reasoning: { effort: 'low' } }, ADAPTIVE)
    assert.equal(effortOnly.body.thinking, undefined)
  })
})

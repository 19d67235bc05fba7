import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { IrBlock } from '../ir/block.ts'
import type { IrRequest } from '../ir/request.ts'
import { droppedMembers } from './raw-members.ts'

function asking(blocks: readonly IrBlock[], more: Partial<IrRequest> = {}): IrRequest {
  return {
    source: 'openai-responses',
    model: 'm',
    stream: false,
    system: [],
    messages: [{ role: 'user', blocks }],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    maxOutput: null,
    answers: 1,
    format: null,
    reasoning: null,
    settings: {},
    raw: {},
    ...more,
  }
}

describe('droppedMembers', () => {
  const call: IrBlock = {
    type: 'tool-call',
    id: 'c',
    name: 'f',
    kind: 'function',
    input: '{}',
    raw: { caller: {}, id: 'x' },
  }

  test('names each kind of member once, at its first place, and no book-keeping', () => {
    const warnings = droppedMembers(asking([call, call]), 'openai-chat')
    assert.deepEqual(warnings, [{ action: 'dropped', field: 'messages[0].content[0].caller' }])
  })

  test('says nothing to the protocol that they come from', () => {
    assert.deepEqual(droppedMembers(asking([call]), 'openai-responses'), [])
  })

  test('looks into wrappers, tool results, tools and messages', () => {
    const part: IrBlock = {
      type: 'document',
      source: { type: 'file-id', id: 'f' },
      raw: { part: { type: 'x', detail: 'low' } },
    }
    const result: IrBlock = { type: 'tool-result', id: 'c', kind: 'function', content: [part] }
    const tool = { type: 'function', name: 'f', parameters: null, raw: { defer_loading: true } } as const
    const request = asking([], {
      tools: [tool],
      messages: [{ role: 'user', blocks: [result], raw: { item: { phase: 'commentary', status: 'completed' } } }],
    })
    assert.deepEqual(
      droppedMembers(request, 'anthropic-messages').map(({ field }) => field),
      ['tools[0].defer_loading', 'messages[0].item.phase', 'messages[0].content[0].content[0].part.detail'],
    )
  })

  test('citations of another protocol are members too', () => {
    const text: IrBlock = { type: 'text', text: 'a', citations: [{ protocol: 'openai-responses', raw: {} }] }
    assert.equal(droppedMembers(asking([text]), 'google-generate').length, 1)
  })
})

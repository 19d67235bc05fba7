/** Thoughts that are remembered, and put back for clients that drop them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { IrBlock, IrThinking, Mint } from '../ir/block.ts'
import type { IrEvent } from '../ir/event.ts'
import type { IrRequest } from '../ir/request.ts'
import { ownCallIds } from './call-ids.ts'
import { createThoughtCollector, lacksThoughts, restoreThoughts, signedBy } from './thoughts.ts'

const MINT: Mint = { protocol: 'anthropic-messages', account: 'acc' }
const thought = (text: string, mint: Mint | null = MINT): IrThinking => ({
  type: 'thinking',
  text,
  signature: 's',
  mint,
})
const call = (id: string): IrBlock => ({ type: 'tool-call', id, name: 'f', kind: 'function', input: '{}' })
const text: IrBlock = { type: 'text', text: 'Let me look.' }

function thinking(block: number, words: string): IrEvent[] {
  return [
    { type: 'thinking-start', block },
    { type: 'thinking-delta', block, text: words },
    { type: 'thinking-end', block, signature: 's' },
  ]
}
const calling = (block: number, id: string): IrEvent => ({
  type: 'tool-call-start',
  block,
  id,
  name: 'f',
  kind: 'function',
})

function request(...blocks: IrBlock[]): IrRequest {
  return {
    source: 'openai-chat',
    model: 'm',
    stream: false,
    system: [],
    messages: [
      { role: 'user', blocks: [text] },
      { role: 'assistant', blocks },
    ],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    maxOutput: null,
    answers: 1,
    format: null,
    reasoning: null,
    settings: {},
    raw: {},
  }
}

const blocksOf = (ir: IrRequest): readonly IrBlock[] => ir.messages[1]?.blocks ?? []

describe('the thoughts of a reply', () => {
  test('belong to the calls that follow them; parallel calls share them', () => {
    const collector = createThoughtCollector(MINT)
    const events = [
      ...thinking(0, 'first'),
      calling(1, 'a'),
      calling(2, 'b'),
      ...thinking(3, 'second'),
      calling(4, 'c'),
    ]
    for (const event of events) collector.add(event)
    assert.deepEqual(collector.turns(), [
      { callIds: ['a', 'b'], thoughts: [thought('first')] },
      { callIds: ['c'], thoughts: [thought('second')] },
    ])
  })

  test('without a call are nobody’s', () => {
    const collector = createThoughtCollector(MINT)
    for (const event of thinking(0, 'x')) collector.add(event)
    assert.deepEqual(collector.turns(), [])
  })
})

describe('a request whose client drops thoughts', () => {
  const known = [thought('why')]

  test('gets them back where its upstream wants them', () => {
    const restored = restoreThoughts(request(text, call('a'), call('b')), () => known)
    assert.deepEqual(blocksOf(restored), [thought('why'), text, call('a'), call('b')])
  })

  test('gets what signs a call back directly before it', () => {
    const google: Mint = { protocol: 'google-generate', account: 'acc' }
    const signed = [thought('', google)]
    const restored = restoreThoughts(request(text, call('a'), call('b')), (id) => (id === 'a' ? signed : null))
    assert.deepEqual(blocksOf(restored), [text, thought('', google), call('a'), call('b')])
  })

  test('keeps what it sent under a seal, and has what it sent without one replaced', () => {
    const sealed = request(thought('sent'), call('a'))
    assert.equal(
      restoreThoughts(sealed, () => known),
      sealed,
    )
    const unsigned = thought('paraphrased', { protocol: 'openai-chat', account: null })
    assert.deepEqual(blocksOf(restoreThoughts(request(unsigned, call('a')), () => known)), [thought('why'), call('a')])
  })

  test('stays as it is when nothing is known', () => {
    const plain = request(thought('x', { protocol: 'openai-chat', account: null }), call('a'))
    assert.equal(
      restoreThoughts(plain, () => null),
      plain,
    )
  })

  test('is recognised', () => {
    assert.equal(lacksThoughts(request(call('a'))), true)
    assert.equal(lacksThoughts(request(thought(''), call('a'))), false)
    assert.equal(lacksThoughts(request(text)), false)
  })
})

describe('what came without a seal', () => {
  test('is given to the account that is known to have made it', () => {
    const unsealed: Mint = { protocol: 'openai-responses', account: null }
    const ir = request(thought('a', unsealed), call('a'))
    const named = signedBy(ir, (token) => (token === 's' ? 'other' : null))
    assert.deepEqual(blocksOf(named)[0], thought('a', { ...unsealed, account: 'other' }))
    assert.equal(
      signedBy(ir, () => null),
      ir,
    )
  })
})

describe('ids of calls', () => {
  test('that a vendor did not give are never the same in two replies', () => {
    assert.equal(ownCallIds('req_1abc')('call_0'), 'call_1abc_0')
    assert.notEqual(ownCallIds('req_2abc')('call_0'), ownCallIds('req_1abc')('call_0'))
    assert.equal(ownCallIds('req_1abc')('toolu_01'), 'toolu_01')
    assert.equal(ownCallIds('req_1abc')('call_abc123'), 'call_abc123')
  })
})

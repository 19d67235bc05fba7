import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IrBlock } from '../ir/block.ts'
import { chatCodec } from './codec.ts'
import { collect, eventsOf } from './test-chat.ts'

const chunk = (delta: object, finish_reason: string | null = null, more: object = {}) => ({
  id: 'gen-1',
  model: 'vendor/model',
  choices: [{ index: 0, delta, finish_reason }],
  ...more,
})
const calls = (...tool_calls: object[]) => chunk({ tool_calls })
const blocksOf = (...chunks: unknown[]): readonly IrBlock[] => collect(eventsOf(...chunks)).blocks
const call = (id: string, name: string, input: string): IrBlock => ({
  type: 'tool-call',
  id,
  name,
  kind: 'function',
  input,
})
const text = (value: string): IrBlock => ({ type: 'text', text: value })
const thinking = (value: string, signature: string | null = null): IrBlock => ({
  type: 'thinking',
  text: value,
  signature,
  mint: null,
})

describe('decoding a chat stream', () => {
  it('gives thinking, text, calls, usage and the end in order', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }
    const events = eventsOf(
      chunk({ role: 'assistant', content: '' }),
      chunk({ reasoning_content: 'Hm' }),
      chunk({ content: 'Yes.' }),
      calls({ index: 0, id: 'c1', type: 'function', function: { name: 'read', arguments: '' } }),
      calls({ index: 0, function: { arguments: '{"a":1}' } }),
      chunk({}, 'tool_calls'),
      { id: 'gen-1', choices: [], usage },
    )
    assert.deepEqual(
      events.map(({ type }) => type),
      [
        ...['reply-start', 'thinking-start', 'thinking-delta', 'thinking-end', 'text-start', 'text-delta', 'text-end'],
        ...['tool-call-start', 'tool-call-delta', 'usage', 'tool-call-end', 'finish'],
      ],
    )
    const reply = collect(events)
    assert.deepEqual([reply.id, reply.model], ['gen-1', 'vendor/model'])
    assert.deepEqual(reply.blocks, [thinking('Hm'), text('Yes.'), call('c1', 'read', '{"a":1}')])
    assert.deepEqual(reply.finish, { finish: 'tool_calls', raw: 'tool_calls', stopSequence: null })
    assert.equal(reply.usage?.output, 3)
  })

  it('understands calls in every dialect', () => {
    const dialects: Record<string, readonly unknown[]> = {
      'pieces by index': [
        calls({ index: 0, id: 'c1', function: { name: 'f', arguments: '{"a"' } }),
        calls({ index: 0, function: { arguments: ':1}' } }),
      ],
      'whole in one delta': [calls({ index: 0, id: 'c1', function: { name: 'f', arguments: '{"a":1}' } })],
      'no index': [calls({ id: 'c1', function: { name: 'f', arguments: '{"a":1}' } })],
      'no index, in pieces': [
        calls({ id: 'c1', function: { name: 'f', arguments: '{"a"' } }),
        calls({ function: { arguments: ':1}' } }),
      ],
      'empty id later, and an empty piece at the end': [
        calls({ index: 0, id: 'c1', function: { name: 'f', arguments: '{"a"' } }),
        calls({ index: 0, id: '', type: 'function', function: { arguments: ':1}' } }),
        calls({ index: 0, id: '', type: 'function', function: { arguments: '' } }),
      ],
      'id and name again in each': [
        calls({ index: 0, id: 'c1', function: { name: 'f', arguments: '{"a"' } }),
        calls({ index: 0, id: 'c1', function: { name: 'f', arguments: ':1}' } }),
      ],
      'index begins with 1': [calls({ index: 1, id: 'c1', function: { name: 'f', arguments: '{"a":1}' } })],
      'name after the id': [
        calls({ index: 0, id: 'c1', type: 'function', function: {} }),
        calls({ index: 0, id: null, function: { name: 'f', arguments: '{"a":1}' } }),
      ],
      'arguments before the name': [
        calls({ index: 0, id: 'c1', function: { arguments: '{"a"' } }),
        calls({ index: 0, function: { name: 'f', arguments: ':1}' } }),
      ],
      'arguments as an object': [calls({ index: 0, id: 'c1', function: { name: 'f', arguments: { a: 1 } } })],
      'members of both kinds': [
        calls({ id: 'c1', type: 'function', custom: { name: '' }, function: { name: 'f', arguments: '{"a":1}' } }),
      ],
    }
    for (const [name, chunks] of Object.entries(dialects)) {
      assert.deepEqual(blocksOf(...chunks, chunk({}, 'tool_calls')), [call('c1', 'f', '{"a":1}')], name)
    }
  })

  it('tells calls apart that share a number or have none', () => {
    const first = { id: 'c1', function: { name: 'f', arguments: '{"a":1}' } }
    const second = { id: 'c2', function: { name: 'g', arguments: '{"b":2}' } }
    const both = [call('c1', 'f', '{"a":1}'), call('c2', 'g', '{"b":2}')]
    assert.deepEqual(blocksOf(calls(first, second)), both)
    assert.deepEqual(blocksOf(calls(first), calls(second)), both)
    assert.deepEqual(blocksOf(calls({ index: 0, ...first }), calls({ index: 0, ...second })), both)
    const anonymous = { index: 0, function: { name: 'f', arguments: '{}' } }
    assert.equal(blocksOf(calls(anonymous), calls(anonymous)).length, 2)
  })

  it('keeps interleaved calls apart, and ends those that are whole when the next begins', () => {
    const begin = (index: number) => calls({ index, id: `c${index}`, function: { name: 'f', arguments: '' } })
    const piece = (index: number, text: string) => calls({ index, function: { arguments: text } })
    assert.deepEqual(
      blocksOf(begin(0), begin(1), piece(0, '{"x"'), piece(1, '{"y"'), piece(0, ':1}'), piece(1, ':2}')),
      [call('c0', 'f', '{"x":1}'), call('c1', 'f', '{"y":2}')],
    )
    const late = blocksOf(begin(0), piece(0, '{}'), begin(1), piece(0, ' '), piece(1, '{}'))
    assert.deepEqual(late, [call('c0', 'f', '{}'), call('c1', 'f', '{}')])
    const order = eventsOf(begin(0), piece(0, '{"}":"\\"{"}'), begin(1), piece(1, '{}')).map(({ type }) => type)
    assert.ok(order.indexOf('tool-call-end') < order.lastIndexOf('tool-call-start'))
  })

  it('gives calls without arguments an empty object, and without an id one of their own', () => {
    const blocks = blocksOf(calls({ index: 0, function: { name: 'f', arguments: null } }), chunk({}, 'stop'))
    assert.deepEqual(blocks, [call('call_gen1_0', 'f', '{}')])
    assert.deepEqual(
      blocksOf(chunk({ function_call: { name: 'f', arguments: '{' } }), chunk({ function_call: { arguments: '}' } })),
      [call('call_gen1_0', 'f', '{}')],
    )
    assert.deepEqual(blocksOf(chunk({ function_call: { name: '', arguments: '' } })), [])
  })

  it('reads reasoning wherever it stands', () => {
    const places: Record<string, object[]> = {
      reasoning_content: [{ reasoning_content: 'a' }, { reasoning_content: 'b' }],
      reasoning: [{ reasoning: 'a' }, { reasoning: 'b', reasoning_content: null }],
      'both say the same': [{ reasoning: 'ab', reasoning_content: 'ab' }],
      'parts of the content': [{ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'ab' }] }] }],
      'details that repeat it': [{ reasoning: 'ab', reasoning_details: [{ type: 'reasoning.text', text: 'ab' }] }],
    }
    for (const [name, deltas] of Object.entries(places)) {
      const blocks = blocksOf(...deltas.map((delta) => chunk(delta)), chunk({ content: 'c' }, 'stop'))
      assert.deepEqual(blocks, [thinking('ab'), text('c')], name)
    }
  })

  it('keeps what details say besides their text in the signature', () => {
    const entry = (members: object) => chunk({ reasoning_details: [{ type: 'reasoning.text', index: 0, ...members }] })
    assert.deepEqual(blocksOf(entry({ text: 'a', format: 'v1' }), entry({ text: 'b' }), entry({ signature: 'sig' })), [
      thinking('ab', '{"format":"v1","index":0,"signature":"sig"}'),
    ])
    const encrypted = { type: 'reasoning.encrypted', data: 'xyz' }
    assert.deepEqual(blocksOf(chunk({ reasoning_details: [encrypted] })), [
      { type: 'redacted-thinking', data: 'xyz', mint: null },
    ])
  })

  it('puts a signature of a call on the thinking directly before it', () => {
    const extra_content = { google: { thought_signature: 'c2ln' } }
    const signed = { index: 0, id: 'c1', function: { name: 'f', arguments: '{}' }, extra_content }
    const token = JSON.stringify({ extra_content })
    assert.deepEqual(blocksOf(calls(signed)), [thinking('', token), call('c1', 'f', '{}')])
    assert.deepEqual(blocksOf(chunk({ reasoning_content: 'Hm' }), calls(signed)), [
      thinking('Hm', token),
      call('c1', 'f', '{}'),
    ])
  })

  it('names the reason of the end as far as the wire does', () => {
    const finishOf = (...chunks: unknown[]) => collect(eventsOf(...chunks)).finish
    const forced = calls({ index: 0, id: 'c1', function: { name: 'f', arguments: '{}' } })
    assert.equal(finishOf(chunk({ content: 'a' })), null)
    assert.equal(finishOf(chunk({ content: 'a' }, '')), null)
    assert.equal(finishOf(forced, chunk({}, ''))?.finish, 'tool_calls')
    assert.equal(finishOf(forced, chunk({}, 'stop'))?.finish, 'tool_calls')
    assert.equal(finishOf(chunk({ content: 'a' }, 'stop'), chunk({ content: '' }, ''))?.finish, 'stop')
    assert.equal(finishOf(chunk({ refusal: 'No.' }, 'stop'))?.finish, 'content_filter')
    const stopped = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', stop_reason: '###' }] }
    assert.equal(finishOf(stopped)?.stopSequence, '###')
  })

  it('takes usage from any place, and the first choice only', () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2 }
    for (const more of [{ usage }, { x_groq: { usage } }]) {
      assert.equal(collect(eventsOf(chunk({}, 'stop', more))).usage?.input, 5)
    }
    const inChoice = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage }] }
    assert.equal(collect(eventsOf(inChoice)).usage?.input, 5)
    const other = { choices: [{ index: 1, delta: { content: 'other' }, finish_reason: 'length' }] }
    assert.deepEqual(collect(eventsOf(chunk({ content: 'one' }, 'stop'), other)).blocks, [text('one')])
  })

  it('gives nothing for errors and for what it does not know', () => {
    const decoder = chatCodec.createStreamDecoder()
    const choices = [{ index: 0, delta: { content: 'x' } }]
    for (const data of [{ error: { message: 'down' }, choices }, { object: 'error', message: 'x' }, null, 'x', [], 7]) {
      assert.deepEqual(decoder.decode(null, data), [])
    }
  })

  it('never throws and always gives legal events, whatever comes', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom('', 'a', null, 0, 1, -1, '{}', 'text', 'thinking'),
        tie('object'),
        tie('list'),
      ),
      list: fc.array(tie('any'), { maxLength: 3 }),
      object: fc.dictionary(
        fc.constantFrom(
          ...[
            'choices',
            'index',
            'delta',
            'message',
            'content',
            'tool_calls',
            'function',
            'custom',
            'name',
            'id',
            'type',
          ],
          ...[
            'arguments',
            'input',
            'reasoning_details',
            'reasoning',
            'text',
            'signature',
            'refusal',
            'annotations',
            'usage',
          ],
          ...[
            'extra_content',
            'google',
            'thought_signature',
            'function_call',
            'audio',
            'images',
            'image_url',
            'url',
            'error',
          ],
        ),
        tie('any'),
        { maxKeys: 5 },
      ),
    })).any
    const delta = fc.record({ choices: fc.array(fc.record({ delta: value, index: fc.constant(0) }), { maxLength: 2 }) })
    fc.assert(
      fc.property(fc.array(fc.oneof(value, delta), { maxLength: 6 }), (chunks) => {
        eventsOf(...chunks)
        chatCodec.decodeReply({ choices: chunks })
      }),
      { numRuns: 300 },
    )
  })
})

describe('decoding a whole chat reply', () => {
  it('gives the same as its stream', () => {
    const message = {
      role: 'assistant',
      content: 'Yes.',
      refusal: null,
      reasoning: 'Hm',
      tool_calls: [
        { id: '0', type: 'function', function: { name: 'f', arguments: '{}' } },
        { id: '0', type: 'custom', custom: { name: 'patch', input: 'a\nb' } },
      ],
      annotations: [
        { type: 'url_citation', url_citation: { url: 'https://a.example', title: 'A', start_index: 0, end_index: 2 } },
      ],
    }
    const reply = chatCodec.decodeReply({
      id: 'r1',
      model: 'm',
      choices: [{ index: 0, message, delta: { content: '' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 1 },
    })
    const [annotation] = message.annotations
    assert.deepEqual(reply.blocks, [
      thinking('Hm'),
      {
        ...text('Yes.'),
        citations: [{ protocol: 'openai-chat', url: 'https://a.example', title: 'A', raw: annotation }],
      },
      call('0', 'f', '{}'),
      { type: 'tool-call', id: '0', name: 'patch', kind: 'custom', input: 'a\nb' },
    ])
    assert.equal(reply.finish?.finish, 'tool_calls')
    assert.equal(reply.usage?.input, 3)
  })
})

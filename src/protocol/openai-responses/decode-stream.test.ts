import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IrEvent } from '../ir/event.ts'
import { responsesCodec } from './codec.ts'
import { decode, read, type WireEvent } from './test-wire.ts'

const event = (type: string, more: object = {}): WireEvent => ({ name: type, data: { type, ...more } })
const added = (item: object, output_index = 0) => event('response.output_item.added', { output_index, item })
const done = (item: object, output_index = 0) => event('response.output_item.done', { output_index, item })
const piece = (of: string, delta: string, more: object = {}) =>
  event(`response.${of}.delta`, { output_index: 0, content_index: 0, delta, ...more })
const completed = (more: object = {}) =>
  event('response.completed', { response: { id: 'resp_1', model: 'gpt', status: 'completed', output: [], ...more } })
const message = (...content: object[]) => ({ type: 'message', id: 'msg_1', role: 'assistant', content })
const output = (text: string, more: object = {}) => ({ type: 'output_text', text, annotations: [], ...more })
const CALL = { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'run', arguments: '' }

const blocks = (...events: WireEvent[]) => read(events).blocks
const types = (events: readonly IrEvent[]) => events.map(({ type }) => type)

describe('decoding a Responses stream', () => {
  it('gives each event on as it comes', () => {
    const usage = { input_tokens: 9, output_tokens: 4 }
    const events = decode([
      event('response.created', { response: { id: 'resp_1', model: 'gpt' } }),
      event('response.in_progress', { response: { id: 'resp_1', model: 'gpt' } }),
      added({ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'early' }),
      event('response.reasoning_summary_text.delta', { output_index: 0, summary_index: 0, delta: 'Hm.' }),
      done({ type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'late' }),
      added(message(), 1),
      event('response.output_text.delta', { output_index: 1, content_index: 0, delta: 'Hel' }),
      event('response.output_text.delta', { output_index: 1, content_index: 0, delta: 'lo' }),
      event('response.output_text.done', { output_index: 1, content_index: 0, text: 'Hello' }),
      done(message(output('Hello')), 1),
      completed({ usage }),
    ])
    assert.deepEqual(events, [
      { type: 'reply-start', id: 'resp_1', model: 'gpt' },
      { type: 'thinking-start', block: 0 },
      { type: 'thinking-delta', block: 0, text: 'Hm.' },
      { type: 'thinking-end', block: 0, signature: 'late' },
      { type: 'text-start', block: 1 },
      { type: 'text-delta', block: 1, text: 'Hel' },
      { type: 'text-delta', block: 1, text: 'lo' },
      { type: 'text-end', block: 1 },
      {
        type: 'usage',
        usage: { input: 9, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 4, reasoning: 0 },
      },
      { type: 'finish', finish: 'stop', raw: 'completed', stopSequence: null },
    ])
  })

  it('tells items apart by their index when ids change from event to event (Copilot)', () => {
    const [text] = blocks(
      added({ ...message(), id: 'a' }),
      piece('output_text', 'Hel', { item_id: 'b' }),
      piece('output_text', 'lo', { item_id: 'c' }),
      done({ ...message(output('Hello')), id: 'd' }),
      completed(),
    )
    assert.deepEqual(text, { type: 'text', text: 'Hello' })
  })

  it('takes from finished items what did not come in pieces', () => {
    const whole = { ...CALL, arguments: '{"a":1}' }
    const call = { type: 'tool-call', id: 'c1', name: 'run', kind: 'function', input: '{"a":1}' }
    const argumentsDone = event('response.function_call_arguments.done', { output_index: 0, arguments: '{"a":1}' })
    assert.deepEqual(blocks(done(whole), completed()), [call])
    assert.deepEqual(blocks(added(CALL), argumentsDone, done(whole), completed()), [call])
    assert.deepEqual(blocks(added(CALL), piece('function_call_arguments', '{"a"'), done(whole), completed()), [call])
    assert.deepEqual(blocks(added({ ...whole }), piece('function_call_arguments', '{"a":1}'), done(whole)), [call])
    assert.deepEqual(blocks(done(message(output('Hello'))), completed()), [{ type: 'text', text: 'Hello' }])
    assert.deepEqual(blocks(added(CALL), done(CALL), completed()), [{ ...call, input: '{}' }])
  })

  it('takes from the terminal event what no item told, and nothing twice', () => {
    const items = [message(output('Hello')), { ...CALL, arguments: '{}' }]
    const expected = [
      { type: 'text', text: 'Hello' },
      { type: 'tool-call', id: 'c1', name: 'run', kind: 'function', input: '{}' },
    ]
    const told = items.flatMap((item, i) => [done(item, i)])
    const fromOne = items.flatMap((item, i) => [done(item, i + 1)])
    for (const before of [[], told.slice(0, 1), told, fromOne, [added(message()), piece('output_text', 'Hel')]]) {
      assert.deepEqual(blocks(...before, completed({ output: items })), expected)
    }
  })

  it('needs no output in the terminal event (ChatGPT)', () => {
    const reply = read([done(message(output('Hello'))), completed({ output: [] })])
    assert.deepEqual([reply.blocks.length, reply.finish?.finish], [1, 'stop'])
  })

  it('reads free text of custom tools, and groups', () => {
    const custom = { type: 'custom_tool_call', call_id: 'c1', name: 'exec', namespace: 'functions', input: '' }
    const pieces = [piece('custom_tool_call_input', 'let '), piece('custom_tool_call_input', 'a')]
    assert.deepEqual(blocks(added(custom), ...pieces, done({ ...custom, input: 'let a' }), completed()), [
      { type: 'tool-call', id: 'c1', name: 'exec', namespace: 'functions', kind: 'custom', input: 'let a' },
    ])
  })

  it('joins the parts of a summary', () => {
    const part = (delta: string, summary_index: number) => piece('reasoning_summary_text', delta, { summary_index })
    const whole = { type: 'reasoning', summary: [{ text: 'One.' }, { text: '' }, { text: 'Two.' }] }
    const expected = [{ type: 'thinking', text: 'One.\n\nTwo.', signature: null, mint: null }]
    assert.deepEqual(
      blocks(added({ type: 'reasoning' }), part('One', 0), part('.', 0), part('Two.', 2), done(whole)),
      expected,
    )
    assert.deepEqual(blocks(done(whole)), expected)
  })

  it('reads the thoughts of open models, and a summary when there are both', () => {
    const both = {
      type: 'reasoning',
      summary: [{ text: 'Short.' }],
      content: [{ type: 'reasoning_text', text: 'Long.' }],
    }
    const texts = (...events: WireEvent[]) => blocks(...events).map((block) => block.type === 'thinking' && block.text)
    assert.deepEqual(texts(piece('reasoning_text', 'Lo'), piece('reasoning_text', 'ng.'), done(both)), ['Long.'])
    assert.deepEqual(texts(done(both)), ['Short.'])
    assert.deepEqual(texts(done({ ...both, summary: [] })), ['Long.'])
  })

  it('keeps interleaved items apart (OpenRouter)', () => {
    const text = (delta: string) => piece('output_text', delta, { output_index: 1 })
    const events = decode([
      piece('reasoning_text', 'Hm'),
      text('Hel'),
      piece('reasoning_text', '.'),
      text('lo'),
      done(message(output('Hello')), 1),
      done({ type: 'reasoning', summary: [], content: [{ text: 'Hm.' }] }),
      completed(),
    ])
    assert.deepEqual(types(events).slice(-4), ['text-end', 'thinking-end', 'reply-start', 'finish'])
    assert.deepEqual(read([piece('reasoning_text', 'a'), text('b')]).blocks.length, 2)
  })

  it('reads refusals, citations and phases', () => {
    const url = { type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 5 }
    const file = { type: 'file_citation', file_id: 'file_1', filename: 'a.txt', index: 3 }
    const cited = { ...message(output('Hello', { annotations: [url, file] })), phase: 'commentary' }
    const citations = [
      { protocol: 'openai-responses', url: 'https://a.example', title: 'A', raw: url },
      { protocol: 'openai-responses', title: 'a.txt', raw: file },
    ]
    const annotation = event('response.output_text.annotation.added', {
      output_index: 0,
      content_index: 0,
      annotation: url,
    })
    const expected = { type: 'text', text: 'Hello', raw: { item: { phase: 'commentary' } }, citations }
    assert.deepEqual(blocks(done(cited)), [expected])
    assert.deepEqual(blocks(added({ ...cited, content: [] }), piece('output_text', 'Hello'), annotation, done(cited)), [
      expected,
    ])
    const refused = read([piece('refusal', 'No.'), completed()])
    assert.deepEqual(refused.blocks, [{ type: 'text', text: 'No.', isRefusal: true }])
    assert.equal(refused.finish?.finish, 'content_filter')
  })

  it('ends a part when the next one begins, so that nothing has to wait', () => {
    const events = decode([piece('output_text', 'a'), piece('output_text', 'b', { content_index: 1 }), completed()])
    const texts = types(events).filter((type) => type.startsWith('text'))
    assert.deepEqual(texts, ['text-start', 'text-delta', 'text-end', 'text-start', 'text-delta', 'text-end'])
  })

  it('passes hosted tools on as they are, once they are done', () => {
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed' }
    assert.deepEqual(blocks(added({ type: 'web_search_call' }), done(search), done(message(output('a')), 1)), [
      { type: 'opaque', protocol: 'openai-responses', kind: 'web_search_call', value: search },
      { type: 'text', text: 'a' },
    ])
    assert.deepEqual(blocks(added({ type: 'web_search_call' })), [])
  })

  it('closes what is open when the stream breaks off, and gives no reason then', () => {
    const { blocks, finish } = read([added(message()), piece('output_text', 'Hel'), added(CALL, 1)])
    assert.deepEqual([blocks.length, finish], [2, null])
    const events = decode([added(message()), piece('output_text', 'Hel'), added(CALL, 1)])
    assert.deepEqual(types(events).slice(-3), ['text-end', 'tool-call-delta', 'tool-call-end'])
  })

  it('says why a reply is not complete', () => {
    const end = (reason: string) =>
      read([event('response.incomplete', { response: { status: 'incomplete', incomplete_details: { reason } } })])
        .finish
    assert.deepEqual(end('max_output_tokens'), { finish: 'length', raw: 'max_output_tokens', stopSequence: null })
    assert.equal(end('content_filter')?.finish, 'content_filter')
  })

  it('takes anything, and keeps the order of starts, pieces and ends', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.constantFrom(null, {}, []))
    const item = fc.record(
      {
        type: fc.constantFrom('message', 'reasoning', 'function_call', 'custom_tool_call', 'x'),
        name: fc.constantFrom('run', '', null),
        call_id: value,
        arguments: value,
        summary: fc.array(value),
        content: fc.array(fc.oneof(value, fc.record({ type: fc.constantFrom('output_text', 'refusal'), text: value }))),
      },
      { requiredKeys: [] },
    )
    const anything = fc.record(
      {
        type: fc.constantFrom(
          'response.created',
          'response.output_item.added',
          'response.output_item.done',
          'response.content_part.added',
          'response.output_text.delta',
          'response.refusal.delta',
          'response.reasoning_text.delta',
          'response.reasoning_summary_text.delta',
          'response.function_call_arguments.delta',
          'response.output_text.annotation.added',
          'response.completed',
          'response.unheard_of',
        ),
        output_index: fc.oneof(fc.nat(3), value),
        content_index: fc.oneof(fc.nat(2), value),
        delta: value,
        item: fc.oneof(item, value),
        part: fc.oneof(fc.record({ type: fc.constantFrom('output_text', 'refusal') }), value),
        annotation: fc.oneof(fc.constant({ url: 'a' }), value),
        response: fc.oneof(fc.record({ output: fc.oneof(fc.array(item), value), usage: value }), value),
      },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 20 }), (events) => {
        checkOrder(decode(events.map((data) => ({ name: null, data }))))
      }),
      { numRuns: 1000 },
    )
  })
})

function checkOrder(events: readonly IrEvent[]): void {
  const open = new Set<number>()
  let started = 0
  for (const next of events) {
    if (!('block' in next)) continue
    if (next.type === 'block') continue
    if (next.type.endsWith('-start')) {
      assert.ok(next.block >= started, 'blocks are numbered as they start')
      started = next.block + 1
      open.add(next.block)
    } else assert.ok(open.has(next.block), `${next.type} outside of its block`)
    if (next.type.endsWith('-end')) open.delete(next.block)
  }
  assert.equal(open.size, 0, 'every block ends')
}

describe('decoding a whole Responses reply', () => {
  it('reads what its stream would have told', () => {
    const body = {
      id: 'resp_1',
      model: 'gpt',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ type: 'reasoning', summary: [], encrypted_content: 'gAAA' }, message(output('Hello'), output(' you'))],
      usage: { input_tokens: 9, output_tokens: 4 },
    }
    assert.deepEqual(responsesCodec.decodeReply(body), {
      id: 'resp_1',
      model: 'gpt',
      blocks: [
        { type: 'thinking', text: '', signature: 'gAAA', mint: null },
        { type: 'text', text: 'Hello' },
        { type: 'text', text: ' you' },
      ],
      finish: { finish: 'length', raw: 'max_output_tokens', stopSequence: null },
      usage: { input: 9, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 4, reasoning: 0 },
    })
  })
})

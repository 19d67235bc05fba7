import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createStreamReader } from '../stream-reader.ts'
import { asObject, type WireObject } from '../wire-value.ts'

const END = { code: 'balance', message: 'No more.', requestId: 'req_1', model: 'asked', nowMs: 5000 } as const

const event = (type: string, more: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const created = event('response.created', {
  sequence_number: 0,
  response: { id: 'r1', created_at: 7, model: 'up', instructions: 'x'.repeat(300), store: true, tools: [{}] },
})
const added = (output_index: number, item: object): string =>
  event('response.output_item.added', { output_index, item: { status: 'in_progress', ...item } })
const done = (output_index: number, item: object): string => event('response.output_item.done', { output_index, item })

function endOf(...texts: string[]): WireObject[] {
  const reader = createStreamReader('openai-responses', { stripUsage: false })
  for (const text of texts) reader.push(Buffer.from(text))
  reader.endPolitely(END)
  return reader.takeHeld().map((frame) => JSON.parse(frame.toString().split('\ndata: ')[1] ?? '') as WireObject)
}

/** Types and numbers of events. */
function outline(events: readonly WireObject[]): string[] {
  return events.map(({ type, sequence_number: number }) => `${number} ${String(type).replace('response.', '')}`)
}

function responseOf(events: readonly WireObject[]): WireObject {
  return asObject(events.at(-1)?.response) ?? {}
}

const MESSAGE = { id: 'm1', type: 'message', role: 'assistant', content: [] }
const PART = { type: 'output_text', text: '', annotations: [], logprobs: [] }
const partAdded = event('response.content_part.added', { output_index: 0, content_index: 0, part: PART })
const textDelta = (delta: string): string =>
  event('response.output_text.delta', { item_id: 'm1', output_index: 0, content_index: 0, delta })

describe('a relayed Responses stream that is ended early', () => {
  it('ends as the vendor ends one that met its cap, at every event of it', () => {
    const golden = join(import.meta.dirname, '../../../test/golden/openai-responses/max-tokens-in-arguments/stream.sse')
    const events = readFileSync(golden, 'utf8').split(/(?<=\n\n)/)
    const vendors = events.map((text) => JSON.parse(text.split('\ndata: ')[1] ?? '') as WireObject)
    for (let count = 4; count < events.length; count++) {
      const told = endOf(...events.slice(0, count))
      assert.deepEqual(told.slice(0, -1), vendors.slice(count, -1), `after ${count}`)
      const { output, status, incomplete_details: reason, id, created_at: at, model } = responseOf(told)
      const vendor = responseOf(vendors)
      assert.deepEqual(
        [output, status, reason, id, at, model, told.at(-1)?.sequence_number],
        [
          ...[vendor.output, vendor.status, vendor.incomplete_details, vendor.id, vendor.created_at, vendor.model],
          vendors.length - 1,
        ],
      )
    }
  })

  it('closes text with all that was said, its citations and its escapes', () => {
    const annotation = { type: 'url_citation', url: 'https://a.test' }
    const cited = event('response.output_text.annotation.added', { output_index: 0, content_index: 0, annotation })
    const events = endOf(
      created,
      added(0, MESSAGE),
      partAdded,
      textDelta('Gr\u00fc\u00dfe "\\'),
      cited,
      textDelta('\n😀'),
    )
    assert.deepEqual(outline(events), [
      '6 output_text.done',
      '7 content_part.done',
      '8 output_item.done',
      '9 incomplete',
    ])
    const text = 'Gr\u00fc\u00dfe "\\\n😀'
    const item = { ...MESSAGE, status: 'incomplete', content: [{ ...PART, text, annotations: [annotation] }] }
    const [whole, part, message] = events
    assert.equal(whole?.text, text)
    assert.deepEqual(part?.part, item.content[0])
    assert.deepEqual(message?.item, item)
    assert.deepEqual(responseOf(events).output, [item])
  })

  it('puts a pair of surrogates together that was cut between two pieces', () => {
    const cut = (half: string): string => textDelta('x').replace('"delta":"x"', `"delta":"${half}"`)
    const events = endOf(created, added(0, MESSAGE), partAdded, cut('\\ud83d'), cut('\\ude00'))
    assert.equal(events[0]?.text, '😀')
  })

  it('tells nothing twice that was told to be done', () => {
    const place = { output_index: 0, content_index: 0 }
    const start = [created, added(0, MESSAGE), partAdded, textDelta('a')]
    const textDone = event('response.output_text.done', { ...place, text: 'a' })
    const partDone = event('response.content_part.done', { ...place, part: { ...PART, text: 'a' } })
    const itemDone = done(0, { ...MESSAGE, status: 'completed', content: [{ ...PART, text: 'a' }] })
    const expected = ['output_text.done', 'content_part.done', 'output_item.done', 'incomplete']
    for (const [i, more] of [[], [textDone], [textDone, partDone], [textDone, partDone, itemDone]].entries()) {
      const events = endOf(...start, ...more)
      assert.deepEqual(
        outline(events).map((line) => line.split(' ')[1]),
        expected.slice(i),
      )
      const [item] = responseOf(events).output as WireObject[]
      assert.deepEqual(item?.content, [{ ...PART, text: 'a' }])
    }
  })

  it('closes a summary of thoughts and leaves the thoughts of other items as they are', () => {
    const reasoning = { id: 'rs1', type: 'reasoning', summary: [] }
    const place = { item_id: 'rs1', output_index: 0, summary_index: 1 }
    const events = endOf(
      created,
      added(0, reasoning),
      event('response.reasoning_summary_part.added', { ...place, summary_index: 0, part: { type: 'summary_text' } }),
      event('response.reasoning_summary_part.done', {
        ...place,
        summary_index: 0,
        part: { type: 'summary_text', text: 'A' },
      }),
      event('response.reasoning_summary_part.added', { ...place, part: { type: 'summary_text', text: '' } }),
      event('response.reasoning_summary_text.delta', { ...place, delta: 'B' }),
    )
    assert.deepEqual(
      outline(events).map((line) => line.split(' ')[1]),
      ['reasoning_summary_text.done', 'reasoning_summary_part.done', 'output_item.done', 'incomplete'],
    )
    const summary = ['A', 'B'].map((text) => ({ type: 'summary_text', text }))
    assert.deepEqual(responseOf(events).output, [{ ...reasoning, status: 'incomplete', summary }])
  })

  it('closes parallel calls in their order, each with its own input', () => {
    const call = (n: number): object => ({
      id: `fc${n}`,
      type: 'function_call',
      call_id: `c${n}`,
      name: 'f',
      arguments: '',
    })
    const piece = (output_index: number, delta: string): string =>
      event('response.function_call_arguments.delta', { output_index, delta })
    const events = endOf(
      created,
      added(0, call(0)),
      added(1, call(1)),
      piece(1, '{"b'),
      piece(0, '{"a'),
      piece(1, '":1'),
    )
    assert.deepEqual(
      events.slice(0, -1).map((told) => [told.output_index, asObject(told.item)?.arguments ?? told.arguments]),
      [
        [0, '{"a'],
        [0, '{"a'],
        [1, '{"b":1'],
        [1, '{"b":1'],
      ],
    )
  })

  it('does not tell half of a free text to be done: clients run what is', () => {
    const call = { id: 'ctc1', type: 'custom_tool_call', call_id: 'c1', name: 'apply_patch', input: '' }
    const piece = event('response.custom_tool_call_input.delta', { output_index: 0, delta: '*** Begin' })
    const events = endOf(created, added(0, call), piece)
    assert.ok(!outline(events).some((line) => line.endsWith('output_item.done')))
    assert.deepEqual(responseOf(events).output, [{ ...call, status: 'incomplete', input: '*** Begin' }])
  })

  it('repeats what the vendor ran itself without an end of its own making', () => {
    const search = { id: 'ws1', type: 'web_search_call', status: 'searching' }
    const events = endOf(created, added(0, search))
    assert.deepEqual(outline(events), ['2 incomplete'])
    assert.deepEqual(responseOf(events).output, [{ ...search, status: 'incomplete' }])
  })

  it('is a whole one even when nothing has come, and keeps none of what was asked', () => {
    const events = endOf()
    assert.deepEqual(outline(events), ['0 created', '1 incomplete'])
    const { id, model, created_at: at, status, zendo } = responseOf(events)
    assert.deepEqual([id, model, at, status], ['resp_req_1', 'asked', 5, 'incomplete'])
    assert.deepEqual(zendo, { code: 'balance', message: 'No more.' })
    const begun = responseOf(endOf(created))
    assert.deepEqual([begun.id, begun.model, begun.created_at, begun.store], ['r1', 'up', 7, true])
    assert.deepEqual([begun.instructions, begun.tools], [null, []])
  })

  it('holds no more than a bounded part of a reply without end', () => {
    const reader = createStreamReader('openai-responses', { stripUsage: false })
    reader.push(Buffer.from(created + added(0, MESSAGE) + partAdded))
    const piece = Buffer.from(textDelta('x'.repeat(1024 * 1024)))
    for (let i = 0; i < 20; i++) reader.push(piece)
    reader.endPolitely(END)
    assert.ok(Buffer.concat(reader.takeHeld()).length < 4.1 * 16 * 1024 * 1024)
    assert.equal(reader.reply.deliveredTokens, (20 * 1024 * 1024) / 4)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IrEvent } from '../ir/event.ts'
import { createReplyCollector } from '../ir/reply.ts'
import { decodeReply } from './decode-reply.ts'
import { createStreamDecoder } from './decode-stream.ts'

const chunk = (parts: unknown[], more: object = {}): object => ({ candidates: [{ content: { parts }, ...more }] })

function decode(...chunks: unknown[]): IrEvent[] {
  const decoder = createStreamDecoder()
  return [...chunks.flatMap((data) => decoder.decode(null, data)), ...decoder.end()]
}

function blocksOf(...chunks: unknown[]) {
  const collector = createReplyCollector()
  for (const event of decode(...chunks)) collector.add(event)
  return collector.reply().blocks
}

const text = (words: string) => ({ type: 'text', text: words })
const thinking = (words: string, signature: string | null) => ({ type: 'thinking', text: words, signature, mint: null })
const call = (id: string, name: string, input: string) => ({ type: 'tool-call', id, name, kind: 'function', input })
const start = (name: string, more: object = {}): object =>
  chunk([{ functionCall: { name, willContinue: true }, ...more }])
const piece = (...partialArgs: object[]): object => chunk([{ functionCall: { partialArgs, willContinue: true } }])

describe('the events of a streamed Google reply', () => {
  it('begin once, with id and model, and end with usage and finish', () => {
    const usage = { input: 5, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2, reasoning: 0 }
    const events = decode(
      { ...chunk([{ text: 'a' }]), responseId: 'r1', modelVersion: 'g', usageMetadata: { promptTokenCount: 5 } },
      { ...chunk([{ text: 'b' }], { finishReason: 'STOP' }), usageMetadata: { candidatesTokenCount: 2 } },
    )
    assert.deepEqual(events, [
      { type: 'reply-start', id: 'r1', model: 'g' },
      { type: 'text-start', block: 0 },
      { type: 'text-delta', block: 0, text: 'a' },
      { type: 'text-delta', block: 0, text: 'b' },
      { type: 'text-end', block: 0 },
      { type: 'usage', usage },
      { type: 'finish', finish: 'stop', raw: 'STOP', stopSequence: null },
    ])
  })

  it('have no finish when the reply was cut', () => {
    assert.ok(!decode(chunk([{ text: 'a' }])).some(({ type }) => type === 'finish'))
  })

  it('tell a refused prompt, and calls behind STOP', () => {
    const last = (...chunks: unknown[]) => decode(...chunks).at(-1)
    const refused = { type: 'finish', finish: 'content_filter', raw: 'SAFETY', stopSequence: null }
    assert.deepEqual(last({ promptFeedback: { blockReason: 'SAFETY' } }), refused)
    const calls = { type: 'finish', finish: 'tool_calls', raw: 'STOP', stopSequence: null }
    assert.deepEqual(last(chunk([{ functionCall: { name: 'f' } }], { finishReason: 1 })), calls)
  })

  it('are those of the first candidate, whatever stands in the others', () => {
    const other = { index: 1, content: { parts: [{ text: 'b' }] } }
    assert.deepEqual(blocksOf({ candidates: [other, { content: { parts: [{ text: 'a' }] } }] }), [text('a')])
    assert.deepEqual(blocksOf({ candidates: [other] }), [])
  })

  it('give a signature to the thoughts directly before, or to a thought of no words', () => {
    const signed = { functionCall: { name: 'f' }, thoughtSignature: 'S' }
    const thought = { text: 'hm', thought: true }
    assert.deepEqual(blocksOf(chunk([thought, thought]), chunk([signed])), [
      thinking('hmhm', 'S'),
      call('call_0', 'f', '{}'),
    ])
    assert.deepEqual(blocksOf(chunk([thought, { text: 'a' }]), chunk([signed])), [
      thinking('hm', null),
      text('a'),
      thinking('', 'S'),
      call('call_0', 'f', '{}'),
    ])
    assert.deepEqual(blocksOf(chunk([{ text: 'a' }]), chunk([{ text: '', thoughtSignature: 'S' }])), [
      text('a'),
      thinking('', 'S'),
    ])
    assert.deepEqual(blocksOf(chunk([{ text: 'a' }]), chunk([{ thoughtSignature: 'S' }])), [
      text('a'),
      thinking('', 'S'),
    ])
  })

  it('have calls with the id of the wire, or a number', () => {
    const parts = [{ functionCall: { name: 'f', args: { a: 1 } } }, { functionCall: { id: 'x', name: 'g' } }]
    const last = { functionCall: { name: 'f' } }
    assert.deepEqual(blocksOf(chunk([...parts, last])), [
      call('call_0', 'f', '{"a":1}'),
      call('x', 'g', '{}'),
      call('call_2', 'f', '{}'),
    ])
  })

  it('put arguments that come in pieces together', () => {
    const blocks = blocksOf(
      start('f', { thoughtSignature: 'S' }),
      piece({ jsonPath: '$.list[0].name', stringValue: 'a "', willContinue: true }),
      piece({ jsonPath: '$.list[0].name', stringValue: 'b"', willContinue: true }),
      piece({ jsonPath: '$.list[0].name', stringValue: '' }, { jsonPath: '$.list[1]', numberValue: 0.5 }),
      piece({ jsonPath: "$['a.b']", boolValue: false }, { jsonPath: '$.none', nullValue: 'NULL_VALUE' }),
      chunk([{ functionCall: {} }]),
      start('g'),
      piece({ jsonPath: '$.x', stringValue: 'never closed', willContinue: true }),
      chunk([{ text: 'after' }], { finishReason: 'STOP' }),
    )
    assert.deepEqual(blocks, [
      thinking('', 'S'),
      call('call_0', 'f', '{"list":[{"name":"a \\"b\\""},0.5],"a.b":false,"none":null}'),
      call('call_1', 'g', '{"x":"never closed"}'),
      text('after'),
    ])
  })

  it('take a text that was whole for another value when it comes again', () => {
    const again = ['a', 'b'].map((stringValue) => piece({ jsonPath: '$.x', stringValue }))
    assert.deepEqual(blocksOf(start('f'), ...again), [call('call_0', 'f', '{"x":"b"}')])
  })

  it('close a call whose last piece is missing, once', () => {
    const events = decode(start('f'), piece({ jsonPath: '$.a', stringValue: 'b' }))
    assert.deepEqual(
      events.map(({ type }) => type),
      ['reply-start', 'tool-call-start', 'tool-call-delta', 'tool-call-end'],
    )
    assert.deepEqual(blocksOf(chunk([{ functionCall: {} }])), [])
  })

  it('let no path of an argument reach beyond it', () => {
    const odd = ['$.__proto__.polluted', '$.constructor.prototype.polluted', '$.a[99999999]', '$', 'a', '$..a', '$.a[']
    const blocks = blocksOf(start('f'), piece(...odd.map((jsonPath) => ({ jsonPath, stringValue: 'x' }))))
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
    assert.equal(blocks[0]?.type, 'tool-call')
  })

  it('carry citations of the text, those with an address', () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: 'https://a.test', title: 'A' } }, { retrievedContext: { text: 'x' } }],
      groundingSupports: [{ segment: { text: 'said' }, groundingChunkIndices: [0, 1, 7] }],
    }
    const citationMetadata = { citations: [{}, { uri: 'https://b.test' }] }
    const last = chunk([{ text: '', thoughtSignature: 'S' }], { groundingMetadata, citationMetadata })
    const [block] = blocksOf(chunk([{ text: 'it is said' }]), last, last)
    assert.deepEqual(block?.type === 'text' && block.citations?.map(({ url, title, text }) => [url, title, text]), [
      ['https://a.test', 'A', 'said'],
      ['https://b.test', undefined, undefined],
    ])
  })

  it('hold images, and what only Google understands as it came', () => {
    const image = { inlineData: { mimeType: 'image/png', data: 'AA==' } }
    const code = { executableCode: { language: 'PYTHON', code: '1' }, thoughtSignature: 'S' }
    assert.deepEqual(blocksOf(chunk([image, { ...image, thought: true }, code])), [
      { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA==' } },
      { type: 'opaque', protocol: 'google-generate', kind: 'inlineData', value: { ...image, thought: true } },
      { type: 'opaque', protocol: 'google-generate', kind: 'executableCode', value: code },
    ])
  })

  it('never come as an exception, whatever the upstream sends', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.array(fc.jsonValue()), (junk, parts) => {
        decode(...junk, chunk(parts), { candidates: junk }, chunk([{ functionCall: { name: 'f', args: junk[0] } }]))
      }),
    )
  })

  it('amount to the same reply however its text is cut into chunks', () => {
    const parts = [{ text: 'thinking', thought: true }, { text: 'the answer' }, { functionCall: { name: 'f' } }]
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 4 }), (cuts) => {
        const chunks = parts.flatMap((part) => {
          if (part.text === undefined) return [chunk([part])]
          const ends = [...cuts.toSorted((a, b) => a - b), part.text.length]
          return ends.map((end, i) => chunk([{ ...part, text: part.text.slice(ends[i - 1] ?? 0, end) }]))
        })
        assert.deepEqual(decodeReply(chunks), decodeReply(chunk(parts)))
      }),
    )
  })
})

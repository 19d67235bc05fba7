/** A streamed reply of one protocol, given out in another. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PROTOCOLS, type Protocol } from '../base/words.ts'
import { codecOf } from './codecs.ts'
import { createEventReader, createScanner } from './event-readers.ts'
import type { IrEvent, IrFinish } from './ir/event.ts'
import { createReplyCollector, type IrReply, replyToEvents } from './ir/reply.ts'
import { createTranslatingReader } from './translating-reader.ts'
import { parseJson } from './wire-value.ts'

const USAGE = { input: 20, cachedRead: 100, cacheWrite5m: 0, cacheWrite1h: 0, output: 30, reasoning: 10 }
const FINISH: IrFinish = { finish: 'tool_calls', raw: null, stopSequence: null }
const REPLY: IrReply = {
  id: 'r1',
  model: 'm',
  blocks: [
    { type: 'thinking', text: 'Reading first.', signature: 'c2lnbmF0dXJl', mint: null },
    { type: 'text', text: 'Größe → 3 „ok“' },
    { type: 'tool-call', id: 'toolu_1', name: 'read', kind: 'function', input: '{"path":"a.ts"}' },
    { type: 'tool-call', id: 'toolu_2', name: 'read', kind: 'function', input: '{"path":"b.ts"}' },
  ],
  finish: FINISH,
  usage: USAGE,
}

function context(protocol: Protocol, from: Protocol) {
  const body = {
    'openai-chat': { messages: [{ role: 'user', content: 'x' }], stream_options: { include_usage: true } },
    'openai-responses': { input: 'x', include: ['reasoning.encrypted_content'] },
    'anthropic-messages': { messages: [{ role: 'user', content: 'x' }], max_tokens: 9 },
    'google-generate': {
      contents: [{ role: 'user', parts: [{ text: 'x' }] }],
      generationConfig: { thinkingConfig: { includeThoughts: true } },
    },
  }[protocol]
  let ids = 0
  return {
    request: codecOf(protocol).decodeRequest({ model: 'm', ...body }, { model: 'm', stream: true }),
    model: 'm',
    requestId: 'req_1',
    createdAtMs: 0,
    newId: (prefix: string) => `${prefix.replace(/_$/, '')}_${ids++}`,
    mint: { protocol: from, account: 'acc' },
    includeUsage: true,
  }
}

/** The stream that an upstream of this protocol would have sent. */
function streamOf(protocol: Protocol): string {
  const encoder = codecOf(protocol).createStreamEncoder(context(protocol, protocol))
  const events = replyToEvents(REPLY).filter((event) => event.type !== 'finish')
  const text = events.map((event) => encoder.encode(event)).join('')
  return text + encoder.finish({ finish: FINISH, usage: USAGE, cost: null })
}

interface Translated {
  readonly before: string
  readonly end: string
  readonly ending: string | null
  readonly usage: unknown
  readonly events: readonly IrEvent[]
}

function translate(from: Protocol, to: Protocol, bytes: Buffer, size: number): Translated {
  const events: IrEvent[] = []
  const reader = createTranslatingReader({
    from,
    encoder: codecOf(to).createStreamEncoder(context(to, from)),
    onEvent: (event) => events.push(event),
    renameCall: ({ id, name }) => ({ id, name }),
  })
  const out: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) out.push(...reader.push(bytes.subarray(at, at + size)))
  out.push(...reader.end())
  const before = Buffer.concat(out).toString()
  return {
    before,
    end: Buffer.concat(reader.takeHeld()).toString(),
    ending: reader.ending,
    usage: reader.reply.usage,
    events,
  }
}

/** Reads a stream back with its own protocol's decoder. */
function read(protocol: Protocol, text: string): IrReply {
  const scanner = createScanner('sse', {})
  const reader = createEventReader(protocol, false)
  const decoder = codecOf(protocol).createStreamDecoder()
  const collected = createReplyCollector()
  scanner.feed(Buffer.from(text))
  for (let block = scanner.next(); block; block = scanner.next()) {
    if (block.kind !== 'event') continue
    reader.onEvent(block)
    const data = parseJson(block.data, block.dataStart, block.dataEnd)
    if (data !== undefined) for (const event of decoder.decode(block.name, data)) collected.add(event)
  }
  for (const event of decoder.end()) collected.add(event)
  return { ...collected.reply(), usage: reader.summary().usage }
}

const PAIRS = PROTOCOLS.flatMap((from) => PROTOCOLS.filter((to) => to !== from).map((to) => [from, to] as const))

describe('a translated stream', () => {
  for (const [from, to] of PAIRS) {
    test(`${from} to ${to} says the same, however it is cut into chunks`, () => {
      const bytes = Buffer.from(streamOf(from))
      fc.assert(
        fc.property(fc.integer({ min: 1, max: bytes.length }), (size) => {
          const { before, end, ending, usage } = translate(from, to, bytes, size)
          assert.equal(ending, 'complete')
          assert.deepEqual(usage, USAGE)
          const { blocks, finish, usage: told } = read(to, before + end)
          const words = blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
          assert.equal(words.join(''), 'Größe → 3 „ok“')
          const thoughts = blocks.flatMap((block) => (block.type === 'thinking' ? [block.text] : []))
          assert.equal(thoughts.join(''), 'Reading first.')
          const calls = blocks.flatMap((block) =>
            block.type === 'tool-call' ? [[block.id, block.name, JSON.parse(block.input)]] : [],
          )
          assert.deepEqual(calls, [
            ['toolu_1', 'read', { path: 'a.ts' }],
            ['toolu_2', 'read', { path: 'b.ts' }],
          ])
          assert.equal(finish?.finish, 'tool_calls')
          assert.deepEqual(told, USAGE, 'the usage that the client is told')
        }),
        { numRuns: 30 },
      )
    })

    test(`${from} to ${to} never looks complete when it was cut`, () => {
      const text = streamOf(from)
      const events = text.split('\n\n').filter((event) => event !== '')
      // Without its terminal event, and for Google without the finish that stands in its last one.
      for (let count = 0; count < events.length - (from === 'openai-chat' ? 3 : 1); count++) {
        const cut = events
          .slice(0, count)
          .map((event) => `${event}\n\n`)
          .join('')
        const { end, ending } = translate(from, to, Buffer.from(cut), 1000)
        assert.equal(ending, 'cut', `after ${count} events`)
        assert.equal(end, '')
      }
    })
  }

  test('ends with the calls that it holds when its upstream names no reason', () => {
    const call = { index: 0, id: 'c1', type: 'function', function: { name: 'read', arguments: '{}' } }
    for (const [delta, expected] of [
      [{ tool_calls: [call] }, 'tool_calls'],
      [{ content: 'Yes.' }, 'stop'],
    ] as const) {
      const chunk = { id: 'r1', choices: [{ index: 0, delta, finish_reason: null }] }
      const bytes = Buffer.from(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`)
      for (const to of ['anthropic-messages', 'openai-responses', 'google-generate'] as const) {
        const { before, end, ending } = translate('openai-chat', to, bytes, 1000)
        assert.deepEqual([ending, read(to, before + end).finish?.finish], ['complete', expected], to)
      }
    }
  })

  test('holds only its end back', () => {
    const { before, end } = translate('openai-chat', 'anthropic-messages', Buffer.from(streamOf('openai-chat')), 1e6)
    assert.ok(before.includes('b.ts'))
    assert.ok(!before.includes('message_delta'))
    assert.match(end, /message_delta[\s\S]*message_stop/)
  })
})

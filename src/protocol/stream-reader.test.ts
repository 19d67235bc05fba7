import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import type { StreamForm } from './event-readers.ts'
import { createStreamReader, type StreamReader } from './stream-reader.ts'

const role = '{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}'
const delta = (text: string): string =>
  JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })
const finish = '{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
const usage = '{"id":"c1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2}}'
const failure = '{"error":{"message":"broke","type":"server_error"}}'
const chat = (...data: string[]): string => data.map((line) => `data: ${line}\n\n`).join('')

const event = (type: string, more: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const messageStart = event('message_start', {
  message: { id: 'm1', content: [], usage: { input_tokens: 4, output_tokens: 1 } },
})
const textDelta = event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } })
const messageDelta = event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } })

interface Relayed {
  /** What went to the client before the end was known. */
  readonly before: string
  readonly held: string
  readonly ending: StreamReader['ending']
  readonly reader: StreamReader
}

function relay(
  protocol: Protocol,
  text: string,
  sizes: readonly number[] = [],
  { stripUsage = false, form = 'sse' }: { stripUsage?: boolean; form?: StreamForm } = {},
): Relayed {
  const reader = createStreamReader(protocol, { stripUsage, form })
  const bytes = Buffer.from(text, 'latin1')
  const out: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1)
    out.push(...reader.push(bytes.subarray(at, at + size)))
    at += size
  }
  out.push(...reader.end())
  const before = Buffer.concat(out).toString('latin1')
  return { before, held: Buffer.concat(reader.takeHeld()).toString('latin1'), ending: reader.ending, reader }
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const anySizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 5 })

describe('createStreamReader', () => {
  it('relays every byte in order and comes to the same end and summary, however the stream is cut into chunks', () => {
    const chatPiece = fc.constantFrom(
      ': ping\n',
      '\n',
      ...[role, delta('Hi "there"'), finish, usage, failure, '[DONE]', '{broken'].map((data) => chat(data)),
    )
    const messagesPiece = fc.constantFrom(
      ...[
        ': ping\n\n',
        messageStart,
        textDelta,
        messageDelta,
        event('ping'),
        event('message_stop'),
        event('error', { error: { type: 'api_error' } }),
      ],
    )
    const streams = fc.oneof(
      fc.tuple(fc.constant('openai-chat' as const), fc.array(chatPiece)),
      fc.tuple(fc.constant('anthropic-messages' as const), fc.array(messagesPiece)),
    )
    fc.assert(
      fc.property(streams, lineEnd, anySizes, ([protocol, pieces], ending, sizes) => {
        const text = pieces.join('').replaceAll('\n', ending)
        const whole = relay(protocol, text)
        const cut = relay(protocol, text, sizes)
        assert.equal(whole.before + whole.held, text)
        assert.equal(cut.before + cut.held, text)
        assert.equal(cut.ending, whole.ending)
        assert.deepEqual(cut.reader.reply, whole.reader.reply)
        assert.equal(cut.before, whole.before)
      }),
      { numRuns: 2000 },
    )
  })

  it('takes out exactly the usage-only event when told to, in every chunking', () => {
    for (const ending of ['\n', '\r\n', '\r']) {
      for (const sizes of [[], [1], [7, 2], [40]]) {
        const lines = (...data: string[]): string => chat(...data).replaceAll('\n', ending)
        const text = lines(role, delta('Hi'), finish, usage, '[DONE]')
        const { before, held, reader } = relay('openai-chat', text, sizes, { stripUsage: true })
        assert.equal(before + held, lines(role, delta('Hi'), finish, '[DONE]'))
        assert.equal(reader.reply.usage?.input, 10)
      }
    }
  })

  it('takes out nothing else: usage with a choice, empty choices without usage, and nothing at all when not told to', () => {
    const withChoice =
      '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    const text = chat('{"choices":[],"prompt_filter_results":[]}', '{"choices":[],"usage":null}', withChoice, '[DONE]')
    for (const strip of [true, false]) {
      const { before, held } = relay('openai-chat', text, [], { stripUsage: strip })
      assert.equal(before + held, text)
    }
    const { before, held } = relay('openai-chat', chat(usage, '[DONE]'))
    assert.equal(before + held, chat(usage, '[DONE]'))
  })

  it('hands a chunk of whole events on as the very same buffer', () => {
    const reader = createStreamReader('openai-chat', { stripUsage: true })
    const chunk = Buffer.from(chat(role, delta('a'), delta('b')))
    assert.deepEqual(reader.push(chunk), [chunk])
    assert.equal(reader.push(chunk)[0], chunk)
    const open = Buffer.from(`${chat(delta('a'))}data: {"cho`)
    const [slice] = reader.push(open)
    assert.equal(slice?.buffer, open.buffer)
    assert.equal(slice?.toString(), chat(delta('a')))
  })

  it('hands on a comment or an event as soon as its last byte is there', () => {
    const reader = createStreamReader('openai-chat', { stripUsage: true })
    for (const text of [': keep-alive\n', '\n', chat(role), chat(delta('x'))]) {
      assert.deepEqual(Buffer.concat(reader.push(Buffer.from(text))).toString(), text)
    }
  })

  it('keeps the terminal event and all after it back until they are taken, then hands everything through', () => {
    const reader = createStreamReader('openai-chat', { stripUsage: true })
    assert.equal(
      Buffer.concat(reader.push(Buffer.from(chat(delta('a'), finish, '[DONE]', '{"cost":"1"}')))).toString(),
      chat(delta('a'), finish),
    )
    assert.equal(reader.ending, 'complete')
    assert.deepEqual(reader.push(Buffer.from('data: late')), [])
    assert.equal(Buffer.concat(reader.takeHeld()).toString(), `${chat('[DONE]', '{"cost":"1"}')}data: late`)
    const later = Buffer.from('r\n\n')
    assert.equal(reader.push(later)[0], later)
    assert.deepEqual([reader.end(), reader.takeHeld(), reader.ending], [[], [], 'complete'])
  })

  it('keeps an error event back in the same way', () => {
    const { before, held, ending, reader } = relay('openai-chat', chat(delta('a'), failure, '[DONE]'))
    assert.deepEqual([before, held, ending], [chat(delta('a')), chat(failure, '[DONE]'), 'error'])
    assert.deepEqual(reader.reply.error, { type: 'server_error', code: null, message: 'broke', status: null })
  })

  it('calls a terminal event with too much behind it an error, and drops what comes too much later on', () => {
    const atOnce = createStreamReader('openai-chat', { stripUsage: false, maxHeldBytes: 10 })
    atOnce.push(Buffer.from(`${chat('[DONE]')}${'x'.repeat(11)}`))
    assert.equal(atOnce.ending, 'error')
    assert.equal(Buffer.concat(atOnce.takeHeld()).toString(), chat('[DONE]'))

    const later = createStreamReader('openai-chat', { stripUsage: false, maxHeldBytes: 10 })
    later.push(Buffer.from(`${chat('[DONE]')}12345`))
    later.push(Buffer.from('67890'))
    later.push(Buffer.from('x'))
    assert.equal(later.ending, 'complete')
    assert.equal(Buffer.concat(later.takeHeld()).toString(), `${chat('[DONE]')}1234567890`)
    assert.deepEqual(later.push(Buffer.from('y')), [])
  })

  it('keeps 64 KiB by default', () => {
    for (const [size, ending] of [
      [65_536, 'complete'],
      [65_537, 'error'],
    ] as const) {
      const reader = createStreamReader('openai-chat', { stripUsage: false })
      reader.push(Buffer.from(chat('[DONE]') + 'x'.repeat(size)))
      assert.equal(reader.ending, ending)
    }
  })

  it('never calls a stream complete that ended early', () => {
    const cases: [Protocol, string, StreamReader['ending']][] = [
      ['openai-chat', '', 'cut'],
      ['openai-chat', chat(role, delta('a')), 'cut'],
      ['openai-chat', chat(role, delta('a'), usage), 'cut'],
      ['openai-chat', chat(role, delta('a'), finish), 'complete'],
      ['openai-chat', chat(role, delta('a'), finish).trimEnd(), 'complete'],
      ['openai-chat', `${chat(role)}data: [DONE]`, 'complete'],
      ['openai-chat', `${chat(role)}data: [DON`, 'cut'],
      ['openai-chat', '{"error":{"message":"not an event"}}', 'cut'],
      ['anthropic-messages', messageStart + textDelta, 'cut'],
      ['anthropic-messages', messageStart + textDelta + messageDelta, 'cut'],
      ['anthropic-messages', messageStart + event('message_stop'), 'complete'],
      ['anthropic-messages', (messageStart + event('message_stop')).trimEnd(), 'complete'],
      ['anthropic-messages', `${messageStart}event: message_stop\ndata: {"type":"mess`, 'cut'],
      ['anthropic-messages', `${messageStart}event: message_stop\n`, 'cut'],
    ]
    for (const [protocol, text, ending] of cases) assert.equal(relay(protocol, text).ending, ending, text.slice(-40))
  })

  it('ends a cut stream with its last whole event, so that an error event can follow on a line of its own', () => {
    for (const piece of [
      'data: {"choices":[{"index":0,"delta":{"content":"lo',
      'data: {"error"',
      ': comm',
      '{"error":{}}',
      'data: {}\n',
    ]) {
      const { before, held, ending, reader } = relay('openai-chat', chat(role) + piece)
      assert.deepEqual([before, held, ending], [chat(role), '', 'cut'])
      assert.equal(reader.reply.hasOutput, false)
    }
  })

  it('says where the event stands that takes the place of a piece', () => {
    const created = event('response.created', { sequence_number: 0, response: { id: 'r1' } })
    const piece = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_nu'
    assert.deepEqual(relay('openai-responses', created + piece).reader.position(), { sequence: 1, replyId: 'r1' })
  })

  it('cuts an array behind an element, so that another can follow, and otherwise relays every byte of it', () => {
    const chunk = (text: string, more: object = {}) =>
      JSON.stringify({ candidates: [{ content: { parts: [{ text }] }, index: 0, ...more }] })
    const array = `[${chunk('One, "two]"')}\n,\r\n${chunk('three')}\n,\r\n${chunk('', { finishReason: 'STOP' })}\n]\n`
    fc.assert(
      fc.property(fc.integer({ min: 0, max: array.length }), anySizes, (length, sizes) => {
        const { before, held, ending } = relay('google-generate', array.slice(0, length), sizes, { form: 'array' })
        if (ending === 'complete') assert.equal(before + held, array.slice(0, length))
        else assert.doesNotThrow(() => JSON.parse(before === '' ? '[]' : `${before}]`), before)
        assert.equal(array.startsWith(before + held), true)
      }),
    )
    assert.equal(relay('google-generate', array, [], { form: 'array' }).ending, 'complete')
  })

  it('shows an observer exactly the events that hold a marker, however the stream is cut into chunks', () => {
    const text = chat(role, delta('a'), delta('mark'), delta('b'), delta('mark too'), finish, '[DONE]')
    for (const size of [1, 7, 90, text.length]) {
      const shown: string[] = []
      const observer = {
        markers: [Buffer.from('mark')],
        onEvent: (_name: string | null, data: unknown) => void shown.push(JSON.stringify(data)),
      }
      const reader = createStreamReader('openai-chat', { stripUsage: false, observer })
      for (let at = 0; at < text.length; at += size) reader.push(Buffer.from(text.slice(at, at + size)))
      assert.deepEqual(shown, [delta('mark'), delta('mark too')], `in pieces of ${size}`)
    }
  })

  it('refuses an event too large with a typed error', () => {
    const reader = createStreamReader('openai-chat', { stripUsage: false, maxEventBytes: 50 })
    assert.throws(
      () => reader.push(Buffer.from(`data: ${'x'.repeat(60)}`)),
      (error) => error instanceof AppError && error.code === 'upstream_unavailable',
    )
  })

  it('takes arbitrary bytes without throwing and without losing any that it relays', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        anySizes,
        fc.constantFrom('openai-chat' as const, 'anthropic-messages' as const),
        (raw, sizes, protocol) => {
          const text = Buffer.from(raw).toString('latin1')
          const { before, held, ending } = relay(protocol, text, sizes)
          assert.ok(text.startsWith(before + held))
          assert.ok(ending !== null)
        },
      ),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { PROTOCOLS, type Protocol } from '../base/words.ts'
import { createStreamReader, type StreamReader, type StreamReaderOptions } from './stream-reader.ts'
import { asObject, type WireObject } from './wire-value.ts'

const END = { code: 'balance', message: 'No more.', requestId: 'req_1', model: 'asked', nowMs: 5000 } as const
const ZENDO = { code: 'balance', message: 'No more.' }

const chunk = (choices: readonly object[], more: object = {}): string =>
  `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 7, model: 'up', choices, ...more })}\n\n`
const choice = (content: string, finish: string | null = null, index = 0): object => ({
  index,
  delta: { content },
  finish_reason: finish,
})
const event = (type: string, more: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const messageStart = event('message_start', {
  message: { id: 'm1', content: [], usage: { input_tokens: 40, cache_read_input_tokens: 9, output_tokens: 1 } },
})
const blockStart = (index: number): string => event('content_block_start', { index, content_block: { type: 'text' } })
const blockDelta = (index: number, text: string): string =>
  event('content_block_delta', { index, delta: { type: 'text_delta', text } })
const blockStop = (index: number): string => event('content_block_stop', { index })
const candidate = (text: string, more: object = {}): object => ({
  candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...more }],
  ...{ modelVersion: 'up', responseId: 'g1' },
})

interface Stopped {
  readonly before: string
  readonly end: string
  readonly reader: StreamReader
}

function stopAfter(
  protocol: Protocol,
  text: string,
  {
    cost = null,
    size = 1 << 20,
    ...options
  }: Partial<StreamReaderOptions> & { cost?: string | null; size?: number } = {},
): Stopped {
  const reader = createStreamReader(protocol, { stripUsage: false, ...options })
  const bytes = Buffer.from(text)
  const out: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) out.push(...reader.push(bytes.subarray(at, at + size)))
  reader.endPolitely({ ...END, promptTokens: 33 })
  return { before: Buffer.concat(out).toString(), end: Buffer.concat(reader.takeHeld(cost)).toString(), reader }
}

/** The data of the events, parsed. */
function eventsOf(text: string): WireObject[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [, name, data = ''] = /^(?:event: (.*)\n)?data: (.*)$/.exec(frame) ?? []
      if (data === '[DONE]') return { type: data }
      const value = JSON.parse(data) as WireObject
      if (name !== undefined) assert.equal(value.type, name)
      return value
    })
}

describe('a relayed chat stream that is ended early', () => {
  const head = { id: 'c1', object: 'chat.completion.chunk', created: 7, model: 'up' }
  const usage = (prompt: number, completion: number): object => ({
    ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  })
  const ended = (index: number): object => ({
    index,
    delta: { role: 'assistant', content: '' },
    finish_reason: 'length',
  })

  it('gets a finish, the usage that is known, and the end', () => {
    const { before, end, reader } = stopAfter('openai-chat', chunk([choice('12345678')]))
    assert.equal(before, chunk([choice('12345678')]))
    assert.deepEqual(eventsOf(end), [
      { ...head, choices: [ended(0)], zendo: ZENDO },
      { ...head, choices: [], usage: usage(33, 2) },
      { type: '[DONE]' },
    ])
    assert.deepEqual([reader.ending, reader.reply.finish, reader.reply.deliveredTokens], ['stopped', 'length', 2])
  })

  it('gets no usage that its client has not asked for, and the charge when it has', () => {
    const text = chunk([choice('12345678')])
    const { end } = stopAfter('openai-chat', text, { stripUsage: true })
    assert.deepEqual(eventsOf(end), [{ ...head, choices: [ended(0)], zendo: ZENDO }, { type: '[DONE]' }])
    const paid = stopAfter('openai-chat', text, { holdUsage: true, cost: '0.02' })
    assert.equal(asObject(eventsOf(paid.end)[1]?.usage)?.cost, '0.02')
  })

  it('ends every choice that has not ended', () => {
    const text = chunk([choice('a')]) + chunk([choice('b', null, 2)]) + chunk([choice('', 'stop', 1)])
    const { end } = stopAfter('openai-chat', text, { answers: 3 })
    assert.deepEqual(
      eventsOf(end).flatMap(({ choices }) => (choices as WireObject[] | undefined)?.map(({ index }) => index) ?? []),
      [0, 2],
    )
  })

  it('keeps the reason that the model has told, and adds what comes behind it', () => {
    const { end, reader } = stopAfter('openai-chat', chunk([choice('a')]) + chunk([choice('', 'stop')]))
    assert.deepEqual(eventsOf(end), [{ ...head, choices: [], usage: usage(33, 1) }, { type: '[DONE]' }])
    assert.equal(reader.reply.finish, 'stop')
    const counted = chunk([choice('a', 'stop')], { usage: { prompt_tokens: 9, completion_tokens: 4 } })
    assert.deepEqual(eventsOf(stopAfter('openai-chat', counted).end), [{ type: '[DONE]' }])
  })

  it('is a whole one even when nothing has come', () => {
    const { end } = stopAfter('openai-chat', '', { answers: 2 })
    const own = { id: 'chatcmpl-req_1', object: 'chat.completion.chunk', created: 5, model: 'asked' }
    assert.deepEqual(eventsOf(end), [
      { ...own, choices: [ended(0)], zendo: ZENDO },
      { ...own, choices: [ended(1)], zendo: ZENDO },
      { ...own, choices: [], usage: usage(33, 0) },
      { type: '[DONE]' },
    ])
  })

  it('loses no content of an event that was kept back for its usage', () => {
    const running = chunk([choice('kept')], { usage: { prompt_tokens: 9, completion_tokens: 1 } })
    const { before, end } = stopAfter('openai-chat', chunk([choice('a')]) + running, { holdUsage: true, cost: '1' })
    assert.equal(before, chunk([choice('a')]))
    const [first] = eventsOf(end)
    assert.deepEqual(first?.choices, [choice('kept')])
    assert.equal(eventsOf(end).at(-1)?.type, '[DONE]')
  })
})

describe('a relayed Messages stream that is ended early', () => {
  const usage = (input: number, read: number, output: number): object => ({
    ...{ input_tokens: input, cache_creation_input_tokens: 0, cache_read_input_tokens: read },
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: output,
  })
  const delta = { stop_reason: 'max_tokens', stop_sequence: null }

  it('has its open blocks closed, a reason, and the usage that is known', () => {
    const text = messageStart + blockStart(0) + blockDelta(0, '1234') + blockStop(0) + blockStart(1)
    const { before, end, reader } = stopAfter('anthropic-messages', text + blockDelta(1, '12345678'))
    assert.equal(before, text + blockDelta(1, '12345678'))
    assert.deepEqual(eventsOf(end), [
      { type: 'content_block_stop', index: 1 },
      { type: 'message_delta', delta, usage: usage(40, 9, 3), zendo: ZENDO },
      { type: 'message_stop' },
    ])
    assert.deepEqual([reader.ending, reader.reply.finish], ['stopped', 'length'])
  })

  it('closes nothing between two blocks, and tells the charge to a client that asked', () => {
    const text = messageStart + blockStart(0) + blockStop(0)
    const { end } = stopAfter('anthropic-messages', text, { holdUsage: true, cost: '0.02' })
    const [last, stop] = eventsOf(end)
    assert.equal(asObject(last?.usage)?.cost, '0.02')
    assert.deepEqual(stop, { type: 'message_stop' })
  })

  it('keeps the reason that the model has told', () => {
    const told = event('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 4 } })
    const { end, reader } = stopAfter('anthropic-messages', messageStart + told)
    assert.deepEqual(eventsOf(end), [{ type: 'message_stop' }])
    assert.equal(reader.reply.finish, 'tool_calls')
  })

  it('is a whole one even when nothing has come', () => {
    const message = {
      ...{ id: 'msg_req_1', type: 'message', role: 'assistant', model: 'asked', content: [] },
      ...{ stop_reason: null, stop_sequence: null, usage: usage(33, 0, 0) },
    }
    for (const text of ['', event('ping')]) {
      assert.deepEqual(eventsOf(stopAfter('anthropic-messages', text).end), [
        { type: 'message_start', message },
        { type: 'message_delta', delta, usage: usage(33, 0, 0), zendo: ZENDO },
        { type: 'message_stop' },
      ])
    }
  })
})

describe('a relayed Google stream that is ended early', () => {
  const last = (more: object = {}): object => ({
    ...candidate('', { finishReason: 'MAX_TOKENS' }),
    usageMetadata: { promptTokenCount: 33, candidatesTokenCount: 2, totalTokenCount: 35 },
    zendo: ZENDO,
    ...more,
  })
  const sse = (value: object): string => `data: ${JSON.stringify(value)}\n\n`

  it('gets one more chunk, which ends it', () => {
    const { before, end } = stopAfter('google-generate', sse(candidate('12345678')))
    assert.equal(before, sse(candidate('12345678')))
    assert.deepEqual(eventsOf(end), [last()])
  })

  it('counts as far as the upstream has counted', () => {
    const usageMetadata = { promptTokenCount: 50, candidatesTokenCount: 1, thoughtsTokenCount: 30 }
    const { end, reader } = stopAfter('google-generate', sse({ ...candidate('12'), usageMetadata }), { cost: '0.5' })
    const told = { promptTokenCount: 50, candidatesTokenCount: 1, totalTokenCount: 81, thoughtsTokenCount: 30 }
    assert.deepEqual(eventsOf(end), [last({ usageMetadata: { ...told, cost: '0.5' } })])
    assert.equal(reader.outputTokens, 31)
  })

  it('is not taken for whole because a candidate has ended: code that is run goes on after that', () => {
    const { before, end, reader } = stopAfter('google-generate', sse(candidate('12345678', { finishReason: 'STOP' })))
    assert.equal(before, '')
    assert.deepEqual(eventsOf(end), [candidate('12345678', { finishReason: 'STOP' }), last()])
    assert.equal(reader.reply.finish, 'length')
  })

  it('leaves a refused prompt as it is', () => {
    const blocked = { promptFeedback: { blockReason: 'SAFETY' } }
    const { end, reader } = stopAfter('google-generate', sse(blocked))
    assert.deepEqual(eventsOf(end), [blocked])
    assert.equal(reader.reply.finish, 'content_filter')
  })

  it('ends every candidate that was asked for', () => {
    const [end] = eventsOf(stopAfter('google-generate', '', { answers: 2 }).end)
    const candidates = end?.candidates as WireObject[]
    assert.deepEqual(
      candidates.map(({ index, finishReason }) => [index, finishReason]),
      [
        [0, 'MAX_TOKENS'],
        [1, 'MAX_TOKENS'],
      ],
    )
    assert.deepEqual([end?.modelVersion, end?.responseId], ['asked', 'req_1'])
  })

  it('is one array with all its elements, wherever it is ended and however it came', () => {
    const elements = [candidate('a'), candidate('b'), candidate('c', { finishReason: 'STOP' })]
    const text = JSON.stringify(elements, null, 1)
    for (let length = 0; length <= text.length; length++) {
      for (const size of [1, 7, 1000]) {
        const { before, end } = stopAfter('google-generate', text.slice(0, length), { form: 'array', size })
        const told = JSON.parse(before + end) as WireObject[]
        const whole = elements.filter((_, i) => length >= endOf(text, i))
        assert.deepEqual(told.slice(0, -1), whole, `${length} bytes, ${size} at a time`)
        assert.deepEqual(told.at(-1)?.zendo, ZENDO)
      }
    }
  })

  it('is one array also behind white space that came byte by byte', () => {
    for (const start of ['', '[', `[${JSON.stringify(candidate('a'))}`, `[${JSON.stringify(candidate('a'))},`]) {
      const { before, end } = stopAfter('google-generate', start + ' '.repeat(60), { form: 'array', size: 1 })
      assert.equal((JSON.parse(before + end) as unknown[]).length, start.includes('{') ? 2 : 1, start)
    }
  })

  function endOf(text: string, element: number): number {
    let at = -1
    for (let i = 0; i <= element; i++) at = text.indexOf('\n }', at + 1)
    return at + 3
  }
})

describe('a stream that is ended early', () => {
  const streams: Readonly<Record<Protocol, readonly string[]>> = {
    'openai-chat': [chunk([choice('a')]), chunk([choice('b')])],
    'openai-responses': [
      event('response.created', { response: { id: 'r1' } }),
      event('response.output_item.added', { output_index: 0, item: { id: 'i1', type: 'message' } }),
    ],
    'anthropic-messages': [messageStart, blockStart(0)],
    'google-generate': [candidate('a'), candidate('b')].map((value) => `data: ${JSON.stringify(value)}\n\n`),
  }

  it('passes nothing on that comes later, and counts none of it', () => {
    for (const protocol of PROTOCOLS) {
      const [first = '', second = ''] = streams[protocol]
      const reader = createStreamReader(protocol, { stripUsage: false })
      reader.push(Buffer.from(first + second.slice(0, 20)))
      reader.endPolitely(END)
      const { reply } = reader
      assert.deepEqual(reader.push(Buffer.from(second.slice(20))), [])
      const held = Buffer.concat(reader.takeHeld())
      assert.ok(!held.includes(second))
      assert.deepEqual([reader.push(Buffer.from(second)), reader.end(), reader.takeHeld()], [[], [], []])
      assert.deepEqual([reader.reply, reader.ending], [reply, 'stopped'], protocol)
    }
  })

  it('stays as it ended when it has ended already', () => {
    const reader = createStreamReader('openai-chat', { stripUsage: false })
    reader.push(Buffer.from(`${chunk([choice('a', 'stop')])}data: [DONE]\n\n`))
    reader.endPolitely(END)
    assert.equal(reader.ending, 'complete')
    assert.equal(Buffer.concat(reader.takeHeld()).toString(), 'data: [DONE]\n\n')
  })

  it('tells its output so far after every chunk', () => {
    const reader = createStreamReader('anthropic-messages', { stripUsage: false })
    const seen = [messageStart, blockStart(0), blockDelta(0, '12345678'), blockDelta(0, '1234')].map((text) => {
      reader.push(Buffer.from(text))
      return reader.outputTokens
    })
    assert.deepEqual(seen, [1, 1, 2, 3])
    const thought = { type: 'thinking_delta', thinking: '12345678' }
    reader.push(Buffer.from(event('content_block_delta', { index: 0, delta: thought })))
    assert.equal(reader.outputTokens, 5)
  })

  it('is completed by events of its own protocol, whatever came before', () => {
    const odd = [
      'data: {"type":1}\n\n',
      'data: [1]\n\n',
      ': x\n\n',
      'data: {"choices":[{"index":-1}]}\n\n',
      'event: x\n',
    ]
    const items = ['message', 'reasoning', 'function_call', 'x'].map((type, index) =>
      event('response.output_item.added', { output_index: index, item: { type, content: 7, summary: null } }),
    )
    const deltas = ['output_text', 'refusal', 'reasoning_summary_text', 'function_call_arguments'].map((stem) =>
      event(`response.${stem}.delta`, { output_index: 1, content_index: 3, delta: 'x"\\' }),
    )
    const pieces = fc.array(fc.constantFrom(...Object.values(streams).flat(), ...odd, ...items, ...deltas))
    fc.assert(
      fc.property(fc.constantFrom(...PROTOCOLS), pieces, fc.boolean(), (protocol, texts, holdUsage) => {
        const reader = createStreamReader(protocol, { stripUsage: false, holdUsage })
        for (const text of texts) reader.push(Buffer.from(text))
        if (reader.ending !== null) return
        reader.endPolitely(END)
        const frames = reader.takeHeld('0.1').map(String)
        assert.ok(frames.some((frame) => frame.includes('"zendo"')))
        for (const frame of frames) if (!frame.startsWith(':') && frame.trim() !== '') eventsOf(frame)
      }),
      { numRuns: 500 },
    )
  })
})

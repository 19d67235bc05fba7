import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createSseScanner } from '../sse.ts'
import { createResponsesReader } from './stream.ts'

/** What a stream of these frames amounts to, and how it ends. */
function read(...frames: string[]) {
  const reader = createResponsesReader()
  const scanner = createSseScanner()
  scanner.feed(Buffer.from(frames.join('')))
  const verdicts: string[] = []
  for (let block = scanner.next(); block !== null; block = scanner.next()) {
    if (block.kind === 'event') verdicts.push(reader.onEvent(block))
  }
  return { verdicts, last: verdicts.at(-1), reply: reader.summary(), reader }
}

let number = 0
const event = (type: string, more: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...more })}\n\n`
const bare = (frame: string): string => frame.replace(/^event: .*\n/, '')
const response = (more: object = {}): object => ({
  response: { id: 'resp_1', status: 'completed', output: [], ...more },
})
const created = (): string =>
  event('response.created', { response: { id: 'resp_1', status: 'in_progress', output: [] } })
const text = (delta: string): string => event('response.output_text.delta', { output_index: 0, delta })
const item = (item: object, index = 0): string =>
  event('response.output_item.added', { output_index: index, item }) +
  event('response.output_item.done', { output_index: index, item })
const usage = { input_tokens: 9, output_tokens: 4, output_tokens_details: { reasoning_tokens: 3 } }
const CALL = { type: 'function_call', id: 'fc_1', call_id: 'c', name: 'f', arguments: '{}' }

describe('a streamed Responses reply', () => {
  it('is read for usage, finish, id and output', () => {
    const { verdicts, reply } = read(
      created(),
      event('response.reasoning_summary_text.delta', { delta: '12345678' }),
      text('12345678'),
      event('response.completed', response({ usage })),
    )
    assert.deepEqual(verdicts, ['pass', 'pass', 'pass', 'complete'])
    assert.deepEqual(reply, {
      usage: { input: 9, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 4, reasoning: 3 },
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 4,
      upstreamId: 'resp_1',
      error: null,
    })
  })

  it('tells why it ended in one set of words', () => {
    const end = (type: string, more: object) => event(type, response(more))
    const cut = (reason: string | null) =>
      end('response.incomplete', { status: 'incomplete', incomplete_details: reason && { reason } })
    const cases: [frames: string[], finish: string | null][] = [
      [[text('a'), end('response.completed', {})], 'stop'],
      [[item(CALL), end('response.completed', {})], 'tool_calls'],
      [[item({ type: 'custom_tool_call', input: 'x' }), end('response.completed', {})], 'tool_calls'],
      [[end('response.completed', { output: [CALL] })], 'tool_calls'],
      [[item({ type: 'web_search_call' }), end('response.completed', {})], 'stop'],
      [[event('response.refusal.delta', { delta: 'No.' }), end('response.completed', {})], 'content_filter'],
      [[text('a'), cut('max_output_tokens')], 'length'],
      [[item(CALL), cut('max_output_tokens')], 'length'],
      [[text('a'), cut('content_filter')], 'content_filter'],
      [[text('a'), cut('steered')], 'other'],
      [[text('a'), cut(null)], 'length'],
      [[text('a')], null],
    ]
    for (const [frames, finish] of cases) assert.equal(read(...frames).reply.finish, finish, frames.join(''))
  })

  it('never ends well without a terminal event, and passes what comes behind one to nobody it knows', () => {
    const { reader, last } = read(created(), text('a'), item(CALL))
    assert.equal(reader.mayEnd(), false)
    assert.equal(last, 'pass')
    assert.equal(read(created(), 'data: [DONE]\n\n').last, 'pass')
  })

  it('knows its events by data.type when there are no event lines (OpenRouter)', () => {
    const frames = [created(), text('a'), event('response.completed', response({ usage }))].map(bare)
    const { last, reply } = read(...frames)
    assert.deepEqual([last, reply.usage?.output, reply.upstreamId], ['complete', 4, 'resp_1'])
  })

  it('counts what is told by pieces, by items and by the terminal event once', () => {
    const message = { type: 'message', content: [{ type: 'output_text', text: '12345678' }] }
    const end = event('response.completed', response({ output: [message] }))
    for (const frames of [[text('12345678'), item(message), end], [item(message)], [end], [text('12345678')]]) {
      assert.equal(read(...frames).reply.deliveredTokens, 2, frames.join(''))
    }
  })

  it('has output as soon as anything is delivered', () => {
    const added = (type: string): string => event('response.output_item.added', { item: { type } })
    for (const frame of [text('a'), added('function_call'), added('web_search_call')]) {
      assert.equal(read(created(), frame).reply.hasOutput, true, frame)
    }
    for (const frame of [created(), added('message'), added('reasoning'), text('')]) {
      assert.equal(read(frame).reply.hasOutput, false, frame)
    }
  })

  it('ends with an error event, nested, flat or unreadable, and with a response that failed', () => {
    const error = { type: 'tokens', code: 'rate_limit_exceeded', message: 'Slow down.' }
    const failed = event('response.failed', response({ status: 'failed', error, usage }))
    for (const frame of [event('error', { error }), event('error', { ...error, type: 'error' }), failed]) {
      const { last, reply } = read(created(), text('a'), frame)
      assert.deepEqual(
        [last, reply.error?.code, reply.error?.message, reply.error?.status],
        ['error', 'rate_limit_exceeded', 'Slow down.', 429],
      )
    }
    assert.equal(read(failed).reply.usage?.output, 4)
    assert.deepEqual(read('event: error\ndata: oops\n\n').reply.error, {
      type: null,
      code: null,
      message: null,
      status: null,
    })
  })

  it('says where the next event stands', () => {
    number = 5
    const { reader } = read(created(), text('a'))
    assert.deepEqual(reader.position?.(), { sequence: 7, replyId: 'resp_1' })
    number = 5
    const failed = read(created(), text('a'), event('error', { code: 'insufficient_quota', message: 'Paid up?' }))
    assert.deepEqual(failed.reader.position?.(), { sequence: 7, replyId: 'resp_1' })
    const unnumbered = read('data: {"type":"response.output_text.delta","delta":"a"}\n\n')
    assert.deepEqual(unnumbered.reader.position?.(), { sequence: 1, replyId: null })
    assert.deepEqual(createResponsesReader().position?.(), { sequence: 0, replyId: null })
  })
})

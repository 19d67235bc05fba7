import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Verdict } from '../event-reader.ts'
import { createJsonArrayScanner } from '../json-array.ts'
import { createSseScanner } from '../sse.ts'
import { createGoogleReader } from './stream.ts'

function read(body: string, scanner = createSseScanner()) {
  const reader = createGoogleReader()
  const verdicts: Verdict[] = []
  scanner.feed(Buffer.from(body))
  for (let block = scanner.next(); block !== null; block = scanner.next()) {
    if (block.kind === 'event') verdicts.push(reader.onEvent(block))
    else if (block.kind === 'other') verdicts.push(reader.onOther(block))
  }
  const last = scanner.finish()
  if (last) verdicts.push(last.kind === 'event' ? reader.onEvent(last) : reader.onOther(last))
  return { verdicts, mayEnd: reader.mayEnd(), reply: reader.summary() }
}

const data = (chunk: unknown): string => `data: ${JSON.stringify(chunk)}\r\n\r\n`
const chunk = (parts: unknown[], more: object = {}, usageMetadata?: object): object => ({
  candidates: [{ content: { role: 'model', parts }, ...more }],
  responseId: 'r1',
  ...(usageMetadata && { usageMetadata }),
})
const hello = chunk([{ text: '12345678' }])
const stop = chunk([{ text: '' }], { finishReason: 'STOP' }, { promptTokenCount: 5, candidatesTokenCount: 2 })
const failure = { error: { code: 503, message: 'High demand.', status: 'UNAVAILABLE' } }

describe('a streamed Google reply', () => {
  it('is read for usage, finish, id and output', () => {
    const thought = chunk([{ text: '12345678', thought: true }], {}, { promptTokenCount: 5 })
    const { verdicts, mayEnd, reply } = read(data(thought) + data(hello) + data(stop))
    assert.deepEqual(verdicts, ['pass', 'pass', 'defer'])
    assert.equal(mayEnd, true)
    assert.deepEqual(reply, {
      usage: { input: 5, cachedRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 2, reasoning: 0 },
      usageIsFinal: true,
      finish: 'stop',
      hasOutput: true,
      deliveredTokens: 4,
      upstreamId: 'r1',
      error: null,
    })
  })

  it('is cut without a finish reason, and its counters are not the last', () => {
    const { mayEnd, reply } = read(data(chunk([{ text: 'a' }], {}, { promptTokenCount: 5, candidatesTokenCount: 1 })))
    assert.deepEqual([mayEnd, reply.usageIsFinal, reply.finish, reply.usage?.output], [false, false, null, 1])
  })

  it('may end with any chunk from the first finish reason on', () => {
    const tail = { usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 9 } }
    const { verdicts, reply } = read(data(stop) + data(hello) + data(tail))
    assert.deepEqual(verdicts, ['defer', 'defer', 'defer'])
    assert.equal(reply.usage?.output, 9)
  })

  it('is not whole when it breaks off inside a chunk after a finish reason', () => {
    assert.equal(read(`${data(stop)}data: {"candid`).mayEnd, false)
  })

  it('finishes with calls although Google says STOP', () => {
    const call = chunk([{ functionCall: { name: 'f', args: { a: 'bcd' } } }])
    const { reply } = read(data(call) + data(stop))
    assert.deepEqual([reply.finish, reply.hasOutput, reply.deliveredTokens > 1], ['tool_calls', true, true])
    const inPieces = chunk([{ functionCall: { partialArgs: [{ jsonPath: '$.a', stringValue: 'b' }] } }])
    assert.equal(read(data(inPieces) + data(stop)).reply.finish, 'tool_calls')
    assert.equal(read(data(chunk([{ functionCall: {} }])) + data(stop)).reply.finish, 'stop')
  })

  it('has ended when the prompt was refused', () => {
    const { verdicts, mayEnd, reply } = read(data({ promptFeedback: { blockReason: 'SAFETY' } }))
    assert.deepEqual([verdicts, mayEnd, reply.finish, reply.hasOutput], [['defer'], true, 'content_filter', false])
    assert.equal(read(data({ promptFeedback: { blockReason: 'BLOCK_REASON_UNSPECIFIED' } })).mayEnd, false)
  })

  it('ends with an error, framed or pretty-printed between the events, terminated or not', () => {
    const pretty = JSON.stringify(failure, null, 2)
    for (const body of [data(failure), data([failure]), `${pretty}\n\n`, pretty]) {
      const { verdicts, mayEnd, reply } = read(data(hello) + body)
      assert.deepEqual([verdicts, mayEnd], [['pass', 'error'], false])
      assert.deepEqual(reply.error, { type: 'UNAVAILABLE', code: '503', message: 'High demand.', status: 503 })
    }
    assert.equal(read(data(stop) + pretty).mayEnd, false)
  })

  it('takes no comment, no blank line and nothing that cannot be read for an error', () => {
    const { verdicts, reply } = read(`: hi\n\n\n{\n"a": 1\n}\n\n{"error": \n\ndata: [DONE]\n\n${data(hello)}`)
    assert.ok(verdicts.every((verdict) => verdict === 'pass'))
    assert.equal(reply.error, null)
  })

  it('may be one JSON array', () => {
    const body = `[${JSON.stringify(hello)}\n,\r\n${JSON.stringify(stop)}\n]`
    const { verdicts, mayEnd, reply } = read(body, createJsonArrayScanner())
    assert.deepEqual(verdicts, ['pass', 'pass', 'pass', 'defer', 'pass'])
    assert.deepEqual([mayEnd, reply.finish, reply.deliveredTokens], [true, 'stop', 2])
    assert.equal(read(`[${JSON.stringify(failure)}]`, createJsonArrayScanner()).reply.error?.status, 503)
  })

  it('ends when its first candidate does', () => {
    const two = { candidates: [{ index: 1, finishReason: 'STOP' }, { content: { parts: [{ text: 'a' }] } }] }
    assert.equal(read(data(two)).mayEnd, false)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import OpenAI from 'openai'
import { asObject } from '../wire-value.ts'
import { encodeFailure } from './encode-failure.ts'
import { createResponsesStreamEncoder } from './encode-stream.ts'
import { contextOf, framesOf } from './test-wire.ts'

const FAILURE = {
  message: 'The upstream broke off.',
  code: 'server_error',
  type: 'UpstreamError',
  createdAtMs: 1_700_000_000_000,
  model: 'm',
  requestId: 'req_1',
}

async function thrownBySdk(stream: string): Promise<unknown> {
  const fetch = async () => new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
  const client = new OpenAI({ apiKey: 'key', maxRetries: 0, fetch })
  return client.responses
    .stream({ model: 'm', input: 'Hi' })
    .finalResponse()
    .then(
      () => null,
      (error) => error,
    )
}

describe('a stream that fails', () => {
  it('ends with an error event, nested and flat, and a response that failed', () => {
    const [error, failed] = framesOf(encodeFailure({ sequence: 7, replyId: 'resp_9' }, FAILURE))
    const { code, message, type } = FAILURE
    assert.deepEqual(error?.data, {
      type: 'error',
      sequence_number: 7,
      code,
      message,
      param: null,
      error: { type, code, message, param: null },
    })
    const response = asObject(failed?.data.response)
    assert.deepEqual([failed?.name, failed?.data.sequence_number], ['response.failed', 8])
    assert.deepEqual([response?.id, response?.status, response?.error], ['resp_9', 'failed', { code, message }])
  })

  it('begins with a response when nothing was sent before', () => {
    const events = framesOf(encodeFailure({ sequence: 0, replyId: null }, FAILURE))
    assert.deepEqual(
      events.map(({ name, data }) => [name, data.sequence_number, asObject(data.response)?.id]),
      [
        ['response.created', 0, 'resp_req_1'],
        ['error', 1, undefined],
        ['response.failed', 2, 'resp_req_1'],
      ],
    )
  })

  it('throws its message in the official SDK, at the start and in the middle', async () => {
    const encoder = createResponsesStreamEncoder(contextOf())
    const begun = [
      encoder.encode({ type: 'text-start', block: 0 }),
      encoder.encode({ type: 'text-delta', block: 0, text: 'Hel' }),
    ].join('')
    for (const stream of [
      encodeFailure({ sequence: 0, replyId: null }, FAILURE),
      begun + encodeFailure(encoder.position(), FAILURE),
    ]) {
      const error = await thrownBySdk(stream)
      assert.ok(error instanceof OpenAI.APIError)
      assert.deepEqual([error.message, error.code], [FAILURE.message, FAILURE.code])
    }
  })
})

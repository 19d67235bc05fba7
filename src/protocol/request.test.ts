import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import { type ReadRequestOptions, type Rewrite, readRequest, rewriteRequest } from './request.ts'

function read(protocol: Protocol, body: string, options?: ReadRequestOptions) {
  return readRequest(protocol, Buffer.from(body), options)
}

function refused(protocol: Protocol, body: string): { param: string | undefined; message: string } {
  try {
    read(protocol, body)
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'invalid_request')
    return { param: error.param, message: error.message }
  }
  assert.fail(`accepted ${body}`)
}

function rewrite(protocol: Protocol, body: string, change: Rewrite): string {
  const bytes = Buffer.from(body)
  return Buffer.concat(rewriteRequest(bytes, readRequest(protocol, bytes), change)).toString()
}

describe('readRequest', () => {
  it('reads what routing and metering need from a chat body', () => {
    const fields = read(
      'openai-chat',
      '{"messages":[{"role":"user","content":"model"}],"n":3,"stream":true,"model":"glm-5.2",' +
        '"max_completion_tokens":4096,"stream_options":{"include_usage":true}}',
    )
    const { model, stream, maxOutput, answers, asksUsage } = fields
    assert.deepEqual(
      { model, stream, maxOutput, answers, asksUsage },
      { model: 'glm-5.2', stream: true, maxOutput: 4096, answers: 3, asksUsage: true },
    )
  })

  it('takes absent and null members as not given', () => {
    for (const rest of ['', ',"stream":null,"max_tokens":null,"n":null,"stream_options":null']) {
      const fields = read('openai-chat', `{"model":"m","messages":[]${rest}}`)
      const { stream, maxOutput, answers, asksUsage } = fields
      assert.deepEqual(
        { stream, maxOutput, answers, asksUsage },
        { stream: false, maxOutput: null, answers: 1, asksUsage: false },
      )
    }
  })

  it('wants max_tokens for messages, but not for count_tokens', () => {
    const body = '{"model":"m","messages":[]}'
    assert.equal(refused('anthropic-messages', body).param, 'max_tokens')
    assert.equal(read('anthropic-messages', body, { needsMaxTokens: false }).maxOutput, null)
    assert.equal(read('anthropic-messages', '{"model":"m","messages":[],"max_tokens":7}').maxOutput, 7)
  })

  it('does not mistake members of other protocols or of inner objects for its own', () => {
    const fields = read(
      'anthropic-messages',
      '{"model":"m","max_tokens":5,"n":900,"max_completion_tokens":"x","messages":[{"model":"other","stream":true}]}',
    )
    assert.deepEqual([fields.model, fields.stream, fields.answers], ['m', false, 1])
  })

  it('accepts one cap under both spellings, and refuses two different ones', () => {
    const body = (a: number, b: number) => `{"model":"m","messages":[],"max_tokens":${a},"max_completion_tokens":${b}}`
    assert.equal(read('openai-chat', body(10, 10)).maxOutput, 10)
    assert.equal(refused('openai-chat', body(10, 11)).param, 'max_tokens')
  })

  it('refuses wrong values and names the member at fault', () => {
    const cases: [string, string | undefined][] = [
      ['[]', undefined],
      ['{"messages":[]}', 'model'],
      ['{"model":"","messages":[]}', 'model'],
      ['{"model":null,"messages":[]}', 'model'],
      ['{"model":["m"],"messages":[]}', 'model'],
      [`{"model":"${'m'.repeat(257)}","messages":[]}`, 'model'],
      [`{"model":"${'m'.repeat(100_000)}","messages":[]}`, 'model'],
      ['{"model":"a","messages":[],"model":"b"}', 'model'],
      ['{"model":"m"}', 'messages'],
      ['{"model":"m","messages":{}}', 'messages'],
      ['{"model":"m","messages":null}', 'messages'],
      ['{"model":"m","messages":[],"stream":1}', 'stream'],
      ['{"model":"m","messages":[],"stream":"true"}', 'stream'],
      ['{"model":"m","messages":[],"max_tokens":-1}', 'max_tokens'],
      ['{"model":"m","messages":[],"max_tokens":1.5}', 'max_tokens'],
      ['{"model":"m","messages":[],"max_tokens":2147483648}', 'max_tokens'],
      ['{"model":"m","messages":[],"max_tokens":1e999}', 'max_tokens'],
      ['{"model":"m","messages":[],"max_tokens":"5"}', 'max_tokens'],
      ['{"model":"m","messages":[],"max_completion_tokens":true}', 'max_completion_tokens'],
      ['{"model":"m","messages":[],"n":0}', 'n'],
      ['{"model":"m","messages":[],"n":129}', 'n'],
      [`{"model":"m","messages":[],"n":1${'0'.repeat(100)}}`, 'n'],
      ['{"model":"m","messages":[],"stream_options":[]}', 'stream_options'],
      ['{"model":"m","messages":[],"stream_options":{"include_usage":"yes"}}', 'stream_options.include_usage'],
    ]
    for (const [body, param] of cases) assert.equal(refused('openai-chat', body).param, param, body.slice(0, 80))
  })

  it('reads Google’s caps under either spelling, never under both, and to the letter', () => {
    const read = (config: string) =>
      readRequest('google-generate', Buffer.from(`{"contents":[],${config}}`), { path: { model: 'm', stream: true } })
    for (const config of [
      '"generationConfig":{"maxOutputTokens":7,"candidateCount":3}',
      '"generation_config":{"max_output_tokens":7,"candidate_count":3}',
      '"generationConfig":{"max_output_tokens":7,"candidateCount":3}',
    ]) {
      const { maxOutput, answers, model, stream } = read(config)
      assert.deepEqual({ maxOutput, answers, model, stream }, { maxOutput: 7, answers: 3, model: 'm', stream: true })
    }
    assert.equal(read('"generationConfig":null').maxOutput, null)
    for (const config of [
      '"generationConfig":{"maxOutputTokens":1},"generation_config":{"maxOutputTokens":9}',
      '"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}',
      '"generationConfig":{"maxOutputTokens":1},"generationConfig":{"maxOutputTokens":9}',
      '"GenerationConfig":{"maxOutputTokens":9}',
      '"generationConfig":{"maxoutputtokens":9}',
      '"generationConfig":{"candidateCount":0}',
      '"generationConfig":[]',
    ]) {
      assert.throws(() => read(config), { code: 'invalid_request' }, config)
    }
  })

  it('reads what Responses names otherwise, and refuses what would go on without its client', () => {
    const { maxOutput, previousResponseId } = read(
      'openai-responses',
      '{"model":"m","input":"x","max_output_tokens":9,"previous_response_id":"resp_1"}',
    )
    assert.deepEqual({ maxOutput, previousResponseId }, { maxOutput: 9, previousResponseId: 'resp_1' })
    for (const member of ['"background":true', '"conversation":"conv_1"']) {
      assert.throws(() => read('openai-responses', `{"model":"m","input":"x",${member}}`), {
        code: 'unsupported_feature',
      })
    }
    assert.throws(() => read('openai-responses', '{"model":"m"}'), { code: 'invalid_request', param: 'input' })
  })

  it('accepts the largest values', () => {
    const model = 'm'.repeat(256)
    const fields = read('openai-chat', `{"model":"${model}","messages":[],"max_tokens":2147483647,"n":128}`)
    assert.deepEqual([fields.model, fields.maxOutput, fields.answers], [model, 2147483647, 128])
    assert.equal(read('openai-chat', '{"model":"m","messages":[],"max_tokens":0}').maxOutput, 0)
  })

  it('never quotes the body in a refusal', () => {
    assert.ok(!refused('openai-chat', '{"model":7,"messages":["SECRET"]}').message.includes('SECRET'))
  })
})

describe('rewriteRequest', () => {
  const usageOn = { model: 'm', askUsage: true }

  it('hands on the very bytes when nothing is to change', () => {
    const bytes = Buffer.from('{"model":"m","messages":[]}')
    const slices = rewriteRequest(bytes, readRequest('openai-chat', bytes), { model: 'm', askUsage: false })
    assert.equal(slices.length, 1)
    assert.equal(slices[0]?.buffer, bytes.buffer)
    assert.equal(slices[0]?.byteOffset, bytes.byteOffset)
  })

  it('replaces the model and leaves every other byte', () => {
    const body = '\ufeff { "model" : "glm-5.2" ,\n"messages":[{"content":"\\u00e9 \\/ model"}], "x":1.0e0 }\n'
    const changed = rewrite('openai-chat', body, { model: 'vendor/"g"', askUsage: false })
    assert.equal(changed, body.replace('"glm-5.2"', '"vendor/\\"g\\""'))
  })

  it('makes both changes, whichever comes first in the body', () => {
    const body = '{"stream_options":null,"messages":[],"model":"m"}'
    const expected = '{"stream_options":{"include_usage":true},"messages":[],"model":"other"}'
    assert.equal(rewrite('openai-chat', body, { model: 'other', askUsage: true }), expected)
  })

  it('keeps a model that is only spelled differently', () => {
    const body = '{"model":"gl\\u006d","messages":[]}'
    assert.equal(rewrite('openai-chat', body, { model: 'glm', askUsage: false }), body)
  })

  it('puts the usage opt-in in, whatever stands there', () => {
    const cases: [string, string][] = [
      ['{"model":"m","messages":[] }', '{"model":"m","messages":[] ,"stream_options":{"include_usage":true}}'],
      [
        '{"stream_options":null,"model":"m","messages":[]}',
        '{"stream_options":{"include_usage":true},"model":"m","messages":[]}',
      ],
      [
        '{"model":"m","messages":[],"stream_options":{}}',
        '{"model":"m","messages":[],"stream_options":{"include_usage":true}}',
      ],
      [
        '{"model":"m","messages":[],"stream_options":{ "x" : [1] }}',
        '{"model":"m","messages":[],"stream_options":{ "x" : [1] ,"include_usage":true}}',
      ],
      [
        '{"model":"m","messages":[],"stream_options":{"include_usage": false,"x":1}}',
        '{"model":"m","messages":[],"stream_options":{"include_usage": true,"x":1}}',
      ],
      [
        '{"model":"m","messages":[],"stream_options":{"include_usage":null}}',
        '{"model":"m","messages":[],"stream_options":{"include_usage":true}}',
      ],
      [
        '{"model":"m","messages":[],"stream_options":{"include_usage":true}}',
        '{"model":"m","messages":[],"stream_options":{"include_usage":true}}',
      ],
    ]
    for (const [body, expected] of cases) assert.equal(rewrite('openai-chat', body, usageOn), expected)
  })

  it('changes nothing that JSON.parse can see but the model and the opt-in', () => {
    const streamOptions = fc.option(
      fc.record({ include_usage: fc.option(fc.boolean()), other: fc.jsonValue() }, { requiredKeys: [] }),
      { nil: null },
    )
    const members = fc.record(
      {
        messages: fc.array(fc.jsonValue()),
        model: fc.string({ minLength: 1, maxLength: 40 }),
        stream_options: streamOptions,
      },
      { requiredKeys: ['messages', 'model'] },
    )
    const rest = fc.dictionary(fc.stringMatching(/^x[a-z]{0,5}$/), fc.jsonValue(), { maxKeys: 4 })
    fc.assert(
      fc.property(
        members,
        rest,
        fc.boolean(),
        fc.string({ minLength: 1 }),
        fc.boolean(),
        (own, others, first, model, askUsage) => {
          const body = first ? { ...own, ...others } : { ...others, ...own }
          const rewritten: unknown = JSON.parse(rewrite('openai-chat', JSON.stringify(body), { model, askUsage }))
          const expected = askUsage
            ? { ...body, model, stream_options: { ...own.stream_options, include_usage: true } }
            : { ...body, model }
          assert.deepEqual(rewritten, JSON.parse(JSON.stringify(expected)))
        },
      ),
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createSpotted, type Spotted, spot } from './event-spotter.ts'

function found(json: string | Uint8Array): Spotted {
  const bytes = Buffer.concat([Buffer.from('"}'), Buffer.from(json), Buffer.from('"usage":{')])
  const spotted = createSpotted()
  spot(bytes, 2, bytes.length - 9, spotted)
  return spotted
}

const chunk = (delta: unknown, more: object = {}): string =>
  JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: null, ...more }], usage: null })

describe('spot', () => {
  it('takes no text of the model for a key', () => {
    const evil = '{"usage":{"prompt_tokens":9},"error":{"a":1},"finish_reason":"stop","tool_calls":[{}]}'
    const { hasUsage, hasError, hasFinish, hasToolCall, textBytes } = found(chunk({ content: evil }))
    assert.deepEqual(
      { hasUsage, hasError, hasFinish, hasToolCall },
      {
        hasUsage: false,
        hasError: false,
        hasFinish: false,
        hasToolCall: false,
      },
    )
    assert.equal(textBytes, evil.length)
  })

  it('sees a usage object at any depth, with any white space, and not a null', () => {
    for (const json of [
      '{"usage":{}}',
      '{ "usage" :\n{ "a":1}}',
      '{"x_groq":{"usage":{}}}',
      '{"choices":[{"usage":{"a":1}}]}',
    ]) {
      assert.equal(found(json).hasUsage, true, json)
    }
    for (const json of ['{"usage":null}', '{"usage": null}', '{"a":"usage"}', '["usage",{}]', '{"usages":{}}', '{}']) {
      assert.equal(found(json).hasUsage, false, json)
    }
  })

  it('sees a finish reason that is not null', () => {
    assert.equal(found(chunk({}, { finish_reason: 'stop' })).hasFinish, true)
    assert.equal(found(chunk({})).hasFinish, false)
  })

  it('sees errors of the event, not of what it talks about', () => {
    for (const json of [
      '{"error":{"message":"x"}}',
      '{"choices":[],"error":"x"}',
      '{"object":"error","message":"x"}',
    ]) {
      assert.equal(found(json).hasError, true, json)
    }
    for (const json of [
      '{"error":null}',
      '{"choices":[{"error":{}}]}',
      '{"object":"chat.completion.chunk"}',
      '{"a":["error",1]}',
    ]) {
      assert.equal(found(json).hasError, false, json)
    }
  })

  it('finds the type of the outermost object', () => {
    const json = '{"delta":{"type":"text_delta"},"type":"content_block_delta"}'
    const { typeStart, typeEnd } = found(json)
    assert.equal(json.slice(typeStart - 2, typeEnd - 2), 'content_block_delta')
    assert.equal(found('{"delta":{"type":"text_delta"}}').typeEnd, 0)
  })

  it('counts the UTF-8 bytes of what a delta delivers', () => {
    // JSON.stringify escapes control characters and lone surrogates only, the former as short as one byte.
    const text = fc.string({ unit: fc.constantFrom('a', '"', '\\', '/', '\n', 'é', '漢', '😀', ' ') })
    fc.assert(
      fc.property(text, text, text, (content, args, thought) => {
        const size = Buffer.byteLength(content) + Buffer.byteLength(args)
        const chat = found(
          chunk({
            content,
            reasoning_content: thought,
            tool_calls: [{ id: 'i', function: { name: 'f', arguments: args } }],
          }),
        )
        assert.deepEqual(
          [chat.textBytes, chat.reasoningContentBytes, chat.hasToolCall],
          [size, Buffer.byteLength(thought), true],
        )
        const messages = (delta: object): Spotted =>
          found(JSON.stringify({ type: 'content_block_delta', index: 0, delta }))
        assert.equal(messages({ type: 'text_delta', text: content }).textBytes, Buffer.byteLength(content))
        assert.equal(messages({ type: 'input_json_delta', partial_json: args }).textBytes, Buffer.byteLength(args))
        assert.equal(messages({ type: 'thinking_delta', thinking: thought }).reasoningBytes, Buffer.byteLength(thought))
      }),
    )
  })

  it('counts a \\u escape as three bytes', () => {
    assert.equal(found('{"choices":[{"delta":{"content":"\\u6f22\\u5b57"}}]}').textBytes, 6)
  })

  it('counts content in parts, refusals, and each name of reasoning by itself', () => {
    const parts = found(
      chunk({
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'abc' }] },
          { type: 'text', text: 'de' },
        ],
      }),
    )
    assert.equal(parts.textBytes, 5)
    const refusal = found(chunk({ refusal: 'no' }))
    assert.deepEqual([refusal.textBytes, refusal.refusalBytes], [2, 2])
    const twice = found(
      chunk({
        content: '',
        reasoning: 'abc',
        reasoning_details: [{ type: 'reasoning.text', text: 'abc', format: 'x' }],
      }),
    )
    assert.deepEqual([twice.textBytes, twice.reasoningBytes, twice.reasoningDetailsBytes], [0, 3, 3])
  })

  it('counts nothing that is not delivered: signatures, citations, log probabilities, running totals', () => {
    const json = JSON.stringify({
      choices: [
        {
          delta: {
            role: 'assistant',
            content: null,
            annotations: [{ url_citation: { content: 'page', text: 'page' } }],
            signature: 'abc',
          },
          message: { content: 'all of it so far', text: 'x' },
          logprobs: { content: [{ token: 'x', text: 'y' }] },
        },
      ],
      search_results: [{ text: 'result', content: 'result' }],
    })
    const { textBytes, reasoningBytes, hasToolCall, hasMedia } = found(json)
    assert.deepEqual([textBytes, reasoningBytes, hasToolCall, hasMedia], [0, 0, false, false])
  })

  it('sees tool calls and media, and not empty lists of them', () => {
    assert.equal(found(chunk({ tool_calls: [{ index: 0, function: { name: 'f' } }] })).hasToolCall, true)
    assert.equal(found(chunk({ function_call: { name: 'f' } })).hasToolCall, true)
    assert.equal(found(chunk({ tool_calls: [], function_call: null })).hasToolCall, false)
    assert.equal(found(chunk({ images: [{ image_url: { url: 'data:' } }] })).hasMedia, true)
    assert.equal(found(chunk({ audio: { data: 'AAAA' } })).hasMedia, true)
    assert.equal(found(chunk({ images: [] })).hasMedia, false)
  })

  it('never throws and never hangs on arbitrary bytes', () => {
    const raw = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: fc.constantFrom(...'{}[]",:\\ué') }).map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(raw, (bytes) => {
        const { textBytes, typeStart, typeEnd } = found(bytes)
        assert.ok(textBytes >= 0 && textBytes <= bytes.length && typeStart <= typeEnd)
      }),
    )
  })
})

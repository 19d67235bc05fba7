/** Values of a client's that are odd, endless or called like what JavaScript has: bounded, kept or refused in words. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '../../base/errors.ts'
import { PROTOCOLS, type Protocol } from '../../base/words.ts'
import type { UpstreamTarget } from '../codec.ts'
import { codecOf } from '../codecs.ts'
import type { IrRequest } from '../ir/request.ts'
import { translateRequest } from '../translate-request.ts'
import type { WireObject } from '../wire-value.ts'

const TARGET: UpstreamTarget = { model: 'm', account: 'a', quirks: {}, maxOutput: 1000, originateCacheMarks: true }

function decode(protocol: Protocol, body: WireObject): IrRequest {
  return codecOf(protocol).decodeRequest(body, { model: 'm', stream: false })
}

const hello = { role: 'user', content: 'Hi.' }
const long = 'n'.repeat(1_000_000)
const deepText = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`

function deepValue(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = { a: [value] }
  return value
}

function deepResult(levels: number): unknown {
  let content: unknown = 'x'
  for (let i = 0; i < levels; i++) content = [{ type: 'tool_result', tool_use_id: 't', content }]
  return content
}

function deepResponse(levels: number): unknown {
  let part: unknown = { text: 'x' }
  for (let i = 0; i < levels; i++) part = { functionResponse: { name: 'f', response: {}, parts: [part] } }
  return part
}

const deep = deepValue(20_000)

const HOSTILE: Readonly<Record<string, readonly [Protocol, WireObject]>> = {
  'a name of a million characters': [
    'openai-chat',
    {
      messages: [
        hello,
        { role: 'assistant', tool_calls: [{ id: long, function: { name: long, arguments: '"text"' } }] },
        { role: 'tool', tool_call_id: long, content: 'x' },
      ],
      tools: [{ type: 'function', function: { name: long } }],
    },
  ],
  'a number as name': [
    'openai-chat',
    { messages: [hello, { role: 'assistant', tool_calls: [{ id: 5, function: { name: 5, arguments: 5 } }] }] },
  ],
  'arguments and a result without end': [
    'openai-chat',
    {
      messages: [
        hello,
        { role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'f', arguments: deepText } }] },
        { role: 'tool', tool_call_id: 'c', content: deepText },
      ],
    },
  ],
  'sound of a format that every object has': [
    'openai-chat',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'input_audio', input_audio: { data: 'AA', format: 'constructor' } }],
        },
      ],
    },
  ],
  'arguments that are an object without end': [
    'openai-responses',
    { input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: deep }] },
  ],
  'input and results within results without end': [
    'anthropic-messages',
    {
      max_tokens: 9,
      messages: [
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: deep }] },
        { role: 'user', content: deepResult(20_000) },
      ],
    },
  ],
  'responses within responses without end': [
    'google-generate',
    {
      contents: [
        { role: 'model', parts: [{ functionCall: { name: 'f', args: deep } }] },
        { role: 'user', parts: [deepResponse(20_000)] },
      ],
    },
  ],
  'members within members without end': [
    'google-generate',
    {
      contents: [
        { role: 'model', parts: [{ functionCall: { name: 'f', args: {}, functionCall: deepResponse(20_000) } }] },
      ],
    },
  ],
}

describe('what is odd or endless is bounded, or refused in words', () => {
  for (const [name, [protocol, body]] of Object.entries(HOSTILE)) {
    test(`${protocol}: ${name}`, () => {
      for (const to of PROTOCOLS) {
        try {
          const request = decode(protocol, body)
          const encoded = translateRequest(request, to, TARGET)
          // Its own protocol's members go out as they came: how deep a body may be is seen to before it is decoded.
          if (to !== protocol) JSON.stringify(encoded.body)
        } catch (error) {
          assert.ok(error instanceof AppError, String(error))
        }
      }
    })
  }

  test('arguments without end are told as such, and never sent as an object', () => {
    const [protocol, body] = HOSTILE['arguments and a result without end'] as readonly [Protocol, WireObject]
    for (const to of ['anthropic-messages', 'google-generate'] as const) {
      const { warnings } = translateRequest(decode(protocol, body), to, TARGET)
      assert.ok(
        warnings.some(({ detail }) => detail === 'arguments that are no JSON object'),
        to,
      )
    }
  })
})

describe('members that are called like what every object has', () => {
  const own = '"__proto__":{"a":1},"constructor":2,"toString":3'
  const BODIES: Readonly<Record<Protocol, string>> = {
    'openai-chat': `{"messages":[{"role":"user","content":"x",${own}}],${own}}`,
    'openai-responses': `{"input":[{"role":"user","content":"x",${own}}],${own}}`,
    'anthropic-messages': `{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x",${own}}]}],${own}}`,
    'google-generate': `{"contents":[{"role":"user","parts":[{"text":"x",${own},"to_json":1}]}],${own},"to_string_":5}`,
  }
  for (const protocol of PROTOCOLS) {
    test(`are kept for their own protocol and disclosed to others: ${protocol}`, () => {
      const body = JSON.parse(BODIES[protocol]) as WireObject
      const request = decode(protocol, body)
      const written = JSON.stringify(codecOf(protocol).encodeRequest(request, TARGET).body)
      for (const member of own.split(/,(?=")/)) assert.equal(written.split(member).length, 3, `${member} in ${written}`)
      for (const to of PROTOCOLS.filter((other) => other !== protocol)) {
        const fields = translateRequest(request, to, TARGET).warnings.map(({ field }) => field)
        for (const name of ['__proto__', 'constructor', 'toString']) {
          assert.equal(fields.filter((field) => field.split('.').at(-1) === name).length, 2, `${name} to ${to}`)
        }
      }
    })
  }
})

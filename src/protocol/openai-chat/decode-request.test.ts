import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../../base/errors.ts'
import { seal, sealBase64 } from '../translation/seal.ts'
import type { WireObject } from '../wire-value.ts'
import { decode, encode } from './test-chat.ts'

const UNSEALED = { protocol: 'openai-chat', account: null } as const
const HELLO = { role: 'user', content: 'Hello' }
const messagesOf = (...messages: object[]) => decode({ messages: [HELLO, ...messages] }).messages.slice(1)

/** Turns as agents send them. */
const CONVERSATION = [
  { role: 'developer', content: 'Be brief.' },
  {
    role: 'system',
    content: [
      { type: 'text', text: 'Rules.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      { type: 'text', text: 'More.' },
    ],
  },
  {
    role: 'user',
    name: 'ada',
    content: [
      { type: 'text', text: 'Look:' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
    ],
  },
  {
    role: 'assistant',
    content: '',
    reasoning_content: '',
    tool_calls: [
      {
        id: 'c1',
        type: 'function',
        function: { name: 'read', arguments: '{"p": 1}', parsed_arguments: { p: 1 } },
        index: 0,
      },
      { id: 'c2', type: 'custom', custom: { name: 'patch', input: 'a\nb' } },
    ],
  },
  { role: 'tool', tool_call_id: 'c1', content: 'ok' },
  { role: 'tool', tool_call_id: 'c2', name: 'patch', content: [{ type: 'text', text: 'done' }] },
  { role: 'user', content: [{ type: 'text', text: 'one part' }] },
  { role: 'assistant', reasoning: 'Hm', content: 'Yes.' },
  { role: 'system', content: 'Date: today.' },
  {
    role: 'user',
    content: [
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
    ],
  },
  { role: 'assistant', content: null, refusal: 'No.' },
  {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
      { type: 'text', text: 'Yes.' },
    ],
    prefix: true,
  },
  {
    role: 'assistant',
    content: null,
    reasoning: 'So',
    reasoning_details: [
      { type: 'reasoning.text', text: 'So', format: 'v1', index: 0, signature: 'sig' },
      { type: 'reasoning.encrypted', data: 'xyz', id: 'r1' },
    ],
    tool_calls: [
      {
        id: 'c3',
        type: 'function',
        function: { name: 'read', arguments: '{}' },
        extra_content: { google: { thought_signature: 'c2ln' } },
      },
    ],
  },
  { role: 'tool', tool_call_id: 'c3', content: '' },
  { role: 'assistant', content: 'Done.', function_call: { name: 'old', arguments: '{}' } },
  { role: 'function', name: 'old', content: '1' },
]

const BODY = {
  model: 'm',
  messages: CONVERSATION,
  tools: [
    {
      type: 'function',
      function: { name: 'read', description: 'Reads.', parameters: { type: 'object' }, strict: false },
      cache_control: { type: 'ephemeral' },
    },
    {
      type: 'custom',
      custom: { name: 'patch', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } } },
    },
    { type: 'openrouter:web_search', parameters: {} },
  ],
  tool_choice: {
    type: 'allowed_tools',
    allowed_tools: {
      mode: 'required',
      tools: [
        { type: 'function', function: { name: 'read' } },
        { type: 'custom', custom: { name: 'patch' } },
      ],
    },
  },
  functions: [{ name: 'old', parameters: {} }],
  parallel_tool_calls: false,
  max_tokens: 100,
  n: 2,
  temperature: 0,
  stop: ['###'],
  response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' }, strict: true } },
  reasoning_effort: 'xhigh',
  thinking: { type: 'enabled', budget_tokens: 512 },
  logit_bias: { '5': 1 },
  stream: true,
  stream_options: { include_usage: true, include_obfuscation: false },
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutNulls(member)]])),
  )
}

describe('a chat request in the IR', () => {
  it('comes out again as it went in', () => {
    const request = decode(BODY)
    const { body, warnings } = encode(request)
    assert.deepEqual(warnings, [])
    assert.deepEqual(withoutNulls(body), withoutNulls(BODY))
    assert.deepEqual(decode(body), request)
  })

  it('comes out again as it went in, whatever it is put together of', () => {
    const followed = (message: object) => (message as WireObject).role === 'assistant'
    const bodies = fc.record(
      {
        messages: fc
          .shuffledSubarray(CONVERSATION, { minLength: 1 })
          .filter((list) => list.some((message) => followed(message) || message.role === 'user')),
        tools: fc.subarray(BODY.tools, { minLength: 1 }),
        tool_choice: fc.constantFrom('auto', 'none', 'required', { type: 'function', function: { name: 'read' } }),
        max_tokens: fc.integer({ min: 1, max: 100_000 }),
        parallel_tool_calls: fc.boolean(),
        reasoning_effort: fc.constantFrom('none', 'minimal', 'low', 'max'),
        response_format: fc.constantFrom({ type: 'json_object' }, BODY.response_format),
        thinking: fc.constantFrom({ type: 'enabled' }, { type: 'disabled' }, { type: 'enabled', budget_tokens: 9 }),
        metadata: fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
        provider: fc.jsonValue().filter((value) => value !== null),
        seed: fc.integer(),
      },
      { requiredKeys: ['messages'] },
    )
    fc.assert(
      fc.property(bodies, (body) => {
        const request = decode(body)
        const written = encode(request).body
        assert.deepEqual(withoutNulls(written), withoutNulls({ ...body, model: 'm' }))
        assert.deepEqual(decode(written), request)
      }),
    )
  })

  it('has the leading system texts apart from those in the middle', () => {
    const { system, messages } = decode(BODY)
    assert.deepEqual(
      system.map(({ text }) => text),
      ['Be brief.', 'Rules.', 'More.'],
    )
    assert.deepEqual(system[1]?.cache, { ttl: '1h' })
    assert.deepEqual(
      messages.filter(({ role }) => role === 'system').map(({ blocks }) => blocks),
      [[{ type: 'text', text: 'Date: today.' }]],
    )
  })

  it('has results that follow each other in one message, with name and kind of their calls', () => {
    const results = decode(BODY).messages[2]
    assert.equal(results?.role, 'user')
    assert.deepEqual(
      results?.blocks.map(
        (block) => block.type === 'tool-result' && [block.id, block.name, block.kind, block.content.length],
      ),
      [
        ['c1', 'read', 'function', 1],
        ['c2', 'patch', 'custom', 1],
      ],
    )
  })

  it('gives calls without ids one, and their results the same in order', () => {
    const call = (name: string) => ({ function: { name } })
    const [turn, results] = messagesOf(
      { role: 'assistant', tool_calls: [call('f'), call('g')] },
      { role: 'tool', content: '1' },
      { role: 'tool', content: '2' },
    )
    assert.deepEqual(
      turn?.blocks.map((block) => block.type === 'tool-call' && [block.id, block.input]),
      [
        ['call_0', '{}'],
        ['call_1', '{}'],
      ],
    )
    assert.deepEqual(
      results?.blocks.map((block) => block.type === 'tool-result' && [block.id, block.name]),
      [
        ['call_0', 'f'],
        ['call_1', 'g'],
      ],
    )
  })

  it('opens seals, and takes what has none for its own protocol', () => {
    const mint = { protocol: 'google-generate', account: 'g1' } as const
    const [sealed, bare] = messagesOf(
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'Hm',
        reasoning_details: [
          { type: 'reasoning.text', text: '', signature: seal(mint, 'signature', 's1'), index: 0 },
          { type: 'reasoning.encrypted', data: seal(mint, 'redacted', 'zzz'), index: 1 },
        ],
        tool_calls: [
          {
            id: 'c1',
            function: { name: 'f', arguments: '{}' },
            extra_content: { google: { thought_signature: sealBase64(mint, 'signature', 's1') } },
          },
        ],
      },
      { role: 'assistant', content: 'a', reasoning_content: 'Hm' },
    )
    assert.deepEqual(sealed?.blocks.slice(0, 3), [
      { type: 'thinking', text: 'Hm', signature: null, mint: UNSEALED },
      { type: 'redacted-thinking', data: 'zzz', mint },
      { type: 'thinking', text: '', signature: 's1', mint },
    ])
    assert.deepEqual(bare?.blocks[0], { type: 'thinking', text: 'Hm', signature: null, mint: UNSEALED })
  })

  it('takes both spellings of the output cap when they agree', () => {
    const capped = (members: object) => decode({ messages: [HELLO], ...members }).maxOutput
    assert.equal(capped({ max_tokens: 5 }), 5)
    assert.equal(capped({ max_completion_tokens: 5, max_tokens: null }), 5)
    assert.equal(capped({ max_tokens: 5, max_completion_tokens: 5 }), 5)
  })

  it('refuses what is malformed, and names the place', () => {
    const refused: readonly (readonly [object, string])[] = [
      [{}, 'messages'],
      [{ messages: [] }, 'messages'],
      [{ messages: [7] }, 'messages[0]'],
      [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role'],
      [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
      [{ messages: [HELLO, { role: 'user', content: [{ text: 'x' }] }] }, 'messages[1].content[0].type'],
      [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages[0].content[0].image_url.url'],
      [{ messages: [{ role: 'assistant', tool_calls: [{ id: 'c' }] }] }, 'messages[0].tool_calls[0].function.name'],
      [{ messages: [HELLO], tools: {} }, 'tools'],
      [{ messages: [HELLO], tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name'],
      [{ messages: [HELLO], tool_choice: {} }, 'tool_choice'],
      [{ messages: [HELLO], n: 0 }, 'n'],
      [{ messages: [HELLO], max_tokens: 1.5 }, 'max_tokens'],
      [{ messages: [HELLO], max_tokens: 1, max_completion_tokens: 2 }, 'max_tokens'],
      [{ messages: [HELLO], parallel_tool_calls: 'yes' }, 'parallel_tool_calls'],
      [{ messages: [HELLO], temperature: 'hot' }, 'temperature'],
    ]
    for (const [body, param] of refused) {
      const isRefusal = (error: unknown) =>
        error instanceof AppError && error.code === 'invalid_request' && error.param === param
      assert.throws(() => decode(body as WireObject), isRefusal, param)
    }
  })

  it('throws nothing else, whatever comes', () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(...CONVERSATION))
    const message = fc.record(
      {
        role: fc.constantFrom('system', 'user', 'assistant', 'tool', 'function'),
        content: fc.jsonValue(),
        tool_calls: fc.jsonValue(),
        reasoning_details: fc.jsonValue(),
        extra_content: fc.jsonValue(),
      },
      { requiredKeys: ['role'] },
    )
    const bodies = fc.record(
      {
        messages: fc.array(fc.oneof(odd, message)),
        tools: fc.oneof(fc.jsonValue(), fc.array(odd)),
        tool_choice: fc.jsonValue(),
        thinking: fc.jsonValue(),
        response_format: fc.jsonValue(),
      },
      { requiredKeys: ['messages'] },
    )
    fc.assert(
      fc.property(bodies, (body) => {
        try {
          encode(decode(body as WireObject))
        } catch (error) {
          assert.ok(error instanceof AppError, String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import type { Quirks } from '../../base/quirks.ts'
import type { IrBlock } from '../ir/block.ts'
import type { WireObject } from '../wire-value.ts'
import { messagesCodec } from './codec.ts'
import { assistant, call, decode, encode, requestOf, result, targetOf, user } from './test-request.ts'
import { strictComplaints } from './test-strict-check.ts'

const mark = { type: 'ephemeral' }
const told = (warnings: readonly { action: string; field: string }[]): string[] =>
  warnings.map(({ action, field }) => `${action} ${field}`)

const OWN_BODY = {
  model: 'claude-up',
  max_tokens: 4000,
  stream: true,
  system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral', ttl: '1h', scope: 'global' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: '' },
        { type: 'image', source: { type: 'file', file_id: 'f1' } },
        { type: 'document', source: { type: 'content', content: 'x' }, title: 'T', citations: { enabled: true } },
        { type: 'container_upload', file_id: 'f2', cache_control: mark },
      ],
    },
    { role: 'system', content: [{ type: 'text', text: 'Now.' }], output_config: { effort: 'low' } },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: '', signature: 'sig' },
        { type: 'redacted_thinking', data: 'dark' },
        { type: 'text', text: 'A ', citations: [{ type: 'char_location', cited_text: 'A', document_index: 0 }] },
        { type: 'server_tool_use', id: 's1', name: 'web_search', input: { query: 'q' } },
        { type: 'tool_use', id: 'odd id:1', name: 'read', input: { a: [1] }, cache_control: mark },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'first' },
        {
          type: 'tool_result',
          tool_use_id: 'odd id:1',
          is_error: false,
          content: [
            { type: 'text', text: 'x', cache_control: mark },
            { type: 'tool_reference', tool_name: 'read' },
          ],
        },
      ],
    },
    { role: 'assistant', content: [{ type: 'text', text: 'Half ' }] },
  ],
  tools: [
    { name: 'read', description: 'Reads.', input_schema: { type: 'object' }, strict: true, defer_loading: true },
    { type: 'custom', name: 'write', input_schema: { anyOf: [] }, cache_control: mark },
    { type: 'web_search_20250305', name: 'web_search', cache_control: mark },
  ],
  tool_choice: { type: 'tool', name: 'web_search', disable_parallel_tool_use: false },
  thinking: { type: 'enabled', budget_tokens: 9000, display: 'updates' },
  output_config: { effort: 'high', format: { type: 'json_schema', schema: { type: 'integer', minimum: 1 } } },
  temperature: 0.3,
  top_k: 4,
  stop_sequences: [' '],
  metadata: { user_id: 'u', team: 't' },
  service_tier: 'standard_only',
  context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
  mcp_servers: [{ type: 'url', url: 'https://mcp.test', name: 'm' }],
}

function withoutSomeMarks(body: WireObject): WireObject {
  return JSON.parse(JSON.stringify(body).replaceAll(/,"cache_control":\{"type":"ephemeral"\}/g, '')) as WireObject
}

describe("a request of this protocol's own client", () => {
  it('goes out as it came', () => {
    const body = withoutSomeMarks(OWN_BODY)
    const request = decode(body)
    const encoded = messagesCodec.encodeRequest(request, targetOf())
    assert.deepEqual(encoded, { body, warnings: [] })
    assert.deepEqual(decode(encoded.body), request)
  })

  it('keeps the last four marks, in the order of the prompt', () => {
    const { body, warnings } = messagesCodec.encodeRequest(decode(OWN_BODY), targetOf())
    assert.deepEqual(told(warnings), ['dropped tools[1].cache_control', 'dropped tools[2].cache_control'])
    assert.deepEqual((body.system as WireObject[])[0]?.cache_control, { type: 'ephemeral', ttl: '1h', scope: 'global' })
  })

  it('keeps its older place of the format, and a cap left out', () => {
    const body = {
      model: 'claude-up',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi.' }] }],
      output_format: { type: 'json_schema', schema: { type: 'object' } },
    }
    assert.deepEqual(messagesCodec.encodeRequest(decode(body), targetOf()), { body, warnings: [] })
  })

  it('loses the thoughts of others, a message of nothing else, and then thinking', () => {
    const { body, warnings } = encode({
      source: 'anthropic-messages',
      maxOutput: 4000,
      reasoning: { mode: 'on', budget: 2000 },
      messages: [
        user('Go.'),
        assistant({ type: 'thinking', text: 'Hm.', signature: 's', mint: { protocol: 'openai-chat', account: 'x' } }),
        user('Go on.'),
        assistant(
          { type: 'redacted-thinking', data: 'd', mint: { protocol: 'anthropic-messages', account: 'x' } },
          call('a'),
        ),
        user(result('a', 'A')),
      ],
    })
    assert.deepEqual(
      (body.messages as { role: string }[]).map(({ role }) => role),
      ['user', 'user', 'assistant', 'user'],
    )
    assert.deepEqual(body.thinking, { type: 'disabled' })
    assert.deepEqual(told(warnings), ['dropped messages[1].content[0]', 'changed thinking'])
  })
})

describe('cache marks', () => {
  const prompt = {
    tools: [{ type: 'function', name: 'read', parameters: null, cache: { ttl: null } }] as const,
    system: [{ type: 'text', text: 'S', cache: { ttl: '1h' } }] as const,
    messages: [user({ type: 'text', text: 'A', cache: { ttl: '5m' } })],
  }

  it('are sent as far as the model takes them', () => {
    const marksOf = (quirks: Quirks): [unknown, unknown, string[]] => {
      const { body, warnings } = encode(prompt, quirks)
      const first = (value: unknown): unknown => (value as { cache_control?: unknown }[])[0]?.cache_control
      return [first(body.tools), first(body.system), told(warnings)]
    }
    assert.deepEqual(marksOf({}), [mark, { type: 'ephemeral', ttl: '1h' }, []])
    assert.deepEqual(marksOf({ cacheMarks: 'plain' }), [
      mark,
      mark,
      ['dropped system[0].cache_control.ttl', 'dropped messages[0].content[0].cache_control.ttl'],
    ])
    assert.deepEqual(marksOf({ cacheMarks: 'none' }), [
      undefined,
      undefined,
      [
        'dropped tools[0].cache_control',
        'dropped system[0].cache_control',
        'dropped messages[0].content[0].cache_control',
      ],
    ])
  })

  it('are put where an agent would, for clients that know none', () => {
    const request = requestOf({
      system: [{ type: 'text', text: 'S' }],
      tools: [{ type: 'function', name: 'read', parameters: { type: 'object', properties: { cache_control: {} } } }],
      messages: [user('A'), assistant('B'), user('C'), assistant(call('a', '{"cache_control":1}')), user(result('a'))],
    })
    const originate = { originateCacheMarks: true }
    const { body } = messagesCodec.encodeRequest(request, targetOf({}, originate))
    assert.deepEqual(strictComplaints(body), [])
    const text = JSON.stringify(body)
    assert.equal(text.split('"cache_control":{"type":"ephemeral"}').length, 5)
    const messages = body.messages as { content: WireObject[] }[]
    assert.deepEqual(
      messages.map(({ content }) => content.at(-1)?.cache_control),
      [undefined, undefined, mark, undefined, mark],
    )
    const none = messagesCodec.encodeRequest(request, targetOf({ cacheMarks: 'none' }, originate))
    assert.equal(JSON.stringify(none.body).includes('ephemeral'), false)
    const marked = messagesCodec.encodeRequest({ ...request, ...prompt }, targetOf({}, originate))
    assert.equal(JSON.stringify(marked.body).split('ephemeral').length, 4)
  })
})

describe('a request for an upstream', () => {
  it('always has a cap, and none above what the model gives', () => {
    assert.equal(encode({}).body.max_tokens, 8000)
    assert.equal(encode({ maxOutput: 100 }).body.max_tokens, 100)
    const high = encode({ maxOutput: 99_999 })
    assert.deepEqual([high.body.max_tokens, told(high.warnings)], [8000, ['changed max_tokens']])
  })

  it('has settings within bounds', () => {
    const settings = { temperature: 1.5, topP: 0.9, stop: ['\n', 'END'], seed: 1 }
    const { body, warnings } = encode({ settings }, { ownVendor: true })
    assert.deepEqual([body.temperature, body.top_p, body.stop_sequences], [1, undefined, ['END']])
    assert.deepEqual(told(warnings), ['dropped stop', 'changed temperature', 'dropped top_p', 'dropped seed'])
    const dropped = encode({ settings: { temperature: 0 } }, { dropSettings: ['temperature'] })
    assert.deepEqual([dropped.body.temperature, told(dropped.warnings)], [undefined, ['dropped temperature']])
  })

  it('has images of tool results beside them where the model wants that', () => {
    const image: IrBlock = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' } }
    const messages = [user('Go.'), assistant(call('a'), call('b')), user(result('a', image), result('b', 'B'))]
    const { body } = encode({ messages }, { toolResultImages: false })
    assert.deepEqual(strictComplaints(body), [])
    const { content } = (body.messages as { content: { type: string }[] }[])[2] ?? { content: [] }
    assert.deepEqual(
      content.map(({ type }) => type),
      ['tool_result', 'tool_result', 'image'],
    )
  })

  it('has PDF files as they are and others as text', () => {
    const pdf: IrBlock = { type: 'document', source: { type: 'data', mediaType: 'application/pdf', data: 'AA' } }
    const json: IrBlock = { type: 'document', source: { type: 'data', mediaType: 'application/json', data: 'e30=' } }
    const { body } = encode({ messages: [user(pdf, json)] })
    assert.deepEqual(
      (body.messages as { content: { source: unknown }[] }[])[0]?.content.map(({ source }) => source),
      [
        { type: 'base64', media_type: 'application/pdf', data: 'AA' },
        { type: 'text', media_type: 'text/plain', data: '{}' },
      ],
    )
  })

  const audio: IrBlock = { type: 'audio', source: { type: 'data', mediaType: 'audio/wav', data: 'AA' } }
  const file: IrBlock = { type: 'image', source: { type: 'file-id', id: 'file-1' } }
  const bucket: IrBlock = { type: 'image', source: { type: 'url', url: 'gs://bucket/a.png' } }
  const archive: IrBlock = { type: 'document', source: { type: 'data', mediaType: 'application/zip', data: 'AA' } }
  for (const [name, overrides] of [
    ['several answers', { answers: 2 }],
    ['sound', { messages: [user(audio)] }],
    ['sound in a tool result', { messages: [user('Go.'), assistant(call('a')), user(result('a', audio))] }],
    ["another vendor's file", { messages: [user(file)] }],
    ["another vendor's address", { messages: [user(bucket)] }],
    ['an archive', { messages: [user(archive)] }],
  ] as const) {
    it(`is refused for ${name}`, () => {
      assert.throws(
        () => encode(overrides),
        (error) => error instanceof AppError && error.code === 'unsupported_feature' && error.param !== undefined,
      )
    })
  }

  it('does not change what it was made of', () => {
    const own = decode(OWN_BODY)
    const foreign = requestOf({
      messages: [user('Go.'), assistant(call('odd id'), 'Half '), user(result('odd id', 'A'))],
      tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, cache: { ttl: '1h' } }],
      settings: { temperature: 2 },
    })
    const before = structuredClone({ own, foreign })
    messagesCodec.encodeRequest(own, targetOf({ cacheMarks: 'none', thinkingForm: 'adaptive' }))
    messagesCodec.encodeRequest(foreign, targetOf({ cacheMarks: 'plain' }))
    assert.deepEqual({ own, foreign }, before)
  })
})

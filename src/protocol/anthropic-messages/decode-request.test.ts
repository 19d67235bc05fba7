import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import { packThoughts } from '../translation/bundle.ts'
import { seal } from '../translation/seal.ts'
import type { WireObject } from '../wire-value.ts'
import { encodeMessagesRequest } from './encode-request.ts'
import { decode, targetOf } from './test-request.ts'

const MINE = { protocol: 'anthropic-messages', account: null } as const
const CHAT = { protocol: 'openai-chat', account: '7x' } as const
const hello = [{ role: 'user', content: 'Hi.' }]

describe('a Messages request, read', () => {
  it('has its prompt in the words of the IR', () => {
    const { system, messages } = decode({
      system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      messages: [
        { role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } }] },
        { role: 'system', content: 'Budget: 5.' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
            { type: 'redacted_thinking', data: 'dark' },
            { type: 'tool_use', id: 't1', name: 'read', input: { path: 'a' }, caller: { type: 'direct' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', is_error: true, content: 'none' }] },
      ],
    })
    assert.deepEqual(system, [{ type: 'text', text: 'Be short.', cache: { ttl: '1h' } }])
    assert.deepEqual(messages, [
      { role: 'user', blocks: [{ type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' } }] },
      { role: 'system', blocks: [{ type: 'text', text: 'Budget: 5.' }] },
      {
        role: 'assistant',
        blocks: [
          { type: 'thinking', text: 'Hm.', signature: 'sig', mint: MINE },
          { type: 'redacted-thinking', data: 'dark', mint: MINE },
          {
            type: 'tool-call',
            id: 't1',
            name: 'read',
            kind: 'function',
            input: '{"path":"a"}',
            raw: { caller: { type: 'direct' } },
          },
        ],
      },
      {
        role: 'user',
        blocks: [
          {
            type: 'tool-result',
            id: 't1',
            name: 'read',
            kind: 'function',
            isError: true,
            content: [{ type: 'text', text: 'none' }],
          },
        ],
      },
    ])
  })

  it('keeps whole what only this protocol understands', () => {
    const search = { type: 'web_search_tool_result', tool_use_id: 's1', content: [] }
    const { messages, tools } = decode({
      messages: [{ role: 'assistant', content: [{ ...search, cache_control: { type: 'ephemeral' } }] }],
      tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3 }],
    })
    const opaque = { type: 'opaque', protocol: 'anthropic-messages', kind: 'web_search_tool_result', value: search }
    assert.deepEqual(messages[0]?.blocks, [{ ...opaque, cache: { ttl: null } }])
    assert.deepEqual(tools[0], {
      type: 'hosted',
      protocol: 'anthropic-messages',
      kind: 'web_search_20250305',
      value: { type: 'web_search_20250305', name: 'web_search', max_uses: 3 },
    })
  })

  it('gives other protocols the text of a document that is made of blocks', () => {
    const source = {
      type: 'content',
      content: [
        { type: 'text', text: 'one' },
        { type: 'text', text: 'two' },
      ],
    }
    const { messages } = decode({ messages: [{ role: 'user', content: [{ type: 'document', source, title: 'T' }] }] })
    assert.deepEqual(messages[0]?.blocks[0], {
      type: 'document',
      source: { type: 'text', mediaType: 'text/plain', text: 'one\ntwo' },
      name: 'T',
      raw: { source },
    })
  })

  it('opens the seals of other upstreams', () => {
    const dark = seal(CHAT, 'redacted', 'dark')
    const bundle = seal(CHAT, 'bundle', packThoughts([{ type: 'thinking', text: 'a', signature: 's', mint: CHAT }]))
    const { messages } = decode({
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: seal(CHAT, 'signature', 'abc') },
            { type: 'thinking', thinking: 'Hm.', signature: seal(CHAT, 'signature', '') },
            { type: 'redacted_thinking', data: dark },
            { type: 'thinking', thinking: '', signature: bundle },
          ],
        },
      ],
    })
    assert.deepEqual(messages[0]?.blocks, [
      { type: 'thinking', text: 'Hm.', signature: 'abc', mint: CHAT },
      { type: 'thinking', text: 'Hm.', signature: null, mint: CHAT },
      { type: 'redacted-thinking', data: 'dark', mint: CHAT },
      { type: 'thinking', text: 'a', signature: 's', mint: CHAT },
    ])
  })

  it('has its settings, and in raw what has no word', () => {
    const request = decode({
      max_tokens: 100,
      messages: hello,
      thinking: { type: 'adaptive', display: 'updates' },
      output_config: { effort: 'max', task_budget: { type: 'tokens', total: 9 } },
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      metadata: { user_id: 'u' },
      stop_sequences: ['X'],
      context_management: { edits: [] },
      container: null,
    })
    assert.deepEqual(request.reasoning, { mode: 'adaptive', effort: 'max' })
    assert.deepEqual(request.toolChoice, { type: 'required' })
    assert.equal(request.parallelTools, false)
    assert.deepEqual(request.settings, { stop: ['X'], endUser: 'u' })
    assert.deepEqual(request.raw, {
      'thinking.display': 'updates',
      'output_config.task_budget': { type: 'tokens', total: 9 },
      context_management: { edits: [] },
    })
  })

  it('asks for thinking in words that are not known, too', () => {
    const request = decode({ messages: hello, thinking: { type: 'between_tools' } })
    assert.deepEqual(request.reasoning, { mode: 'on' })
    assert.deepEqual(request.raw, { 'thinking.type': 'between_tools' })
  })

  it('may lack max_tokens, as a count of tokens does', () => {
    assert.equal(decode({ messages: hello }).maxOutput, null)
  })

  it('cannot reach past the body by its names', () => {
    const odd = JSON.parse(
      '{"constructor.prototype.x": 1, "thinking": {"constructor.prototype.y": 2, "type": "adaptive"}}',
    )
    const request = decode({ ...odd, messages: hello })
    const { body, warnings } = encodeMessagesRequest(request, targetOf())
    assert.deepEqual(Object.keys(body), ['model', 'messages', 'thinking'])
    assert.deepEqual(body.thinking, { type: 'adaptive' })
    assert.deepEqual(warnings, [
      { action: 'dropped', field: 'constructor.prototype.x' },
      { action: 'dropped', field: 'thinking.constructor.prototype.y' },
    ])
    assert.equal(Object.hasOwn(Object.prototype, 'x'), false)
  })

  const REFUSED: readonly (readonly [string, WireObject])[] = [
    ['messages', {}],
    ['messages[0]', { messages: ['Hi.'] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: '' }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 5 }] }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: [{ text: 'no type' }] }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['messages[0].content[0].tool_use_id', { messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }],
    ['system[0]', { messages: hello, system: [{ type: 'image', source: { type: 'url', url: 'https://a.test' } }] }],
    ['tools[0].name', { messages: hello, tools: [{ input_schema: {} }] }],
    ['tool_choice', { messages: hello, tool_choice: 'auto' }],
    ['max_tokens', { messages: hello, max_tokens: 'many' }],
    ['thinking', { messages: hello, thinking: true }],
    ['temperature', { messages: hello, temperature: 'hot' }],
  ]
  for (const [param, body] of REFUSED) {
    it(`is refused with the place named: ${param}`, () => {
      assert.throws(
        () => decode(body),
        (error) => error instanceof AppError && error.code === 'invalid_request' && error.param === param,
      )
    })
  }
})

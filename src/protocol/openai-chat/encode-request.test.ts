import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import type { Quirks } from '../../base/quirks.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrMessage, IrReasoning, IrRequest, IrTool } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { ACCOUNT, assistant, decode, encode, foreign, user } from './test-chat.ts'

const text = (value: string): IrBlock => ({ type: 'text', text: value })
const call = (id: string): IrBlock => ({ type: 'tool-call', id, name: 'f', kind: 'function', input: '{}' })
const result = (id: string, content: readonly IrBlock[], isError?: boolean): IrBlock => ({
  type: 'tool-result',
  id,
  kind: 'function',
  content,
  ...(isError && { isError }),
})
const image: IrBlock = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AAAA' } }
const MINT = { protocol: 'openai-chat', account: ACCOUNT } as const
const think = (value: string, signature: string | null = null): IrBlock => ({
  type: 'thinking',
  text: value,
  signature,
  mint: MINT,
})
const tool: IrTool = { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: true }

function messagesOf(messages: readonly IrMessage[], quirks: Quirks = {}): WireObject[] {
  return encode(foreign({ messages }), quirks).body.messages as WireObject[]
}

function refusalOf(request: Partial<IrRequest>, quirks: Quirks = {}): unknown {
  try {
    encode(foreign(request), quirks)
  } catch (error) {
    assert.ok(error instanceof AppError)
    return error.code
  }
  return null
}

describe("another protocol's request as a chat body", () => {
  it('is the plainest form that says the same', () => {
    const { body, warnings } = encode(
      foreign({
        stream: true,
        system: [
          { type: 'text', text: 'Rules.' },
          { type: 'text', text: 'More.' },
        ],
        messages: [
          user(text('Hi')),
          assistant(text('I look.'), call('c1'), call('c2')),
          user(result('c1', [text('a'), text('b')]), result('c2', []), text('Well?')),
        ],
        tools: [tool],
        toolChoice: { type: 'tool', kind: 'function', name: 'f' },
        parallelTools: false,
        maxOutput: 50,
      }),
    )
    assert.deepEqual(warnings, [])
    const wireCall = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })
    assert.deepEqual(body, {
      model: 'm',
      messages: [
        { role: 'system', content: 'Rules.\n\nMore.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'I look.', tool_calls: [wireCall('c1'), wireCall('c2')] },
        { role: 'tool', tool_call_id: 'c1', content: 'a\n\nb' },
        { role: 'tool', tool_call_id: 'c2', content: '' },
        { role: 'user', content: 'Well?' },
      ],
      tools: [
        { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} }, strict: true } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      max_tokens: 50,
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it('spells what vendors spell differently as declared', () => {
    const quirks: Quirks = {
      maxTokensField: 'max_completion_tokens',
      systemRole: 'developer',
      strictTools: false,
      dropFields: ['n', 'tool_choice'],
    }
    const request = foreign({
      system: [{ type: 'text', text: 'Rules.' }],
      tools: [tool],
      toolChoice: { type: 'auto' },
      maxOutput: 50,
    })
    const { body, warnings } = encode(request, quirks)
    assert.equal(body.max_completion_tokens, 50)
    assert.equal((body.messages as WireObject[])[0]?.role, 'developer')
    assert.deepEqual(Object.keys(((body.tools as WireObject[])[0] as { function: object }).function), [
      'name',
      'parameters',
    ])
    assert.ok(!('tool_choice' in body))
    assert.deepEqual(
      warnings.map(({ field }) => field),
      ['tools[0].strict', 'tool_choice'],
    )
  })

  it('asks for thinking in the form that the model takes', () => {
    const high: IrReasoning = { effort: 'high' }
    const budget: IrReasoning = { mode: 'on', budget: 9000 }
    const off: IrReasoning = { mode: 'off' }
    const cases: readonly (readonly [Quirks, IrReasoning, object, string?])[] = [
      [{}, high, { reasoning_effort: 'high' }],
      [{}, budget, { reasoning_effort: 'high' }, 'effort high'],
      [{}, off, { reasoning_effort: 'none' }],
      [{}, { mode: 'adaptive' }, {}],
      [{ efforts: ['low', 'xhigh'] }, high, { reasoning_effort: 'xhigh' }, 'effort xhigh'],
      [{ reasoningControl: 'thinking' }, off, { thinking: { type: 'disabled' } }],
      [{ reasoningControl: 'thinking' }, { mode: 'on' }, { thinking: { type: 'enabled' } }],
      [{ reasoningControl: 'thinking' }, high, { thinking: { type: 'enabled' } }, 'thinking is on or off'],
      [
        { reasoningControl: 'thinking', efforts: ['high'] },
        high,
        { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
      ],
      [{ reasoningControl: 'enable_thinking' }, budget, { enable_thinking: true, thinking_budget: 9000 }],
      [{ reasoningControl: 'enable_thinking' }, off, { enable_thinking: false }],
      [{ reasoningControl: 'reasoning' }, high, { reasoning: { effort: 'high' } }],
      [{ reasoningControl: 'reasoning' }, budget, { reasoning: { max_tokens: 9000 } }],
      [
        { reasoningControl: 'reasoning' },
        { mode: 'off', show: false },
        { reasoning: { enabled: false, exclude: true } },
      ],
      [{ reasoningControl: 'none' }, high, {}, 'this model has no control of thinking'],
    ]
    for (const [quirks, reasoning, expected, detail] of cases) {
      const { body, warnings } = encode(foreign({ reasoning }), quirks)
      const { model: _model, messages: _messages, ...members } = body
      assert.deepEqual(members, expected, JSON.stringify([quirks, reasoning]))
      assert.deepEqual(
        warnings.map((warning) => warning.detail),
        detail === undefined ? [] : [detail],
      )
    }
  })

  it('gives reasoning back where the vendor wants it, to its own account only', () => {
    const turn = [assistant(think('Hm', '{"format":"v1"}'), text('Yes.'), call('c1'))]
    const membersOf = (quirks: Quirks) => {
      const { role: _role, content, tool_calls: _calls, ...members } = messagesOf(turn, quirks)[0] as WireObject
      return [content, members]
    }
    assert.deepEqual(membersOf({}), ['Yes.', { reasoning_content: 'Hm' }])
    assert.deepEqual(membersOf({ reasoningField: 'reasoning' }), ['Yes.', { reasoning: 'Hm' }])
    assert.deepEqual(membersOf({ reasoningField: 'reasoning_details' }), [
      'Yes.',
      { reasoning_details: [{ type: 'reasoning.text', text: 'Hm', format: 'v1' }] },
    ])
    assert.deepEqual(membersOf({ reasoningField: 'none' }), ['Yes.', {}])
    const [content] = membersOf({ reasoningField: 'content_parts' })
    assert.deepEqual(
      (content as WireObject[]).map(({ type }) => type),
      ['thinking', 'text'],
    )
    const other = { ...think('Hm', 'sig'), mint: { protocol: 'anthropic-messages', account: 'x' } } as IrBlock
    const foreignTurn = encode(foreign({ messages: [assistant(other, call('c1'))] }), { reasoningRequired: true })
    assert.equal((foreignTurn.body.messages as WireObject[])[0]?.reasoning_content, '')
    assert.deepEqual(foreignTurn.warnings, [
      { action: 'dropped', field: 'messages[0]', detail: 'reasoning of another model' },
    ])
  })

  it("puts Google's signature back on the call that it signs", () => {
    const extra_content = { google: { thought_signature: 'c2ln' } }
    const [message] = messagesOf([assistant(think('', JSON.stringify({ extra_content })), call('c1'), call('c2'))])
    assert.deepEqual(
      ((message?.tool_calls ?? []) as WireObject[]).map((entry) => entry.extra_content),
      [extra_content, undefined],
    )
  })

  it('moves media out of tool results into a message of their own', () => {
    const turn = [user(result('c1', [text('Read.'), image]), result('c2', [image]), text('Well?'))]
    const url = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
    assert.deepEqual(messagesOf(turn), [
      { role: 'tool', tool_call_id: 'c1', content: 'Read.' },
      { role: 'tool', tool_call_id: 'c2', content: 'The result follows in the next message.' },
      { role: 'user', content: [{ type: 'text', text: 'Attached media from tool result:' }, url, url] },
      { role: 'user', content: 'Well?' },
    ])
    assert.deepEqual(messagesOf(turn, { toolResultImages: true })[1], {
      role: 'tool',
      tool_call_id: 'c2',
      content: [url],
    })
  })

  it('says in words that a tool failed, unless its text does', () => {
    const failed = (value: string) =>
      encode(foreign({ messages: [user(result('c1', value === '' ? [] : [text(value)], true))] }))
    const contentOf = ({ body }: ReturnType<typeof encode>) => (body.messages as WireObject[])[0]?.content
    assert.equal(contentOf(failed('no such file')), 'Error: no such file')
    assert.equal(contentOf(failed('')), 'Error')
    assert.deepEqual(
      failed('no such file').warnings.map(({ action }) => action),
      ['changed'],
    )
    assert.equal(contentOf(failed('Command failed: 1')), 'Command failed: 1')
    assert.deepEqual(failed('Command failed: 1').warnings, [])
  })

  it('sends documents as files or text', () => {
    const source = { type: 'data', mediaType: 'application/pdf', data: 'AAAA' } as const
    const [message] = messagesOf([
      user(
        { type: 'document', source, name: 'a.pdf' },
        { type: 'document', source: { type: 'text', mediaType: 'text/plain', text: 'words' }, name: 'b.txt' },
      ),
    ])
    assert.deepEqual(message?.content, [
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } },
      { type: 'text', text: 'b.txt:\n\nwords' },
    ])
  })

  it('turns tools of free text into functions where they are not taken', () => {
    const tools: IrTool[] = [
      {
        type: 'custom',
        name: 'patch',
        description: 'Edits.',
        format: { type: 'grammar', syntax: 'lark', definition: 'x' },
      },
    ]
    const messages = [assistant({ type: 'tool-call', id: 'c1', name: 'patch', kind: 'custom', input: 'a\nb' })]
    const wrapped = encode(foreign({ source: 'openai-responses', tools, messages })).body
    assert.equal((wrapped.tools as { type: string }[])[0]?.type, 'function')
    const [wire] = (wrapped.messages as { tool_calls: { function: WireObject }[] }[])[0]?.tool_calls ?? []
    assert.deepEqual(wire?.function, { name: 'patch', arguments: '{"input":"a\\nb"}' })
    const taken = encode(foreign({ source: 'openai-responses', tools, messages }), { customTools: true }).body
    assert.deepEqual((taken.tools as WireObject[])[0], {
      type: 'custom',
      custom: {
        name: 'patch',
        description: 'Edits.',
        format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'x' } },
      },
    })
  })

  it('binds the answer to a form as far as the model can be bound', () => {
    const format = {
      type: 'json-schema',
      name: null,
      schema: { type: 'object', properties: { a: { type: 'string' } } },
    } as const
    const schema = encode(foreign({ format })).body.response_format as { json_schema: WireObject }
    assert.equal(schema.json_schema.name, 'response')
    for (const [structuredOutput, expected] of [
      ['json_object', { type: 'json_object' }],
      ['none', undefined],
    ] as const) {
      const { body, warnings } = encode(foreign({ format }), { structuredOutput })
      assert.deepEqual(body.response_format, expected)
      assert.match(String((body.messages as WireObject[])[0]?.content), /JSON Schema.*"properties":\{"a"/s)
      assert.deepEqual(
        warnings.map(({ field }) => field),
        ['output_config.format'],
      )
    }
  })

  it('frees the choice of a tool that cannot be forced, and sends allowed tools only', () => {
    const free = encode(foreign({ tools: [tool], toolChoice: { type: 'required' } }), { forcedToolChoice: false })
    assert.equal(free.body.tool_choice, 'auto')
    assert.deepEqual(free.warnings, [{ action: 'changed', field: 'tool_choice', detail: 'auto' }])
    const tools = [tool, { ...tool, name: 'g' }]
    const allowed = encode(foreign({ tools, toolChoice: { type: 'allowed', mode: 'required', names: ['g'] } })).body
    assert.deepEqual(
      (allowed.tools as { function: { name: string } }[]).map((sent) => sent.function.name),
      ['g'],
    )
    assert.equal(allowed.tool_choice, 'required')
  })

  it('tells once, and at the first place, what it leaves out', () => {
    const cache = { ttl: null }
    const { warnings } = encode(
      foreign({
        system: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b', cache },
        ],
        messages: [
          user(
            { type: 'text', text: 'x', cache },
            { type: 'opaque', protocol: 'anthropic-messages', kind: 'server_tool_use', value: {} },
          ),
        ],
        settings: { topK: 5 },
        raw: { context_management: {} },
      }),
    )
    assert.deepEqual(warnings, [
      { action: 'dropped', field: 'messages[0].content[1]', detail: 'server_tool_use' },
      { action: 'dropped', field: 'system[1].cache_control' },
      { action: 'dropped', field: 'top_k' },
      { action: 'dropped', field: 'context_management' },
    ])
  })

  it('replaces ids that are too long, for call and result alike', () => {
    const id = 'x'.repeat(64)
    const [turn, answer] = messagesOf([assistant(call(id)), user(result(id, []))])
    const [wire] = (turn?.tool_calls ?? []) as { id: string }[]
    assert.match(wire?.id ?? '', /^call_[0-9a-f]{32}$/)
    assert.equal(answer?.tool_call_id, wire?.id)
  })

  it('leaves out turns in which nothing remains', () => {
    const thought = { ...think('Hm'), mint: null } as IrBlock
    assert.deepEqual(messagesOf([user(text('Hi')), assistant(thought), user(text(''))]), [
      { role: 'user', content: 'Hi' },
    ])
  })

  it('refuses what it cannot say', () => {
    const byUrl: IrBlock = { type: 'image', source: { type: 'url', url: 'https://a.example/a.png' } }
    const byId: IrBlock = { type: 'document', source: { type: 'file-id', id: 'file_1' } }
    assert.equal(refusalOf({ answers: 2, source: 'google-generate' }), 'unsupported_feature')
    assert.equal(refusalOf({ messages: [user(byUrl)] }), null)
    assert.equal(refusalOf({ messages: [user(byUrl)] }, { fileUrls: false }), 'unsupported_feature')
    assert.equal(refusalOf({ messages: [user(byId)] }), 'unsupported_feature')
    const hosted: IrTool = { type: 'hosted', protocol: 'anthropic-messages', kind: 'web_search', value: {} }
    assert.equal(refusalOf({ tools: [hosted], toolChoice: { type: 'required' } }), 'unsupported_feature')
  })

  it("keeps the client's own members when it came as chat", () => {
    const request = decode({ messages: [{ role: 'user', content: 'x' }], logit_bias: { '5': 1 }, n: 2 })
    const { body, warnings } = encode(request, { maxTokensField: 'max_completion_tokens' })
    assert.deepEqual([body.logit_bias, body.n, warnings], [{ '5': 1 }, 2, []])
  })
})

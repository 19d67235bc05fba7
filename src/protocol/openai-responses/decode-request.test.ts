import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import { packThoughts } from '../translation/bundle.ts'
import { seal } from '../translation/seal.ts'
import { storedStateParam } from './stored-state.ts'
import { requestOf } from './test-wire.ts'

const OWN = { protocol: 'openai-responses', account: null } as const
const FUNCTION = { type: 'function', name: 'run', description: 'Runs.', parameters: { type: 'object' }, strict: false }
const items = (...input: object[]) => requestOf({ input })

describe('decoding a Responses request', () => {
  it('reads a string as what the user says', () => {
    const { system, messages } = requestOf({ instructions: 'Be brief.', input: 'Hi' })
    assert.deepEqual(system, [{ type: 'text', text: 'Be brief.' }])
    assert.deepEqual(
      messages.map(({ role, blocks }) => ({ role, blocks })),
      [{ role: 'user', blocks: [{ type: 'text', text: 'Hi' }] }],
    )
  })

  it('takes leading system and developer messages for the system prompt, later ones as they stand', () => {
    const { system, messages } = items(
      { role: 'developer', content: 'One.' },
      {
        type: 'message',
        role: 'system',
        content: [
          { type: 'input_text', text: 'Two.' },
          { type: 'input_text', text: 'Three.' },
        ],
      },
      { role: 'user', content: 'Hi' },
      { role: 'developer', content: 'Four.' },
    )
    assert.deepEqual(
      system.map(({ text }) => text),
      ['One.', 'Two.', 'Three.'],
    )
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'system'],
    )
  })

  it('makes one message of the items of a turn, in order, and one of the results that follow', () => {
    const { messages } = items(
      { role: 'user', content: 'Hi' },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'gAAA' },
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Ok.', annotations: [] }],
      },
      { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'run', arguments: '{"a":1}' },
      { type: 'custom_tool_call', call_id: 'c2', name: 'patch', namespace: 'fs', input: '*** x' },
      { type: 'function_call_output', call_id: 'c1', output: 'done' },
      {
        type: 'custom_tool_call_output',
        call_id: 'c2',
        output: [{ type: 'input_image', image_url: 'data:image/png;base64,AA' }],
      },
      { role: 'user', content: 'Go on' },
    )
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant', 'user', 'user'],
    )
    assert.deepEqual(messages[1]?.blocks, [
      { type: 'thinking', text: 'Hm.', signature: 'gAAA', mint: OWN, raw: { id: 'rs_1' } },
      { type: 'text', text: 'Ok.', raw: { item: { type: 'message', id: 'msg_1' }, part: { annotations: [] } } },
      { type: 'tool-call', id: 'c1', name: 'run', kind: 'function', input: '{"a":1}', raw: { id: 'fc_1' } },
      { type: 'tool-call', id: 'c2', name: 'patch', namespace: 'fs', kind: 'custom', input: '*** x' },
    ])
    const image = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' } }
    assert.deepEqual(messages[2]?.blocks, [
      { type: 'tool-result', id: 'c1', name: 'run', kind: 'function', content: [{ type: 'text', text: 'done' }] },
      { type: 'tool-result', id: 'c2', name: 'patch', kind: 'custom', content: [image], raw: { form: 'parts' } },
    ])
  })

  it('reads images, files and sound wherever they are', () => {
    const content = [
      { type: 'input_image', image_url: 'https://a.example/b.png', detail: 'low' },
      { type: 'input_image', file_id: 'file_1' },
      { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA' },
      { type: 'input_file', filename: 'a.pdf', file_data: 'AA' },
      { type: 'input_file', file_url: 'https://a.example/b.pdf' },
      { type: 'input_audio', input_audio: { data: 'AA', format: 'mp3' } },
    ]
    const [message] = items({ role: 'user', content }).messages
    const pdf = { type: 'data', mediaType: 'application/pdf', data: 'AA' }
    assert.deepEqual(message?.blocks, [
      { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' }, detail: 'low' },
      { type: 'image', source: { type: 'file-id', id: 'file_1' } },
      { type: 'document', source: pdf, name: 'a.pdf' },
      { type: 'document', source: pdf, name: 'a.pdf', raw: { form: 'base64' } },
      { type: 'document', source: { type: 'url', url: 'https://a.example/b.pdf' } },
      { type: 'audio', source: { type: 'data', mediaType: 'audio/mp3', data: 'AA' } },
    ])
  })

  it('opens seals, whatever they hold', () => {
    const mint = { protocol: 'anthropic-messages', account: 'acc9' } as const
    const reasoning = (encrypted_content: string) => ({
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ type: 'summary_text', text: 'Hm.' }],
      encrypted_content,
    })
    const thoughts = [
      { type: 'thinking', text: 'a', signature: 's', mint },
      { type: 'redacted-thinking', data: 'd', mint },
    ] as const
    const { messages } = items(
      reasoning(seal(mint, 'signature', 'sig')),
      reasoning(seal(mint, 'signature', '')),
      reasoning(seal(mint, 'redacted', 'data')),
      reasoning(seal(mint, 'bundle', packThoughts(thoughts))),
    )
    assert.deepEqual(messages[0]?.blocks, [
      { type: 'thinking', text: 'Hm.', signature: 'sig', mint },
      { type: 'thinking', text: 'Hm.', signature: null, mint },
      { type: 'redacted-thinking', data: 'data', mint },
      ...thoughts,
    ])
  })

  it('joins the parts of a summary, and takes the thoughts themselves when there is none', () => {
    const part = (text: string) => ({ type: 'summary_text', text })
    const { messages } = items(
      { type: 'reasoning', summary: [part('One.'), part('Two.')] },
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Three.' }] },
    )
    const texts = messages[0]?.blocks.map((block) => (block.type === 'thinking' ? block.text : null))
    assert.deepEqual(texts, ['One.\n\nTwo.', 'Three.'])
  })

  it('keeps items that only the vendor understands as they are', () => {
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed' }
    const approval = { type: 'mcp_approval_response', approval_request_id: 'a', approve: true }
    const { messages } = items(search, approval, { type: 'compaction_trigger' }, { id: 'msg_9' })
    assert.deepEqual(
      messages.map(({ role, blocks }) => [role, blocks.map((block) => block.type === 'opaque' && block.kind)]),
      [
        ['assistant', ['web_search_call']],
        ['user', ['mcp_approval_response', 'compaction_trigger']],
        ['assistant', ['item_reference']],
      ],
    )
  })

  it('gives ids to calls that have none, and their results the same', () => {
    const { messages } = items(
      { type: 'function_call', name: 'run', arguments: '' },
      { type: 'function_call', id: 'fc_2', name: 'run', arguments: { a: 1 } },
      { type: 'function_call_output', output: 'one' },
      { type: 'function_call_output', output: 'two' },
    )
    const ids = messages.flatMap(({ blocks }) => blocks.map((block) => 'id' in block && block.id))
    assert.deepEqual(ids, ['call_0', 'fc_2', 'call_0', 'fc_2'])
    assert.deepEqual(
      messages[0]?.blocks.map((block) => block.type === 'tool-call' && block.input),
      ['{}', '{"a":1}'],
    )
  })

  it('flattens namespaces, and reads the tools that an item brings', () => {
    const custom = {
      type: 'custom',
      name: 'exec',
      format: { type: 'grammar', syntax: 'lark', definition: 'start: /x/' },
    }
    const functions = { type: 'namespace', name: 'functions', description: '', tools: [custom, FUNCTION] }
    const { tools, system } = requestOf({
      tools: [functions, { type: 'web_search' }],
      input: [
        { type: 'additional_tools', id: 'at_1', role: 'developer', tools: [FUNCTION] },
        { role: 'developer', content: 'Be brief.' },
      ],
    })
    const named = tools.map((tool) => (tool.type === 'hosted' ? tool.kind : [tool.type, tool.namespace, tool.name]))
    assert.deepEqual(named, [
      ['custom', 'functions', 'exec'],
      ['function', 'functions', 'run'],
      'web_search',
      ['function', undefined, 'run'],
    ])
    assert.equal(system.length, 1)
  })

  it('reads every form of a tool choice', () => {
    const choice = (tool_choice: unknown) => requestOf({ tools: [FUNCTION], tool_choice })
    assert.deepEqual(choice('required').toolChoice, { type: 'required' })
    assert.deepEqual(choice({ type: 'function', name: 'run' }).toolChoice, {
      type: 'tool',
      kind: 'function',
      name: 'run',
    })
    assert.deepEqual(choice({ type: 'web_search' }).toolChoice, { type: 'tool', kind: 'hosted', name: 'web_search' })
    const allowed = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'run' }] }
    assert.deepEqual(choice(allowed).toolChoice, { type: 'allowed', mode: 'required', names: ['run'] })
    assert.deepEqual(choice(allowed).raw, {})
    const partly = { ...allowed, tools: [...allowed.tools, { type: 'mcp', server_label: 'a' }] }
    assert.deepEqual(choice(partly).raw, { tool_choice: partly })
    assert.equal(choice(null).toolChoice, null)
  })

  it('reads settings, and keeps in raw what there is no word for', () => {
    const request = requestOf({
      max_output_tokens: 100,
      reasoning: { effort: 'high', summary: 'auto', context: 'all_turns' },
      text: { format: { type: 'json_schema', name: 'x', schema: {}, strict: true }, verbosity: 'low' },
      include: ['reasoning.encrypted_content'],
      parallel_tool_calls: false,
      prompt_cache_key: 'k',
      store: false,
      client_metadata: { a: 'b' },
      truncation: null,
    })
    assert.equal(request.maxOutput, 100)
    assert.equal(request.parallelTools, false)
    assert.deepEqual(request.reasoning, { effort: 'high', show: true, summary: 'auto' })
    assert.deepEqual(request.format, { type: 'json-schema', name: 'x', schema: {}, strict: true })
    assert.deepEqual(request.settings, { promptCacheKey: 'k', store: false, verbosity: 'low' })
    assert.deepEqual(request.raw, {
      'reasoning.context': 'all_turns',
      include: ['reasoning.encrypted_content'],
      client_metadata: { a: 'b' },
    })
  })

  it('says which field is at fault, and nothing of what stands in it', () => {
    const cases: [body: object, param: string][] = [
      [{ input: undefined }, 'input'],
      [{ input: 5 }, 'input'],
      [{ input: ['secret'] }, 'input[0]'],
      [{ input: [{ role: 'secret', content: 'secret' }] }, 'input[0].role'],
      [{ input: [{ role: 'user' }] }, 'input[0].content'],
      [{ input: [{ role: 'user', content: ['secret'] }] }, 'input[0].content[0]'],
      [{ input: [{ role: 'user', content: [{ type: 'input_text', text: 5 }] }] }, 'input[0].content[0].text'],
      [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0].image_url'],
      [{ input: [{ type: 'function_call', call_id: 'secret' }] }, 'input[0].name'],
      [{ input: [{ type: 'function_call_output', output: 'secret' }] }, 'input[0].call_id'],
      [{ tools: { secret: 1 } }, 'tools'],
      [{ tools: [{ type: 'function' }] }, 'tools[0].name'],
      [{ tool_choice: 'secret' }, 'tool_choice'],
      [{ max_output_tokens: 'secret' }, 'max_output_tokens'],
      [{ instructions: ['secret'] }, 'instructions'],
      [{ temperature: 'secret' }, 'temperature'],
    ]
    for (const [body, param] of cases) {
      assert.throws(
        () => requestOf(body),
        (error) =>
          error instanceof AppError &&
          error.code === 'invalid_request' &&
          error.param === param &&
          !error.message.includes('secret'),
        param,
      )
    }
  })

  it('needs no input where the vendor has what came before', () => {
    assert.deepEqual(requestOf({ input: undefined, previous_response_id: 'resp_1' }).messages, [])
  })
})

describe('storedStateParam', () => {
  it('finds what only the vendor itself has, in a body and in the IR', () => {
    const cases: [body: object, param: string | null][] = [
      [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
      [{ conversation: { id: 'conv_1' } }, 'conversation'],
      [{ prompt: { id: 'pmpt_1' } }, 'prompt'],
      [{ background: true }, 'background'],
      [{ background: false, previous_response_id: null }, null],
      [
        {
          input: [
            { role: 'user', content: 'a' },
            { type: 'item_reference', id: 'rs_1' },
          ],
        },
        'input[1]',
      ],
      [{ input: [{ id: 'rs_1' }] }, 'input[0]'],
      [{ input: [{ type: 'reasoning', id: 'rs_1', summary: [] }] }, null],
    ]
    for (const [body, param] of cases) {
      assert.equal(storedStateParam({ ...body }), param, JSON.stringify(body))
      const { raw, messages } = requestOf(body)
      assert.equal(storedStateParam(raw, messages), param?.replace(/\[.*/, '') ?? null, JSON.stringify(body))
    }
  })
})

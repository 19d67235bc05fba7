import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import type { Quirks } from '../../base/quirks.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrMessage, IrRequest, IrTool } from '../ir/request.ts'
import { encodeResponsesRequest } from './encode-request.ts'
import { requestOf, targetOf } from './test-wire.ts'

const EMPTY: IrRequest = {
  source: 'anthropic-messages',
  model: 'm',
  stream: true,
  system: [],
  messages: [],
  tools: [],
  toolChoice: null,
  parallelTools: null,
  maxOutput: null,
  answers: 1,
  format: null,
  reasoning: null,
  settings: {},
  raw: {},
}
const RUN: IrTool = { type: 'function', name: 'run', parameters: { type: 'object', properties: {} } }
const PATCH: IrTool = { type: 'custom', name: 'patch', description: 'Patches.' }
const OWN = { protocol: 'openai-responses', account: 'acc1' } as const

function encode(more: Partial<IrRequest>, quirks: Quirks = {}) {
  const { body, warnings } = encodeResponsesRequest({ ...EMPTY, ...more }, targetOf({ quirks }))
  return { body, warnings: warnings.map(({ action, field }) => `${action} ${field}`) }
}

const user = (...blocks: IrBlock[]): IrMessage => ({ role: 'user', blocks })
const assistant = (...blocks: IrBlock[]): IrMessage => ({ role: 'assistant', blocks })
const text = (value: string): IrBlock => ({ type: 'text', text: value })
const input = (messages: IrMessage[], quirks: Quirks = {}) => encode({ messages }, quirks).body.input

describe('encoding a request of another protocol for a Responses upstream', () => {
  it('stores nothing there, and asks for the reasoning so that it can be sent back', () => {
    const { body, warnings } = encode({
      system: [
        { type: 'text', text: 'One.' },
        { type: 'text', text: 'Two.' },
      ],
      messages: [user(text('Hi'))],
    })
    assert.deepEqual(warnings, [])
    assert.deepEqual(body, {
      model: 'up',
      instructions: 'One.\n\nTwo.',
      input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }],
      reasoning: { summary: 'auto' },
      include: ['reasoning.encrypted_content'],
      stream: true,
      store: false,
    })
    assert.equal(encode({ source: 'openai-chat', settings: { store: true } }, { ownVendor: true }).body.store, false)
  })

  it('writes the blocks of a turn in order, each as its own item', () => {
    const blocks: IrBlock[] = [
      { type: 'thinking', text: 'Hm.', signature: 'gAAA', mint: OWN },
      text('Ok.'),
      text(''),
      { type: 'text', text: 'No.', isRefusal: true },
      { type: 'tool-call', id: 'c1', name: 'run', kind: 'function', input: '{}' },
      text('And.'),
      { type: 'tool-call', id: 'c2', name: 'patch', kind: 'custom', input: '*** x' },
    ]
    const results: IrBlock[] = [
      { type: 'tool-result', id: 'c1', kind: 'function', content: [text('a'), text('b')] },
      { type: 'tool-result', id: 'c2', kind: 'custom', content: [] },
      text('Go on'),
    ]
    assert.deepEqual(input([assistant(...blocks), user(...results), { role: 'system', blocks: [text('Note.')] }]), [
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'gAAA' },
      {
        type: 'message',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'Ok.' },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      { type: 'function_call', call_id: 'c1', name: 'run', arguments: '{}' },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'And.' }] },
      { type: 'custom_tool_call', call_id: 'c2', name: 'patch', input: '*** x' },
      { type: 'function_call_output', call_id: 'c1', output: 'a\nb' },
      { type: 'custom_tool_call_output', call_id: 'c2', output: '' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Go on' }] },
      { type: 'message', role: 'system', content: [{ type: 'input_text', text: 'Note.' }] },
    ])
  })

  it('sends thoughts to the account that had them only, and says once when it leaves some out', () => {
    const thought = (account: string | null, protocol = 'openai-responses'): IrBlock => ({
      type: 'thinking',
      text: 'Hm.',
      signature: 'gAAA',
      mint: { protocol: protocol as 'openai-responses', account },
    })
    const redacted: IrBlock = {
      type: 'redacted-thinking',
      data: 'd',
      mint: { protocol: 'anthropic-messages', account: 'acc1' },
    }
    const blocks = [thought('acc2'), thought('acc1', 'openai-chat'), redacted, text('Ok.')]
    const { body, warnings } = encode({ messages: [user(text('Hi')), assistant(...blocks)] })
    assert.deepEqual((body.input as object[]).length, 2)
    assert.deepEqual(warnings, ['dropped messages[1].content[0]'])
  })

  it('sends thoughts without a signature as what was thought, to vendors of open models', () => {
    const message = assistant({ type: 'thinking', text: 'Hm.', signature: null, mint: OWN })
    assert.deepEqual(input([message]), [
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] },
    ])
    assert.deepEqual(input([message], { ownVendor: true }), [])
  })

  it('writes images, files and sound', () => {
    const data = { type: 'data', mediaType: 'application/pdf', data: 'AA' } as const
    const blocks: IrBlock[] = [
      { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA' } },
      { type: 'document', source: data },
      { type: 'document', source: { type: 'url', url: 'https://a.example/b.pdf' }, name: 'b.pdf' },
      { type: 'document', source: { type: 'text', mediaType: 'text/plain', text: 'Notes.' }, name: 'n.txt' },
      { type: 'audio', source: { type: 'data', mediaType: 'audio/mpeg', data: 'AA' } },
    ]
    assert.deepEqual(input([user(...blocks)]), [
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_image', image_url: 'data:image/png;base64,AA' },
          { type: 'input_file', filename: 'document.pdf', file_data: 'data:application/pdf;base64,AA' },
          { type: 'input_file', file_url: 'https://a.example/b.pdf' },
          { type: 'input_text', text: 'n.txt:\n\nNotes.' },
          { type: 'input_audio', input_audio: { data: 'AA', format: 'mp3' } },
        ],
      },
    ])
  })

  it('puts images of tool results beside them where a server takes none in them', () => {
    const image: IrBlock = { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } }
    const results = user({ type: 'tool-result', id: 'c1', kind: 'function', content: [text('Seen.'), image] })
    const part = { type: 'input_image', image_url: 'https://a.example/b.png' }
    assert.deepEqual(input([results]), [
      { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'Seen.' }, part] },
    ])
    assert.deepEqual(input([results], { toolResultImages: false }), [
      { type: 'function_call_output', call_id: 'c1', output: 'Seen.' },
      { type: 'message', role: 'user', content: [part] },
    ])
  })

  it('shortens ids that are too long, for a call and its result alike', () => {
    const id = `call_${'x'.repeat(200)}`
    const [call, result] = input([
      assistant({ type: 'tool-call', id, name: 'run', kind: 'function', input: '{}' }),
      user({ type: 'tool-result', id, kind: 'function', content: [] }),
    ]) as { call_id: string }[]
    assert.equal(call?.call_id, result?.call_id)
    assert.ok(call && call.call_id.length <= 64 && call.call_id !== id)
  })

  it('writes tools without strictness unless it is asked for', () => {
    const { body, warnings } = encode({
      tools: [RUN, { ...RUN, name: 'walk', namespace: 'legs', strict: true }, PATCH],
      toolChoice: { type: 'tool', kind: 'custom', name: 'patch' },
      parallelTools: false,
    })
    const parameters = { type: 'object', properties: {} }
    assert.deepEqual(body.tools, [
      { type: 'function', name: 'run', parameters, strict: false },
      { type: 'function', name: 'legs__walk', parameters, strict: true },
      { type: 'custom', name: 'patch', description: 'Patches.' },
    ])
    assert.deepEqual([body.tool_choice, body.parallel_tool_calls], [{ type: 'custom', name: 'patch' }, false])
    assert.deepEqual(warnings, [])
  })

  it('makes functions of custom tools where a server has none', () => {
    const { body, warnings } = encode(
      {
        tools: [PATCH],
        toolChoice: { type: 'tool', kind: 'custom', name: 'patch' },
        messages: [
          assistant({ type: 'tool-call', id: 'c', name: 'patch', kind: 'custom', input: 'x' }),
          user({ type: 'tool-result', id: 'c', kind: 'custom', content: [] }),
        ],
      },
      { customTools: false },
    )
    assert.deepEqual(body.input, [
      { type: 'function_call', call_id: 'c', name: 'patch', arguments: '{"input":"x"}' },
      { type: 'function_call_output', call_id: 'c', output: '' },
    ])
    assert.deepEqual(body.tool_choice, { type: 'function', name: 'patch' })
    assert.equal((body.tools as { type: string }[])[0]?.type, 'function')
    assert.deepEqual(warnings, ['changed tools[0]'])
  })

  it('tells model and client of hosted tools that are not there', () => {
    const search: IrTool = { type: 'hosted', protocol: 'anthropic-messages', kind: 'web_search', value: {} }
    const { body, warnings } = encode({ tools: [search, RUN] })
    assert.match(String(body.instructions), /web_search/)
    assert.deepEqual(warnings, ['dropped tools[0]'])
  })

  it('writes formats by what a server can do', () => {
    const format = {
      type: 'json-schema',
      name: 'a b',
      schema: { type: 'object', properties: {} },
      strict: true,
    } as const
    const { schema } = format
    assert.deepEqual(encode({ format }).body.text, {
      format: { type: 'json_schema', name: 'a_b', schema, strict: true },
    })
    assert.deepEqual(encode({ format: { type: 'json' } }).body.text, { format: { type: 'json_object' } })
    const objects = encode({ format }, { structuredOutput: 'json_object' })
    assert.deepEqual(
      [objects.body.text, objects.warnings],
      [{ format: { type: 'json_object' } }, ['changed output_config.format']],
    )
    const none = encode({ format }, { structuredOutput: 'none' })
    assert.deepEqual([none.body.text, none.warnings], [undefined, ['dropped output_config.format']])
  })

  it('asks for thinking by effort, also where the client counts tokens', () => {
    const reasoning = (value: IrRequest['reasoning'], quirks: Quirks = {}) => encode({ reasoning: value }, quirks)
    assert.deepEqual(reasoning({ budget: 4000 }).body.reasoning, { effort: 'medium', summary: 'auto' })
    assert.deepEqual(reasoning({ mode: 'off' }).body.reasoning, { effort: 'none' })
    assert.deepEqual(reasoning({ effort: 'high', show: false }).body.reasoning, { effort: 'high' })
    const near = reasoning({ effort: 'max' }, { efforts: ['low', 'high'] })
    assert.deepEqual([near.body.reasoning, near.warnings], [{ effort: 'high', summary: 'auto' }, ['changed thinking']])
    const plain = reasoning({ effort: 'high' }, { efforts: [] })
    assert.deepEqual(
      [plain.body.reasoning, plain.body.include, plain.warnings],
      [undefined, undefined, ['dropped thinking']],
    )
  })

  it('discloses what has no place', () => {
    const { warnings } = encode({
      settings: { topK: 3, stop: ['x'], temperature: 1 },
      raw: { context_management: {} },
      maxOutput: 4,
      messages: [
        {
          role: 'user',
          name: 'ann',
          blocks: [
            { type: 'text', text: 'a', cache: { ttl: null } },
            { type: 'text', text: 'b', cache: { ttl: null } },
            { type: 'opaque', protocol: 'anthropic-messages', kind: 'web_search_tool_result', value: {} },
          ],
        },
        user({ type: 'tool-result', id: 'c', kind: 'function', isError: true, content: [] }),
      ],
    })
    assert.deepEqual(warnings.sort(), [
      'changed max_tokens',
      'changed messages[0].content[0].cache_control',
      'dropped context_management',
      'dropped messages[0].content[2]',
      'dropped messages[0].name',
      'dropped messages[1].content[0].is_error',
      'dropped stop_sequences',
      'dropped top_k',
    ])
  })

  it('refuses what cannot be done', () => {
    const image = (source: object): Partial<IrRequest> => ({
      messages: [user({ type: 'image', source: source as { type: 'file-id'; id: string } })],
    })
    const sound: IrBlock = { type: 'audio', source: { type: 'data', mediaType: 'audio/flac', data: 'AA' } }
    const cases: [more: Partial<IrRequest>, quirks: Quirks, param: string][] = [
      [{ answers: 2 }, {}, 'n'],
      [image({ type: 'file-id', id: 'file_1' }), {}, 'messages[0].content[0]'],
      [image({ type: 'url', url: 'https://a.example' }), { fileUrls: false }, 'messages[0].content[0]'],
      [{ messages: [user(sound)] }, {}, 'messages[0].content[0]'],
    ]
    for (const [more, quirks, param] of cases) {
      assert.throws(
        () => encode(more, quirks),
        (error) => error instanceof AppError && error.code === 'unsupported_feature' && error.param === param,
      )
    }
  })

  it('writes large requests in little time', () => {
    const turn = [
      { role: 'user', content: 'x'.repeat(2000) },
      { type: 'function_call', call_id: 'c', name: 'run', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'y'.repeat(2000) },
    ]
    const request = requestOf({ input: Array.from({ length: 2000 }, () => turn).flat() })
    const startedAt = process.cpuUsage().user
    encodeResponsesRequest(request, targetOf())
    encodeResponsesRequest({ ...request, source: 'openai-chat' }, targetOf())
    assert.ok(process.cpuUsage().user - startedAt < 1_000_000, 'eight megabytes took more than a second')
  })
})

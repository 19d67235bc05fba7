import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import type { Quirks } from '../../base/quirks.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrMessage, IrRequest } from '../ir/request.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { googleCodec } from './codec.ts'

const PLAIN: IrRequest = {
  source: 'openai-chat',
  model: 'm',
  stream: false,
  system: [],
  messages: [{ role: 'user', blocks: [{ type: 'text', text: 'hi' }] }],
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

function encode(request: Partial<IrRequest>, quirks: Quirks = {}) {
  const target = { model: 'g', account: 'acc', quirks, maxOutput: 100, originateCacheMarks: false }
  return googleCodec.encodeRequest({ ...PLAIN, ...request }, target)
}

const contentsOf = (...messages: IrMessage[]) => encode({ messages }).body.contents as WireObject[]
const configOf = (request: Partial<IrRequest>, quirks?: Quirks) =>
  asObject(encode(request, quirks).body.generationConfig)
const text = (text: string): IrBlock => ({ type: 'text', text })
const user = (...blocks: IrBlock[]): IrMessage => ({ role: 'user', blocks })
const model = (...blocks: IrBlock[]): IrMessage => ({ role: 'assistant', blocks })
const call = (id: string, input = '{}'): IrBlock => ({
  type: 'tool-call',
  id,
  name: `f_${id}`,
  kind: 'function',
  input,
})
const result = (id: string, output: string): IrBlock => ({
  type: 'tool-result',
  id,
  kind: 'function',
  content: [text(output)],
})
const thinking = (signature: string | null, account: string | null, words = ''): IrBlock => ({
  type: 'thinking',
  text: words,
  signature,
  mint: { protocol: 'google-generate', account },
})
const DUMMY = 'skip_thought_signature_validator'

function refusal(request: Partial<IrRequest>, quirks: Quirks = {}): AppError {
  try {
    encode(request, quirks)
  } catch (error) {
    assert.ok(error instanceof AppError)
    return error
  }
  throw new assert.AssertionError({ message: 'was not refused' })
}

describe('a conversation for Google', () => {
  it('has the answers to all calls of a turn together, in the order of the calls', () => {
    const contents = contentsOf(
      user(text('go')),
      model(text('ok'), call('a'), call('b')),
      user(result('b', 'B')),
      user(text('and this'), result('a', 'A')),
    )
    assert.deepEqual(contents[2], {
      role: 'user',
      parts: [
        { functionResponse: { id: 'a', name: 'f_a', response: { output: 'A' } } },
        { functionResponse: { id: 'b', name: 'f_b', response: { output: 'B' } } },
        { text: 'and this' },
      ],
    })
  })

  it('alternates, whoever speaks twice', () => {
    const contents = contentsOf(user(text('a')), user(text('b')), model(text('c')), model(text('d')), user(text('e')))
    assert.deepEqual(
      contents.map(({ role, parts }) => [role, (parts as unknown[]).length]),
      [
        ['user', 2],
        ['model', 2],
        ['user', 1],
      ],
    )
  })

  it('begins with the user when its first turn calls, and answers every call', () => {
    const { body, warnings } = encode({ messages: [model(call('a')), user(text('never mind'))] })
    const [first, , last] = body.contents as { role: string; parts: WireObject[] }[]
    assert.equal(first?.role, 'user')
    assert.ok(last?.parts[0] && 'functionResponse' in last.parts[0])
    assert.deepEqual(
      warnings.map(({ action }) => action),
      ['changed', 'changed'],
    )
  })

  it('tells a result without its call as text', () => {
    const { body, warnings } = encode({ messages: [user(text('go'), result('lost', 'found'))] })
    assert.deepEqual(body.contents, [{ role: 'user', parts: [{ text: 'go' }, { text: 'Result of a tool:\nfound' }] }])
    assert.equal(warnings[0]?.field, 'messages[0].content[1]')
  })

  it('gives results as objects where they are, and never as numbers that change', () => {
    const response = (output: string): unknown => {
      const [, , content] = contentsOf(user(text('x')), model(call('a')), user(result('a', output)))
      const [part] = (content as { parts: WireObject[] }).parts
      return asObject(part?.functionResponse)?.response
    }
    assert.deepEqual(response('{"a": [1]}'), { a: [1] })
    for (const plain of ['[1]', 'text', '{broken}', '{"id": 12345678901234567890}', ''])
      assert.deepEqual(response(plain), { output: plain })
  })

  it('marks system messages in its middle', () => {
    const { body, warnings } = encode({ messages: [user(text('a')), { role: 'system', blocks: [text('b')] }] })
    assert.deepEqual(body.contents, [{ role: 'user', parts: [{ text: 'a' }, { text: '<system>b</system>' }] }])
    assert.deepEqual(warnings, [{ action: 'changed', field: 'messages[1]', detail: 'sent as text of the user' }])
  })

  it('puts images into results, or behind all of them', () => {
    const image: IrBlock = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA==' } }
    const shot: IrBlock = { type: 'tool-result', id: 'a', kind: 'function', content: [text('ok'), image] }
    const messages = [user(text('x')), model(call('a'), call('b')), user(shot, result('b', 'B'))]
    const inlineData = { mimeType: 'image/png', data: 'AA==' }
    const partsWith = (quirks: Quirks) =>
      (encode({ messages }, quirks).body.contents as { parts: WireObject[] }[])[2]?.parts
    assert.deepEqual(asObject(partsWith({})?.[0]?.functionResponse)?.parts, [{ inlineData }])
    assert.equal(partsWith({})?.length, 2)
    assert.deepEqual(partsWith({ toolResultImages: false })?.[2], { inlineData })
  })

  it('gives addresses with what they are of, or refuses them', () => {
    const image: IrBlock = { type: 'image', source: { type: 'url', url: 'https://a.test/b.PNG?c' } }
    assert.deepEqual(contentsOf(user(image))[0]?.parts, [
      { fileData: { fileUri: 'https://a.test/b.PNG?c', mimeType: 'image/png' } },
    ])
    assert.equal(refusal({ messages: [user(image)] }, { fileUrls: false }).code, 'unsupported_feature')
    const upload: IrBlock = { type: 'document', source: { type: 'file-id', id: 'file_1' } }
    assert.equal(refusal({ messages: [user(upload)] }).param, 'messages[0].content[0]')
  })
})

describe('signatures for Google', () => {
  const modelParts = (...blocks: IrBlock[]) => contentsOf(user(text('x')), model(...blocks))[1]?.parts as WireObject[]
  const signatures = (...blocks: IrBlock[]) => modelParts(...blocks).map(({ thoughtSignature }) => thoughtSignature)

  it('stand on the part behind them, with the thoughts before it', () => {
    const parts = modelParts(thinking('S', 'acc', 'hm'), call('a'), call('b'))
    assert.deepEqual(parts, [
      { text: 'hm', thought: true },
      { functionCall: { id: 'a', name: 'f_a', args: {} }, thoughtSignature: 'S' },
      { functionCall: { id: 'b', name: 'f_b', args: {} } },
    ])
    assert.deepEqual(modelParts(text('a'), thinking('S', null)), [{ text: 'a' }, { text: '', thoughtSignature: 'S' }])
    assert.deepEqual(modelParts(thinking('S', null), thinking('T', null, 'hm'), text('a')), [
      { text: '', thoughtSignature: 'S' },
      { text: 'hm', thought: true },
      { text: 'a', thoughtSignature: 'T' },
    ])
  })

  it('belong to the first call when the client gives them back before the text', () => {
    assert.deepEqual(signatures(thinking('S', 'acc'), text('a'), call('a')), [undefined, 'S'])
    assert.deepEqual(signatures(thinking('S', 'acc'), text('a'), thinking('T', 'acc'), call('a')), ['S', 'T'])
    assert.deepEqual(signatures(thinking('S', 'acc'), text('a')), ['S'])
  })

  it('of others stay behind, told once, and the first call says that it has none', () => {
    const { body, warnings } = encode({
      messages: [
        user(text('x')),
        model(thinking('S', 'other', 'hm'), call('a'), call('b')),
        user(result('a', 'A'), result('b', 'B')),
        model({ type: 'redacted-thinking', data: 'R', mint: null }, call('c')),
      ],
    })
    const contents = body.contents as { parts: WireObject[] }[]
    assert.deepEqual(
      contents[1]?.parts.map(({ thoughtSignature }) => thoughtSignature),
      [DUMMY, undefined],
    )
    assert.deepEqual(
      contents[3]?.parts.map(({ thoughtSignature }) => thoughtSignature),
      [DUMMY],
    )
    assert.deepEqual(warnings, [
      { action: 'dropped', field: 'messages[1].content[0]', detail: 'reasoning of another model' },
    ])
  })

  it('are invented for nobody who speaks the protocol, unless theirs is of another account', () => {
    const own = (block: IrBlock[]) =>
      (
        encode({ source: 'google-generate', messages: [user(text('x')), model(...block, call('a'))] }).body
          .contents as { parts: WireObject[] }[]
      )[1]?.parts[0]?.thoughtSignature
    assert.equal(own([]), undefined)
    assert.equal(own([thinking('S', null)]), 'S')
    assert.equal(own([thinking('S', 'other')]), DUMMY)
  })
})

describe('tools for Google', () => {
  const tool = { type: 'function', name: 'f', parameters: { type: 'object', properties: {} } } as const

  it('are functions: custom ones take one text, groups become part of the name', () => {
    const { body, warnings } = encode({
      tools: [
        { ...tool, description: 'd', strict: true },
        { type: 'custom', name: 'patch', namespace: 'edit' },
        { type: 'function', name: '1st tool!', parameters: null },
      ],
      messages: [
        user(text('x')),
        model({ type: 'tool-call', id: 'a', name: 'patch', namespace: 'edit', kind: 'custom', input: 'A' }),
      ],
      toolChoice: { type: 'tool', kind: 'custom', name: 'patch' },
      parallelTools: false,
    })
    const [{ functionDeclarations }] = body.tools as [{ functionDeclarations: WireObject[] }]
    assert.deepEqual(
      functionDeclarations.map(({ name }) => name),
      ['f', 'edit__patch', '_1st_tool_'],
    )
    const [, { parts }] = body.contents as [unknown, { parts: WireObject[] }]
    assert.deepEqual(parts[0]?.functionCall, { id: 'a', name: 'edit__patch', args: { input: 'A' } })
    assert.deepEqual(body.toolConfig, { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['edit__patch'] } })
    assert.deepEqual(
      warnings.map(({ field }) => field),
      ['tools[0].strict', 'parallel_tool_calls'],
    )
  })

  it('may be called as the client says', () => {
    const config = (toolChoice: IrRequest['toolChoice']) =>
      asObject(encode({ tools: [tool], toolChoice }).body.toolConfig)?.functionCallingConfig
    assert.deepEqual(config({ type: 'auto' }), { mode: 'AUTO' })
    assert.deepEqual(config({ type: 'none' }), { mode: 'NONE' })
    assert.deepEqual(config({ type: 'required' }), { mode: 'ANY' })
    const allowedFunctionNames = ['f']
    assert.deepEqual(config({ type: 'allowed', mode: 'auto', names: ['f'] }), {
      mode: 'VALIDATED',
      allowedFunctionNames,
    })
    assert.deepEqual(config({ type: 'allowed', mode: 'required', names: ['f'] }), { mode: 'ANY', allowedFunctionNames })
  })

  it('of other vendors are left out, and the model is told', () => {
    const hosted = { type: 'hosted', protocol: 'openai-responses', kind: 'web_search', value: {} } as const
    const { body, warnings } = encode({ tools: [hosted, tool], system: [{ type: 'text', text: 's' }] })
    assert.equal((body.tools as unknown[]).length, 1)
    const { parts } = body.systemInstruction as { parts: unknown[] }
    assert.equal(parts.length, 2)
    assert.deepEqual(warnings, [{ action: 'dropped', field: 'tools[0]', detail: 'web_search' }])
  })

  it('whose arguments are no JSON object still reach the model', () => {
    const { body, warnings } = encode({ messages: [user(text('x')), model(call('a', '{"cut": "of'))] })
    const [, { parts }] = body.contents as [unknown, { parts: WireObject[] }]
    assert.deepEqual(asObject(parts[0]?.functionCall)?.args, { input: '{"cut": "of' })
    assert.equal(warnings[0]?.action, 'changed')
  })
})

describe('the configuration for Google', () => {
  it('asks for thoughts unless the client wants none, by budget or by level', () => {
    const thinkingConfig = (reasoning: IrRequest['reasoning'], quirks?: Quirks) =>
      configOf({ reasoning }, quirks)?.thinkingConfig
    assert.deepEqual(thinkingConfig(null), { includeThoughts: true })
    assert.deepEqual(thinkingConfig({ effort: 'medium' }), { includeThoughts: true, thinkingBudget: 8192 })
    assert.deepEqual(thinkingConfig({ budget: 99_999, show: false }), { thinkingBudget: 24_576 })
    assert.deepEqual(thinkingConfig({ mode: 'off' }), { thinkingBudget: 0 })
    const efforts = ['low', 'high']
    assert.deepEqual(thinkingConfig({ effort: 'max' }, { efforts }), { includeThoughts: true, thinkingLevel: 'HIGH' })
    assert.deepEqual(thinkingConfig({ mode: 'off' }, { efforts }), { thinkingLevel: 'LOW' })
    assert.deepEqual(thinkingConfig({ budget: 512 }, { efforts }), { includeThoughts: true, thinkingLevel: 'LOW' })
    assert.equal(configOf({ reasoning: { effort: 'low' } }, { reasoningControl: 'none' }), null)
  })

  it('says when it thinks less or more than was asked', () => {
    const { warnings } = encode({ reasoning: { effort: 'xhigh' } }, { efforts: ['high'] })
    assert.deepEqual(warnings, [{ action: 'changed', field: 'reasoning_effort', detail: 'high' }])
    assert.deepEqual(encode({ reasoning: { effort: 'high' } }, { efforts: ['high'] }).warnings, [])
  })

  it('binds answers to a schema, as far as the upstream can', () => {
    const format = {
      type: 'json-schema',
      name: 'n',
      schema: { type: 'object', properties: { a: { type: 'string' } } },
    } as const
    const config = configOf({ format })
    assert.equal(config?.responseMimeType, 'application/json')
    assert.deepEqual(config?.responseJsonSchema, format.schema)
    assert.equal(configOf({ format }, { structuredOutput: 'json_object' })?.responseJsonSchema, undefined)
    assert.equal(configOf({ format }, { structuredOutput: 'none' })?.responseMimeType, undefined)
  })

  it('has lengths, settings and at most five stops', () => {
    const stop = ['1', '2', '3', '4', '5', '6']
    const { body, warnings } = encode({
      maxOutput: 9,
      settings: { stop, temperature: 0, endUser: 'u' },
      reasoning: null,
    })
    assert.deepEqual(body.generationConfig, {
      maxOutputTokens: 9,
      thinkingConfig: { includeThoughts: true },
      stopSequences: stop.slice(0, 5),
      temperature: 0,
    })
    assert.deepEqual(
      warnings.map(({ field }) => field),
      ['stop', 'safety_identifier'],
    )
  })

  it('tells once that cache marks are not sent, and refuses several answers', () => {
    const cache = { ttl: null }
    const marked = encode({
      system: [{ type: 'text', text: 's', cache }],
      messages: [user({ type: 'text', text: 'x', cache })],
    })
    assert.deepEqual(
      marked.warnings.map(({ field }) => field),
      ['system[0].cache_control'],
    )
    assert.equal(refusal({ answers: 2 }).param, 'n')
    assert.equal(configOf({ source: 'google-generate', answers: 2 })?.candidateCount, 2)
  })

  it('sends the system prompt as text of the user when there is nothing else', () => {
    const { body } = encode({ system: [{ type: 'text', text: 's' }], messages: [] })
    assert.deepEqual([body.contents, body.systemInstruction], [[{ role: 'user', parts: [{ text: 's' }] }], undefined])
  })
})

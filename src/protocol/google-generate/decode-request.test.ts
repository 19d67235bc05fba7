import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '../../base/errors.ts'
import { packThoughts } from '../translation/bundle.ts'
import { sealBase64 } from '../translation/seal.ts'
import type { WireObject } from '../wire-value.ts'
import { googleCodec } from './codec.ts'
import { decodeCountRequest } from './decode-request.ts'

const context = { model: 'gemini-x', stream: true }
const decode = (body: WireObject) => googleCodec.decodeRequest({ contents: 'hi', ...body }, context)
const blocksOf = (parts: unknown[], role = 'model') => decode({ contents: [{ role, parts }] }).messages[0]?.blocks
const OWN = { protocol: 'google-generate', account: null }
const thinking = (text: string, signature: string | null, mint: object = OWN) => ({
  type: 'thinking',
  text,
  signature,
  mint,
})
const call = (name: string, more: object = {}): object => ({ functionCall: { name, ...more } })
const result = (name: string, more: object = {}): object => ({ functionResponse: { name, ...more } })

function refused(body: WireObject): string | undefined {
  try {
    googleCodec.decodeRequest(body, context)
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'invalid_request')
    return error.param
  }
  return undefined
}

describe('the contents of a Google request', () => {
  it('may be a text, a part, a content, or lists of them', () => {
    const hi = [{ role: 'user', blocks: [{ type: 'text', text: 'hi' }] }]
    const forms = ['hi', { text: 'hi' }, { parts: [{ text: 'hi' }] }, { role: 'user', parts: { text: 'hi' } }]
    for (const contents of [...forms, ...forms.map((form) => [form])])
      assert.deepEqual(decode({ contents }).messages, hi)
  })

  it('may be spelled in either case', () => {
    const camel = {
      systemInstruction: { parts: [{ text: 's' }] },
      contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }] }],
      tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object' } }] }],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
      generationConfig: { topP: 0.5, maxOutputTokens: 9, thinkingConfig: { thinkingBudget: 5 } },
    }
    const snake = {
      system_instruction: { parts: [{ text: 's' }] },
      contents: [{ role: 'user', parts: [{ inline_data: { mime_type: 'image/png', data: 'AA==' } }] }],
      tools: [{ function_declarations: [{ name: 'f', parameters_json_schema: { type: 'object' } }] }],
      tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
      generation_config: { top_p: 0.5, max_output_tokens: 9, thinking_config: { thinking_budget: 5 } },
    }
    assert.deepEqual(decode(snake), decode(camel))
    assert.deepEqual(decode(camel).raw, {})
  })

  it('give calls and results without ids the same ones, by name and order', () => {
    const { messages } = decode({
      contents: [
        { role: 'user', parts: [{ text: 'go' }] },
        { role: 'model', parts: [call('read'), call('read', { id: 'call_1' }), call('list', { args: { a: 1 } })] },
        { role: 'function', parts: [result('list'), result('read')] },
        { role: 'user', parts: [result('read')] },
        { role: 'user', parts: [{ text: 'and' }] },
        { role: 'model', parts: [call('read')] },
        { role: 'user', parts: [result('renamed')] },
      ],
    })
    const ids = messages.map(({ blocks }) => blocks.flatMap((block) => ('id' in block ? [block.id] : [])))
    assert.deepEqual(ids, [
      [],
      ['call_0', 'call_1', 'call_2'],
      ['call_2', 'call_0', 'call_1'],
      [],
      ['call_3'],
      ['call_3'],
    ])
    assert.deepEqual(messages[1]?.blocks[2], {
      type: 'tool-call',
      id: 'call_2',
      name: 'list',
      kind: 'function',
      input: '{"a":1}',
      raw: { functionCall: { id: null } },
    })
  })

  it('give results as text, as faults, or as JSON', () => {
    const read = (response: unknown) => {
      const [block] = blocksOf([result('f', { id: 'x', response })], 'user') ?? []
      assert.equal(block?.type, 'tool-result')
      return block?.type === 'tool-result' ? [block.content.map((c) => 'text' in c && c.text), block.isError] : null
    }
    assert.deepEqual(read({ output: 'a' }), [['a'], undefined])
    assert.deepEqual(read({ result: 'a' }), [['a'], undefined])
    assert.deepEqual(read({ name: 'f', content: 'a' }), [['a'], undefined])
    assert.deepEqual(read({ error: 'a' }), [['a'], true])
    assert.deepEqual(read({ error: { code: 1 } }), [['{"code":1}'], true])
    assert.deepEqual(read({ a: [1], b: null }), [['{"a":[1],"b":null}'], undefined])
    assert.deepEqual(read(undefined), [[], undefined])
  })

  it('carry images in results', () => {
    const parts = [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }]
    const [block] = blocksOf([result('f', { id: 'x', response: { output: 'a' }, parts })], 'user') ?? []
    const image = { type: 'image', source: { type: 'data', mediaType: 'image/png', data: 'AA==' } }
    assert.deepEqual(block?.type === 'tool-result' && block.content, [{ type: 'text', text: 'a' }, image])
  })

  it('are one turn of the model when its SDK kept it chunk by chunk', () => {
    const contents = ['a', 'b'].map((text) => ({ role: 'model', parts: [{ text }] }))
    const texts = ['a', 'b'].map((text) => ({ type: 'text', text }))
    assert.deepEqual(decode({ contents }).messages, [{ role: 'assistant', blocks: texts }])
  })

  it('tell files at an address from files that only Google can read', () => {
    const sources = ['https://a.test/b.pdf', 'gs://b/c', 'https://generativelanguage.googleapis.com/v1beta/files/x']
    const blocks = blocksOf(
      sources.map((fileUri) => ({ fileData: { fileUri, mimeType: 'application/pdf' } })),
      'user',
    )
    assert.deepEqual(
      blocks?.map((block) => block.type === 'document' && block.source.type),
      ['url', 'file-id', 'file-id'],
    )
  })
})

describe('signatures in a Google request', () => {
  const tool = { type: 'tool-call', id: 'c', name: 'f', kind: 'function', input: '{}' }
  const signed = (thoughtSignature: string): object => ({
    functionCall: { id: 'c', name: 'f', args: {} },
    thoughtSignature,
  })

  it('become a thinking block before what they stand on, with the thoughts directly before', () => {
    assert.deepEqual(blocksOf([signed('S')]), [thinking('', 'S'), tool])
    const shown = [{ text: 'a', thought: true }, { text: 'b', thought: true }, signed('S')]
    assert.deepEqual(blocksOf(shown), [thinking('a', null), thinking('b', 'S'), tool])
    const apart = [{ text: 'a', thought: true }, { text: 'x' }, signed('S')]
    assert.deepEqual(blocksOf(apart), [thinking('a', null), { type: 'text', text: 'x' }, thinking('', 'S'), tool])
  })

  it('on an empty text at the end are a thinking block at the end', () => {
    const text = { type: 'text', text: 'x' }
    assert.deepEqual(blocksOf([{ text: 'x' }, { text: '', thoughtSignature: 'S' }]), [text, thinking('', 'S')])
  })

  it('find the account that made them in their seal', () => {
    const mint = { protocol: 'google-generate', account: 'a1' } as const
    assert.deepEqual(blocksOf([signed(sealBase64(mint, 'signature', 'S'))]), [thinking('', 'S', mint), tool])
  })

  it('bring back all that was thought, in place of what the client shows of it', () => {
    const mint = { protocol: 'anthropic-messages', account: 'a1' } as const
    const thoughts = [
      { type: 'thinking', text: 'all of it', signature: 'S', mint },
      { type: 'redacted-thinking', data: 'R', mint },
    ] as const
    const bundle = sealBase64(mint, 'bundle', packThoughts(thoughts))
    assert.deepEqual(blocksOf([signed(bundle)]), [...thoughts, tool])
    assert.deepEqual(blocksOf([{ text: 'all', thought: true }, signed(bundle)]), [...thoughts, tool])
  })

  it('are nothing in a turn of the user', () => {
    const [block] = blocksOf([{ text: 'a', thought: true, thoughtSignature: 'S' }], 'user') ?? []
    assert.deepEqual(block, { type: 'text', text: 'a', raw: { thought: true, thoughtSignature: 'S' } })
  })
})

describe('tools and settings of a Google request', () => {
  it("have schemas in Google's dialect read as JSON Schema, and kept as they came", () => {
    const parameters = {
      type: 'OBJECT',
      properties: {
        type: { type: 'STRING', nullable: true, enum: ['a'], format: 'enum', maxLength: '5' },
        list: { type: 'ARRAY', items: { any_of: [{ type: 'NUMBER' }, { type: 'NULL' }] } },
      },
      propertyOrdering: ['type'],
    }
    const { tools } = decode({ tools: [{ functionDeclarations: [{ name: 'f', parameters }] }, { googleSearch: {} }] })
    assert.deepEqual(tools, [
      {
        type: 'function',
        name: 'f',
        parameters: {
          type: 'object',
          properties: {
            type: { type: ['string', 'null'], enum: ['a', null], maxLength: 5 },
            list: { type: 'array', items: { anyOf: [{ type: 'number' }, { type: 'null' }] } },
          },
        },
        raw: { parameters },
      },
      { type: 'hosted', protocol: 'google-generate', kind: 'googleSearch', value: { googleSearch: {} } },
    ])
  })

  it('say in one set of words which tools may be called', () => {
    const choice = (functionCallingConfig: object) => decode({ toolConfig: { functionCallingConfig } }).toolChoice
    assert.deepEqual(choice({ mode: 'AUTO' }), { type: 'auto' })
    assert.deepEqual(choice({ mode: 'NONE' }), { type: 'none' })
    assert.deepEqual(choice({ mode: 'any' }), { type: 'required' })
    const one = { type: 'tool', kind: 'function', name: 'f' }
    assert.deepEqual(choice({ mode: 'ANY', allowedFunctionNames: ['f'] }), one)
    const names = ['f', 'g']
    assert.deepEqual(choice({ mode: 'ANY', allowedFunctionNames: names }), { type: 'allowed', mode: 'required', names })
    assert.deepEqual(choice({ mode: 'VALIDATED', allowedFunctionNames: ['f'] }), {
      type: 'allowed',
      mode: 'auto',
      names: ['f'],
    })
    assert.deepEqual(choice({ mode: 'VALIDATED' }), { type: 'auto' })
    assert.equal(choice({}), null)
  })

  it('are read from where they stand, and what has no word is kept by its path', () => {
    const request = decode({
      generationConfig: {
        temperature: 0.1,
        stopSequences: ['x'],
        candidateCount: 2,
        maxOutputTokens: 7,
        mediaResolution: 'LOW',
        thinkingConfig: { includeThoughts: true, thinkingLevel: 'HIGH', later: 1 },
        responseMimeType: 'application/json',
        responseSchema: { type: 'STRING' },
      },
      safetySettings: [],
      labels: { team: 'a' },
      toolConfig: { functionCallingConfig: { mode: 'VALIDATED' }, retrievalConfig: {} },
    })
    assert.deepEqual(request.settings, { temperature: 0.1, stop: ['x'], metadata: { team: 'a' } })
    assert.deepEqual([request.answers, request.maxOutput], [2, 7])
    assert.deepEqual(request.reasoning, { effort: 'high', show: true })
    assert.deepEqual(request.format, { type: 'json-schema', name: null, schema: { type: 'string' } })
    assert.deepEqual(request.raw, {
      safetySettings: [],
      'generationConfig.mediaResolution': 'LOW',
      'generationConfig.thinkingConfig.later': 1,
      'toolConfig.retrievalConfig': {},
      'toolConfig.functionCallingConfig.mode': 'VALIDATED',
    })
  })

  it('turn thinking off with a budget of nothing', () => {
    const reasoning = (thinkingConfig: object) => decode({ generationConfig: { thinkingConfig } }).reasoning
    assert.deepEqual(reasoning({ thinkingBudget: 0 }), { mode: 'off', budget: 0 })
    assert.deepEqual(reasoning({ thinkingBudget: -1, includeThoughts: false }), { budget: -1, show: false })
    assert.equal(reasoning({}), null)
  })
})

describe('a Google request that cannot be read', () => {
  it('is refused with the path of the fault', () => {
    const part = (value: unknown): WireObject => ({ contents: [{ role: 'user', parts: [value] }] })
    assert.equal(refused({}), 'contents')
    assert.equal(refused({ contents: [] }), 'contents')
    assert.equal(refused({ contents: [7] }), 'contents[0]')
    assert.equal(refused({ contents: [{ role: 'tool', parts: [] }] }), 'contents[0].role')
    assert.equal(refused({ contents: [{ parts: 7 }] }), 'contents[0].parts')
    assert.equal(refused(part(7)), 'contents[0].parts[0]')
    assert.equal(refused(part({ text: 7 })), 'contents[0].parts[0].text')
    assert.equal(refused(part({ inlineData: {} })), 'contents[0].parts[0].inlineData')
    assert.equal(refused(part({ fileData: {} })), 'contents[0].parts[0].fileData.fileUri')
    assert.equal(refused(part(call('f'))), 'contents[0].parts[0].functionCall')
    assert.equal(refused({ contents: 'a', generationConfig: 7 }), 'generationConfig')
    assert.equal(
      refused({ contents: 'a', generationConfig: { maxOutputTokens: 'x' } }),
      'generationConfig.maxOutputTokens',
    )
    assert.equal(
      refused({ contents: 'a', tools: [{ functionDeclarations: [{}] }] }),
      'tools[0].functionDeclarations[0].name',
    )
  })

  it('is refused, not fallen over, when it is nested too deeply', () => {
    let args: unknown = 1
    // Names that are numbers keep V8 from writing it without recursion.
    for (let i = 0; i < 200_000; i++) args = { 1: args }
    const contents = [{ role: 'model', parts: [call('f', { args })] }]
    assert.equal(refused({ contents }), 'contents[0].parts[0].functionCall.args')
    assert.equal(
      decode({ tools: [{ functionDeclarations: [{ name: 'f', parameters: { items: args } }] }] }).tools.length,
      1,
    )
  })
})

describe('a request to count tokens', () => {
  it('is contents alone or a whole request, in either case', () => {
    const { messages, system } = decode({ systemInstruction: 's' })
    const whole = { model: 'models/x', contents: 'hi', systemInstruction: 's' }
    for (const body of [whole, { generateContentRequest: whole }, { generate_content_request: whole }]) {
      const request = decodeCountRequest(body, context)
      assert.deepEqual([request.messages, request.system], [messages, system])
    }
  })
})

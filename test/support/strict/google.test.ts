/** The strict Gemini upstream refuses what Google refuses, and answers so that Google's own library reads it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Content, GoogleGenAI } from '@google/genai'
import { type AnyBody, copy, type PlantedFault, testFaults } from './fault-table.ts'
import { strictGoogle } from './google.ts'
import { checkGoogle, signedCall, signedText } from './google-rules.ts'
import { createMint } from './mint.ts'
import { startStrictServer } from './server.ts'

const mint = createMint('here')
const CALL = { name: 'look', args: { at: 'sky', far: true } }
const SIGNATURE = mint.sign(`1 ${signedCall(CALL)}`)

function sound() {
  return copy({
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    tools: [
      {
        functionDeclarations: [
          { name: 'look', parametersJsonSchema: { type: 'object', properties: { at: { type: 'string' } } } },
        ],
      },
    ],
    toolConfig: { functionCallingConfig: { mode: 'AUTO' } },
    generationConfig: { maxOutputTokens: 4000, thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } },
    contents: [
      { role: 'user', parts: [{ text: 'Look around.' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'look', args: { far: true, at: 'sky' } }, thoughtSignature: SIGNATURE },
          { functionCall: { name: 'look', args: { at: 'sea' } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'look', response: { output: 'blue' } } },
          { functionResponse: { name: 'look', response: { output: 'grey' } } },
        ],
      },
    ],
  })
}

const FAULTS: readonly PlantedFault[] = [
  ['an unknown member', (body) => (body.model = 'm'), /model/],
  ['no contents', (body) => (body.contents = []), /contents/],
  ['a role of others', (body) => (body.contents[0].role = 'assistant'), /one of/],
  ['two turns of one role', (body) => body.contents.unshift(body.contents[0]), /alternate/],
  [
    'an end with the model',
    (body) => body.contents.push({ role: 'model', parts: [{ text: 'Blue' }] }),
    /end with a user/,
  ],
  ['a turn without parts', (body) => (body.contents[0].parts = []), /empty/],
  ['an empty text', (body) => (body.contents[0].parts[0].text = ''), /empty/],
  [
    'a part of two kinds',
    (body) => (body.contents[0].parts[0].inlineData = { mimeType: 'image/png', data: 'AAAA' }),
    /oneof/,
  ],
  ['a part of no kind', (body) => (body.contents[0].parts[0] = { thought: true }), /oneof/],
  ['data that is no base64', (body) => (body.contents[0].parts[1].inlineData.data = 'data:,x'), /base64/],
  ['a call of the user', (body) => body.contents[0].parts.push(body.contents[1].parts[1]), /from the model/],
  ['a missing response', (body) => body.contents[2].parts.pop(), /number of function response/],
  [
    'a response too many',
    (body) => body.contents[2].parts.push(body.contents[2].parts[0]),
    /number of function response/,
  ],
  [
    'a response of another name',
    (body) => (body.contents[2].parts[0].functionResponse.name = 'leap'),
    /no function call matches/,
  ],
  ['a response as text', (body) => (body.contents[2].parts[0].functionResponse.response = 'blue'), /object/],
  [
    'a call without its signature',
    (body) => delete body.contents[1].parts[0].thoughtSignature,
    /missing a thought_signature/,
  ],
  [
    'a foreign signature',
    (body) => (body.contents[1].parts[0].thoughtSignature = createMint('there').sign('x')),
    /invalid/,
  ],
  ['a signature of another call', (body) => (body.contents[1].parts[1].thoughtSignature = SIGNATURE), /another part/],
  [
    'a signature of text on a call',
    (body) => (body.contents[1].parts[0].thoughtSignature = mint.sign(`1 ${signedText()}`)),
    /another part/,
  ],
  [
    'the dummy signature',
    (body) => (body.contents[1].parts[0].thoughtSignature = 'skip_thought_signature_validator'),
    /invalid/,
  ],
  ['a signature of the user', (body) => (body.contents[0].parts[0].thoughtSignature = SIGNATURE), /only the model/],
  ['a $schema', (body) => (schemaOf(body).$schema = 'x'), /\$schema/],
  ['an exclusiveMinimum', (body) => (schemaOf(body).properties.at.exclusiveMinimum = 1), /exclusiveMinimum/],
  ['words beside a reference', (body) => (schemaOf(body).properties.at.$ref = '#/$defs/x'), /\$ref/],
  ['a required property that is none', (body) => (schemaOf(body).required = ['to']), /not defined/],
  ['a schema of another type', (body) => (schemaOf(body).type = 'string'), /type object/],
  ['JSON Schema in parameters', (body) => openApi(body, { additionalProperties: false }), /additionalProperties/],
  [
    'two declarations of one name',
    (body) => body.tools[0].functionDeclarations.push(body.tools[0].functionDeclarations[0]),
    /duplicate/,
  ],
  ['a tool in the form of chat', (body) => (body.tools[0] = { type: 'function' }), /unknown member/],
  [
    'allowed names without a mode for them',
    (body) => (body.toolConfig.functionCallingConfig.allowedFunctionNames = ['look']),
    /ANY/,
  ],
  ['a budget and a level', (body) => (body.generationConfig.thinkingConfig.thinkingLevel = 'low'), /together/],
  ['a schema without a media type', (body) => (body.generationConfig.responseJsonSchema = {}), /responseMimeType/],
]

function schemaOf(body: AnyBody): AnyBody {
  return body.tools[0].functionDeclarations[0].parametersJsonSchema
}

function openApi(body: AnyBody, more: object): void {
  const declaration = body.tools[0].functionDeclarations[0]
  declaration.parameters = { ...declaration.parametersJsonSchema, ...more }
  delete declaration.parametersJsonSchema
}

describe('strict google', () => {
  testFaults(sound, (body) => checkGoogle('k', body, mint, {}), FAULTS)

  test('the documented dummy signature is taken where it is allowed', () => {
    const body = sound() as AnyBody
    body.contents[1].parts[0].thoughtSignature = 'skip_thought_signature_validator'
    checkGoogle('k', body, mint, { dummySignature: true })
  })

  test("Google's library reads its answers, streamed and whole, and returns what it accepts", async (t) => {
    const server = await startStrictServer(strictGoogle())
    t.after(() => server.close())
    const ai = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: server.baseUrl.replace('/v1beta', '') } })
    const calls = [{ id: 'a', name: 'look', arguments: { at: 'sky' } }]
    const turn = { reasoning: 'First look, then leap.', calls }
    server.play(turn, turn, { reasoning: 'Then.', text: 'Blue.' })
    const config = { thinkingConfig: { includeThoughts: true } }
    const contents: Content[] = [{ role: 'user', parts: [{ text: 'Look.' }] }]
    const parts = []
    for await (const chunk of await ai.models.generateContentStream({ model: 'm', contents, config })) {
      parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []))
    }
    const whole = await ai.models.generateContent({ model: 'm', contents, config })
    assert.deepEqual(parts.at(-1)?.functionCall, whole.functionCalls?.[0])
    const model = whole.candidates?.[0]?.content as Content
    contents.push(model, {
      role: 'user',
      parts: [{ functionResponse: { name: 'look', response: { output: 'blue' } } }],
    })
    const last = await ai.models.generateContent({ model: 'm', contents, config })
    assert.deepEqual([last.text, server.breaches], ['Blue.', []])
  })
})

/** The strict Responses upstream refuses what OpenAI refuses, and answers so that OpenAI's own library reads it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import OpenAI from 'openai'
import { type AnyBody, copy, type PlantedFault, testFaults } from './fault-table.ts'
import { createMint } from './mint.ts'
import { strictResponses } from './responses.ts'
import { checkResponses } from './responses-rules.ts'
import { startStrictServer } from './server.ts'
import { TURN_USAGE } from './turn.ts'

const mint = createMint('here')
const MINTED = { reasoningOf: new Map([['fc_1', 'rs_1']]) }

function sound() {
  return copy({
    model: 'm',
    store: false,
    include: ['reasoning.encrypted_content'],
    max_output_tokens: 4000,
    tools: [
      {
        type: 'function',
        name: 'look',
        parameters: { type: 'object', properties: { at: { type: 'string' } } },
        strict: false,
      },
    ],
    input: [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'input_text', text: 'Look around.' }] },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: mint.sign('rs_1') },
      { type: 'function_call', id: 'fc_1', call_id: 'a', name: 'look', arguments: '{"at":"sky"}' },
      { type: 'function_call', call_id: 'b', name: 'look', arguments: '{"at":"sea"}' },
      { type: 'function_call_output', call_id: 'a', output: 'blue' },
      { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'grey' }] },
    ],
  })
}

const FAULTS: readonly PlantedFault[] = [
  ['an unknown parameter', (body) => (body.max_tokens = 5), /unknown parameter/],
  ['a stored response', (body) => (body.previous_response_id = 'resp_1'), /stored/],
  ['a tiny cap', (body) => (body.max_output_tokens = 5), /16/],
  ['a strange include', (body) => (body.include = ['reasoning']), /one of/],
  ['chat content', (body) => (body.input[1].content[0].type = 'text'), /one of/],
  ['input parts of the assistant', (body) => (body.input[1].role = 'assistant'), /one of/],
  ['an unknown item', (body) => (body.input[1] = { type: 'tool_use' }), /tool_use/],
  ['an unknown member of an item', (body) => (body.input[3].index = 0), /index/],
  ['a call without an output', (body) => body.input.pop(), /no tool output/],
  ['an output without a call', (body) => body.input.splice(4, 1), /no tool call/],
  [
    'a long call id',
    (body) => [(body.input[4].call_id = 'b'.repeat(65)), (body.input[6].call_id = 'b'.repeat(65))],
    /longer/,
  ],
  ['an id of another kind', (body) => (body.input[3].id = 'call_1'), /begins with 'fc'/],
  ['foreign reasoning', (body) => (body.input[2].encrypted_content = createMint('there').sign('rs_1')), /verified/],
  ['reasoning under another id', (body) => (body.input[2].id = 'rs_2'), /item_id/],
  ['reasoning without its content', (body) => delete body.input[2].encrypted_content, /not found/],
  ['reasoning without a summary', (body) => delete body.input[2].summary, /summary/],
  ['reasoning that leads to nothing', (body) => body.input.splice(3, 0, body.input[1]), /following item/],
  ['a call without its reasoning', (body) => body.input.splice(2, 1), /required 'reasoning' item/],
  ['an open strict schema', (body) => (body.tools[0].strict = true), /additionalProperties/],
  [
    'a strict schema with an optional property',
    (body) =>
      Object.assign(body.tools[0], {
        strict: true,
        parameters: { ...body.tools[0].parameters, additionalProperties: false },
      }),
    /required/,
  ],
  [
    'a tool in the form of chat',
    (body) => (body.tools[0] = { type: 'function', function: { name: 'look' } }),
    /unknown member/,
  ],
  ['a choice of a missing tool', (body) => (body.tool_choice = { type: 'function', name: 'leap' }), /not among/],
  ['a choice in the form of Messages', (body) => (body.tool_choice = 'any'), /one of/],
  ['a strange effort', (body) => (body.reasoning = { effort: 'enormous' }), /one of/],
  [
    'a format in the form of chat',
    (body) => (body.text = { format: { type: 'json_schema', json_schema: {} } }),
    /unknown member/,
  ],
  ['options of a stream without one', (body) => (body.stream_options = {}), /stream/],
]

describe('strict responses', () => {
  testFaults(sound, (body) => checkResponses({ authorization: 'Bearer k' }, body, mint, MINTED), FAULTS)

  test("OpenAI's library reads its answers, streamed and whole, and returns what it accepts", async (t) => {
    const server = await startStrictServer(strictResponses())
    t.after(() => server.close())
    const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'k', maxRetries: 0 })
    const turn = {
      reasoning: 'First look, then leap.',
      text: 'Looking…',
      calls: [{ id: 'a', name: 'look', arguments: { at: 'sky' } }],
    }
    const { input: _, ...rest } = sound() as AnyBody
    const request = { ...rest, reasoning: { summary: 'auto' }, input: [{ role: 'user', content: 'Look.' }] }
    server.play(turn, turn, { text: 'Blue.' }, { text: 'It is bl', finish: 'length' })
    const streamed = await client.responses.stream(request).finalResponse()
    const whole = await client.responses.create(request)
    assert.deepEqual(
      streamed.output.map(({ type }) => type),
      ['reasoning', 'message', 'function_call'],
    )
    assert.deepEqual([streamed.output_text, streamed.usage], [whole.output_text, whole.usage])
    assert.equal(whole.usage?.output_tokens, TURN_USAGE.output)
    const input = [...request.input, ...whole.output, { type: 'function_call_output', call_id: 'a', output: 'blue' }]
    const last = await client.responses.create({ ...request, input })
    const cut = await client.responses.stream({ ...request, input }).finalResponse()
    assert.deepEqual([last.status, last.output_text, cut.status], ['completed', 'Blue.', 'incomplete'])
    assert.deepEqual(server.breaches, [])
  })
})

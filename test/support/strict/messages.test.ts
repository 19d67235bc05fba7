/** The strict Messages upstream refuses what Anthropic refuses, and answers so that Anthropic's own library reads it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { copy, type PlantedFault, testFaults } from './fault-table.ts'
import { strictMessages } from './messages.ts'
import { checkMessages } from './messages-rules.ts'
import { createMint } from './mint.ts'
import { startStrictServer } from './server.ts'
import { TURN_USAGE } from './turn.ts'

const mint = createMint('here')
const THOUGHT = 'First look, then leap.'
const SIGNATURE = mint.sign(THOUGHT)

function sound() {
  return copy({
    model: 'm',
    max_tokens: 4000,
    thinking: { type: 'enabled', budget_tokens: 2000 },
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    tools: [{ name: 'look', input_schema: { type: 'object', properties: { at: { type: 'string' } } } }],
    tool_choice: { type: 'auto' },
    messages: [
      { role: 'user', content: 'Look around.' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: THOUGHT, signature: SIGNATURE },
          { type: 'tool_use', id: 'a', name: 'look', input: { at: 'sky' } },
          { type: 'tool_use', id: 'b', name: 'look', input: { at: 'sea' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: 'blue' },
          { type: 'tool_result', tool_use_id: 'b', content: [{ type: 'text', text: 'grey' }] },
          { type: 'text', text: 'Well?' },
        ],
      },
    ],
  })
}

const FAULTS: readonly PlantedFault[] = [
  ['no max_tokens', (body) => delete body.max_tokens, /max_tokens/],
  ['an unknown member', (body) => (body.stream_options = {}), /stream_options/],
  ['an empty conversation', (body) => (body.messages = []), /messages/],
  ['a first message of the assistant', (body) => body.messages.shift(), /first message/],
  ['a system role', (body) => (body.messages[0].role = 'system'), /role/],
  ['an empty text block', (body) => (body.messages[2].content[2].text = ''), /non-empty/],
  ['blank text', (body) => (body.messages[0].content = ' \n'), /non-whitespace/],
  ['an unknown block', (body) => (body.messages[2].content[2] = { type: 'input_text', text: 'x' }), /input_text/],
  ['a member that blocks do not have', (body) => (body.messages[2].content[2].id = 'x'), /unknown member/],
  ['a call without an answer', (body) => body.messages[2].content.splice(1, 1), /without `tool_result`/],
  ['results in two messages', splitResults, /without `tool_result`/],
  ['a result before its call', (body) => (body.messages[2].content[0].tool_use_id = 'c'), /without|unexpected/],
  ['two results of one call', (body) => body.messages[2].content.splice(1, 0, body.messages[2].content[0]), /single/],
  ['text before results', (body) => body.messages[2].content.unshift(body.messages[2].content.pop()), /come first/],
  ['an id used twice', (body) => repeatLoop(body), /unique/],
  ['an id with a colon', (body) => (body.messages[1].content[1].id = 'call:1'), /does not match/],
  ['arguments as text', (body) => (body.messages[1].content[1].input = '{}'), /object/],
  [
    'an empty error result',
    (body) => Object.assign(body.messages[2].content[0], { content: '', is_error: true }),
    /empty/,
  ],
  ['an image without base64', (body) => (body.messages[0].content = [imageOf('data:image/png;base64,AA==')]), /base64/],
  ['an image of a strange type', (body) => (body.messages[0].content = [imageOf('AAAA', 'image/bmp')]), /one of/],
  ['a union as root of a schema', (body) => (body.tools[0].input_schema.anyOf = []), /anyOf/],
  ['a schema without a type', (body) => delete body.tools[0].input_schema.type, /object/],
  ['two tools of one name', (body) => body.tools.push(body.tools[0]), /unique/],
  ['a choice without tools', (body) => delete body.tools, /tool_choice/],
  ['a choice of a missing tool', (body) => forced(body, { type: 'tool', name: 'leap' }), /no such tool/],
  ['forced tools while thinking', (body) => (body.tool_choice = { type: 'any' }), /forces tool use/],
  ['a small budget', (body) => (body.thinking.budget_tokens = 1000), /1024/],
  ['a budget as large as the cap', (body) => (body.max_tokens = 2000), /greater than/],
  ['adaptive thinking of a budget model', (body) => (body.thinking = { type: 'adaptive' }), /not supported/],
  ['a temperature while thinking', (body) => (body.temperature = 0.5), /temperature/],
  ['top_k while thinking', (body) => (body.top_k = 5), /top_k/],
  ['a tool turn without its thinking', (body) => body.messages[1].content.shift(), /expected `thinking`/],
  ['thinking after the call', (body) => body.messages[1].content.push(body.messages[1].content.shift()), /expected/],
  [
    'a foreign signature',
    (body) => (body.messages[1].content[0].signature = createMint('there').sign(THOUGHT)),
    /signature/,
  ],
  ['thinking that was changed', (body) => (body.messages[1].content[0].thinking += '!'), /modified/],
  [
    'foreign redacted thinking',
    (body) => (body.messages[1].content[0] = { type: 'redacted_thinking', data: 'x' }),
    /data/,
  ],
  ['five cache marks', (body) => markAll(body), /maximum of 4/],
  ['a strange ttl', (body) => (body.system[0].cache_control.ttl = '2h'), /one of/],
  ['a format with open objects', (body) => (body.output_config = openFormat()), /additionalProperties/],
  [
    'a prefilled answer while thinking',
    (body) => body.messages.push({ role: 'assistant', content: 'It' }),
    /end with a user/,
  ],
]

function splitResults(body: ReturnType<typeof sound>): void {
  const content = body.messages[2]?.content
  if (Array.isArray(content)) body.messages.push({ role: 'user', content: content.splice(1) } as never)
}

function repeatLoop(body: ReturnType<typeof sound>): void {
  body.messages.push(...body.messages.slice(1))
}

function imageOf(data: string, media_type = 'image/png'): object {
  return { type: 'image', source: { type: 'base64', media_type, data } }
}

function forced(body: ReturnType<typeof sound>, choice: object): void {
  Object.assign(body, { tool_choice: choice, thinking: { type: 'disabled' } })
}

function markAll(body: ReturnType<typeof sound>): void {
  const marked = Array.from({ length: 5 }, () => ({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }))
  body.messages[0] = { role: 'user', content: marked as never }
}

function openFormat(): object {
  return { format: { type: 'json_schema', schema: { type: 'object', properties: {} } } }
}

describe('strict messages', () => {
  const headers = { 'anthropic-version': '2023-06-01', 'x-api-key': 'k' }
  testFaults(sound, (body) => checkMessages({ headers, body } as never, mint, {}), FAULTS)

  test('a mark with ttl is refused where only plain ones are taken', () => {
    const body = sound()
    Object.assign(body.system[0]?.cache_control ?? {}, { ttl: '1h' })
    assert.throws(() => checkMessages({ headers, body } as never, mint, { cacheMarks: 'plain' }), /ttl/)
  })

  test("Anthropic's library reads its answers, streamed and whole, and returns what it accepts", async (t) => {
    const server = await startStrictServer(strictMessages())
    t.after(() => server.close())
    const client = new Anthropic({ baseURL: server.baseUrl.replace('/v1', ''), apiKey: 'k', maxRetries: 0 })
    const turn = {
      reasoning: THOUGHT,
      isRedacted: true,
      text: 'Looking…',
      calls: [{ id: 'a', name: 'look', arguments: { at: 'sky' } }],
    }
    const { messages: _, tool_choice: __, ...rest } = sound()
    const request = {
      ...rest,
      messages: [{ role: 'user', content: 'Look.' }],
    } as Anthropic.MessageCreateParamsNonStreaming
    server.play(turn, turn, { text: 'Blue.' })
    const streamed = await client.messages.stream(request).finalMessage()
    const whole = await client.messages.create(request)
    assert.deepEqual(
      streamed.content.map(({ type }) => type),
      ['redacted_thinking', 'thinking', 'text', 'tool_use'],
    )
    assert.deepEqual(whole.content.slice(1), streamed.content.slice(1))
    assert.equal(whole.usage.output_tokens, TURN_USAGE.output)
    const history = [
      ...request.messages,
      { role: 'assistant' as const, content: whole.content },
      { role: 'user' as const, content: [{ type: 'tool_result' as const, tool_use_id: 'a', content: 'blue' }] },
    ]
    const last = await client.messages.create({ ...request, messages: history })
    assert.deepEqual([last.stop_reason, server.breaches], ['end_turn', []])
  })
})

/** The strict Chat upstream refuses what vendors refuse, and answers so that OpenAI's own library reads it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import OpenAI from 'openai'
import { strictChat } from './chat.ts'
import { type ChatOptions, checkChat } from './chat-rules.ts'
import { type AnyBody, copy, type PlantedFault, testFaults } from './fault-table.ts'
import { startStrictServer } from './server.ts'
import { TURN_USAGE } from './turn.ts'

const THOUGHT = 'First look, then leap.'
const THOUGHTS = new Map([['a', THOUGHT]])
const headers = { authorization: 'Bearer k' }

function call(id: string, at: string): object {
  return { id, type: 'function', function: { name: 'look', arguments: JSON.stringify({ at }) } }
}

function sound() {
  return copy({
    model: 'm',
    max_tokens: 4000,
    stream: true,
    stream_options: { include_usage: true },
    tools: [
      {
        type: 'function',
        function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } },
      },
    ],
    tool_choice: 'auto',
    parallel_tool_calls: true,
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look around.' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        reasoning_content: THOUGHT,
        tool_calls: [call('a', 'sky'), call('b', 'sea')],
      },
      { role: 'tool', tool_call_id: 'a', content: 'blue' },
      { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'grey' }] },
      { role: 'user', content: 'Well?' },
    ],
  })
}

function check(body: AnyBody, options: ChatOptions = {}): void {
  checkChat(headers, body, options, THOUGHTS)
}

const FAULTS: readonly PlantedFault[] = [
  ['an unknown member', (body) => (body.store = false), /store/],
  ['the other spelling of the cap', (body) => (body.max_completion_tokens = 5), /max_completion_tokens/],
  ['options of a stream without one', (body) => delete body.stream, /stream_options/],
  ['a developer role', (body) => (body.messages[0].role = 'developer'), /role/],
  ['an answer that is missing', (body) => body.messages.splice(4, 1), /unanswered/],
  ['an answer that comes late', (body) => body.messages.push(body.messages.splice(4, 1)[0]), /unanswered/],
  [
    'an answer to nothing',
    (body) => body.messages.push({ role: 'tool', tool_call_id: 'a', content: 'x' }),
    /preceding/,
  ],
  [
    'a call that is never answered',
    (body) => body.messages.push({ role: 'assistant', content: null, tool_calls: [call('c', 'x')] }),
    /without an answer/,
  ],
  ['an image of a tool', (body) => (body.messages[3].content = body.messages[1].content), /one of/],
  ['an image of the system', (body) => (body.messages[0].content = body.messages[1].content), /one of/],
  ['an image that is none', (body) => (body.messages[1].content[1].image_url.url = 'AAAA'), /url/],
  ['arguments that are no JSON', (body) => (body.messages[2].tool_calls[0].function.arguments = '{'), /valid JSON/],
  ['arguments that are no text', (body) => (body.messages[2].tool_calls[0].function.arguments = {}), /string/],
  ['no calls', (body) => (body.messages[2].tool_calls = []), /empty/],
  ['a call with an index', (body) => (body.messages[2].tool_calls[0].index = 0), /index/],
  ['two calls of one id', (body) => (body.messages[2].tool_calls[1].id = 'a'), /one id/],
  ['a long id', (body) => (body.messages[2].tool_calls[0].id = 'a'.repeat(41)), /longer/],
  ['a name with a dot', (body) => (body.tools[0].function.name = 'a.b'), /match/],
  ['changed reasoning', (body) => (body.messages[2].reasoning_content = 'Leap!'), /not what the model gave/],
  [
    'an empty assistant message',
    (body) => body.messages.push({ role: 'assistant', content: null }),
    /content or tool_calls/,
  ],
  ['a choice without tools', (body) => [delete body.tools, delete body.parallel_tool_calls], /tool_choice/],
  ['a parallel switch without tools', (body) => [delete body.tools, delete body.tool_choice], /parallel/],
  ['an open strict schema', (body) => (body.tools[0].function.strict = true), /additionalProperties/],
  ['a format without JSON in the prompt', (body) => (body.response_format = { type: 'json_object' }), /'json'/],
  [
    'a format without a name',
    (body) => (body.response_format = { type: 'json_schema', json_schema: { schema: {} } }),
    /name/,
  ],
  ['a strange effort', (body) => (body.reasoning_effort = 'enormous'), /one of/],
  ['five stops', (body) => (body.stop = ['a', 'b', 'c', 'd', 'e']), /four/],
  ['no answers at all', (body) => (body.n = 0), /from 1/],
]

describe('strict chat', () => {
  testFaults(sound, check, FAULTS)

  test('reasoning must come back where it is required, and be what was given', () => {
    const body = sound() as AnyBody
    check(body, { reasoningRequired: true })
    body.messages[2].reasoning_content = ''
    assert.throws(() => check(body, { reasoningRequired: true }), /not what the model gave/)
    delete body.messages[2].reasoning_content
    check(body)
    assert.throws(() => check(body, { reasoningRequired: true }), /must be passed back/)
  })

  test("OpenAI's library reads its answers, streamed and whole", async (t) => {
    const server = await startStrictServer(strictChat())
    t.after(() => server.close())
    const client = new OpenAI({ baseURL: server.baseUrl, apiKey: 'k', maxRetries: 0 })
    const turn = { reasoning: THOUGHT, text: 'Looking…', calls: [{ id: 'a', name: 'look', arguments: { at: 'sky' } }] }
    const request = { model: 'm', messages: [{ role: 'user' as const, content: 'Look.' }] }
    server.play(turn, turn)
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } })
    const streamed = await stream.finalChatCompletion()
    const whole = await client.chat.completions.create(request)
    const [one, other] = [streamed.choices[0], whole.choices[0]]
    assert.deepEqual([one?.message.content, one?.finish_reason], [other?.message.content, other?.finish_reason])
    assert.deepEqual([streamed.usage, whole.usage?.completion_tokens], [whole.usage, TURN_USAGE.output])
    assert.deepEqual(server.breaches, [])
  })
})

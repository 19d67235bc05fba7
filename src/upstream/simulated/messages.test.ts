/** The simulated provider on Anthropic Messages: bytes, tools, limits, cache, counting and refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LONG_DELTAS } from './answer.ts'
import { SIMULATED_MODELS } from './scenarios.ts'
import { eventsIn, exchange, HELLO, provide } from './test-client.ts'

const CACHE = '"cache_creation_input_tokens":0,"cache_read_input_tokens":0'
const LOOKUP = {
  name: 'lookup',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}
const PING = { name: 'ping', input_schema: { type: 'object', properties: {} } }

function event(type: string, members: string): string {
  return `event: ${type}\ndata: {"type":"${type}"${members}}\n\n`
}

function textDelta(text: string): string {
  return event('content_block_delta', `,"index":0,"delta":{"type":"text_delta","text":"${text}"}`)
}

test('a stream has the bytes of the vendor, in its order of events', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'echo', stream: true, max_tokens: 100, messages: HELLO }
  const reply = await exchange(`${baseUrl}/messages?beta=true`, body)
  const startUsage =
    `"usage":{"input_tokens":4,${CACHE},"cache_creation":{"ephemeral_5m_input_tokens":0,` +
    '"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}'
  const expected = [
    event(
      'message_start',
      ',"message":{"model":"echo","id":"msg_sim0000000001","type":"message","role":"assistant","content":[],' +
        `"stop_reason":null,"stop_sequence":null,"stop_details":null,${startUsage}}`,
    ),
    event('content_block_start', ',"index":0,"content_block":{"type":"text","text":""}'),
    'event: ping\ndata: {"type": "ping"}\n\n',
    ...['[simulated]', ' one', ' two', ' three'].map(textDelta),
    event('content_block_stop', ',"index":0'),
    event(
      'message_delta',
      ',"delta":{"stop_reason":"end_turn","stop_sequence":null,"stop_details":null},' +
        `"usage":{"input_tokens":4,${CACHE},"output_tokens":4}`,
    ),
    event('message_stop', ''),
  ]
  assert.equal(reply.text, expected.join(''))
  assert.equal(reply.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(reply.headers['request-id'], 'req_sim0000000001')
})

test('a reply that is not streamed is one message with the same text and usage', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'echo', max_tokens: 100, system: 'calm', messages: HELLO }
  const message = JSON.parse((await exchange(`${baseUrl}/messages`, body)).text)
  assert.deepEqual(message.content, [{ type: 'text', text: '[simulated] one two three' }])
  assert.equal(message.stop_reason, 'end_turn')
  assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [5, 4])
})

test('a tool is called with an empty delta first, and only that one when there are no arguments', async (t) => {
  const { baseUrl } = await provide(t)
  const ask = async (tool: unknown) => {
    const body = { model: 'tool-call', stream: true, max_tokens: 100, messages: HELLO, tools: [tool] }
    const events = eventsIn((await exchange(`${baseUrl}/messages`, body)).text)
    const deltas = events.map((each) => each.delta as Record<string, unknown> | undefined)
    const pieces = deltas.filter((delta) => delta?.type === 'input_json_delta').map((delta) => delta?.partial_json)
    return { block: events[1]?.content_block, pieces, stop: deltas.at(-2)?.stop_reason }
  }
  const called = await ask(LOOKUP)
  assert.deepEqual(called.block, { type: 'tool_use', id: 'toolu_sim0000000001', name: 'lookup', input: {} })
  assert.equal(called.pieces[0], '')
  assert.ok(called.pieces.length >= 4)
  assert.equal(called.pieces.join(''), '{"city":"simulated"}')
  assert.equal(called.stop, 'tool_use')
  assert.deepEqual((await ask(PING)).pieces, [''])
})

test('hosted and deferred tools are passed over, a named choice is obeyed, a tool result is answered with text', async (t) => {
  const { baseUrl } = await provide(t)
  const ask = async (extra: object) => {
    const body = { model: 'tool-call', max_tokens: 100, messages: HELLO, ...extra }
    return JSON.parse((await exchange(`${baseUrl}/messages`, body)).text)
  }
  const hosted = { type: 'web_search_20250305', name: 'web_search' }
  const first = await ask({ tools: [hosted, { ...PING, defer_loading: true }, LOOKUP] })
  assert.deepEqual([first.content[0].name, first.content[0].input], ['lookup', { city: 'simulated' }])
  const named = await ask({ tools: [LOOKUP, PING], tool_choice: { type: 'tool', name: 'ping' } })
  assert.equal(named.content[0].name, 'ping')
  assert.equal((await ask({ tools: [LOOKUP], tool_choice: { type: 'none' } })).stop_reason, 'end_turn')
  const result = [{ type: 'tool_result', tool_use_id: first.content[0].id, content: [{ type: 'text', text: 'rain' }] }]
  const messages = [...HELLO, { role: 'assistant', content: first.content }, { role: 'user', content: result }]
  const last = await ask({ tools: [LOOKUP], messages })
  assert.match(last.content[0].text, /^\[simulated\] The tool has answered/)
})

test('max_tokens ends the answer with max_tokens, also inside the arguments of a call', async (t) => {
  const { baseUrl } = await provide(t)
  const ask = async (body: object) =>
    JSON.parse((await exchange(`${baseUrl}/messages`, { messages: HELLO, max_tokens: 2, ...body })).text)
  const text = await ask({ model: 'echo' })
  assert.deepEqual(
    [text.content[0].text, text.stop_reason, text.usage.output_tokens],
    ['[simulated] one', 'max_tokens', 2],
  )
  const call = await ask({ model: 'tool-call', tools: [LOOKUP] })
  assert.deepEqual([call.content[0].input, call.stop_reason], [{}, 'max_tokens'])
})

test('the long model sends 1,000 deltas', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'long', stream: true, max_tokens: 5000, messages: HELLO }
  const events = eventsIn((await exchange(`${baseUrl}/messages`, body)).text)
  assert.equal(events.filter((each) => each.type === 'content_block_delta').length, LONG_DELTAS)
})

test('the model without usage reports none, streamed or not', async (t) => {
  const { baseUrl } = await provide(t)
  for (const stream of [false, true]) {
    const body = { model: 'no-usage', stream, max_tokens: 100, messages: HELLO }
    const reply = await exchange(`${baseUrl}/messages`, body)
    assert.ok(!reply.text.includes('"usage"'))
    assert.ok(reply.text.includes('"stop_reason":"end_turn"'))
  }
})

test('a marked prompt is written to the cache by lifetime, then read; input counters stay disjoint', async (t) => {
  const { baseUrl } = await provide(t)
  const ask = async (name: string, ...marks: object[]) => {
    const system = marks.map((mark) => ({ type: 'text', text: `${name} `.repeat(1000), cache_control: mark }))
    const body = { model: 'echo', max_tokens: 100, system, messages: HELLO }
    const { usage } = JSON.parse((await exchange(`${baseUrl}/messages`, body)).text)
    const { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long } = usage.cache_creation
    assert.equal(usage.cache_creation_input_tokens, short + long)
    return [usage.input_tokens, short, long, usage.cache_read_input_tokens]
  }
  const short = { type: 'ephemeral' }
  const long = { type: 'ephemeral', ttl: '1h' }
  assert.deepEqual(await ask('short', short), [752, 752, 0, 0])
  assert.deepEqual(await ask('short', short), [752, 0, 0, 752])
  assert.deepEqual(await ask('whole', long), [752, 0, 752, 0])
  assert.deepEqual(await ask('both', short, long), [1252, 626, 626, 0])
})

test('tokens are counted as the reply would count them, without max_tokens', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'echo', system: 'calm', messages: HELLO, tools: [LOOKUP] }
  const counted = JSON.parse((await exchange(`${baseUrl}/messages/count_tokens`, body)).text)
  const { usage } = JSON.parse((await exchange(`${baseUrl}/messages`, { ...body, max_tokens: 9 })).text)
  assert.deepEqual(counted, { input_tokens: usage.input_tokens })
})

test('bad requests are refused in the form of Anthropic', async (t) => {
  const { baseUrl } = await provide(t, { maxBodyBytes: 1000 })
  const cases: [unknown, number, string][] = [
    ['{"model":', 400, 'invalid_request_error'],
    [{ model: 'echo', messages: HELLO }, 400, 'invalid_request_error'],
    [{ model: 'echo', messages: 'hello', max_tokens: 1 }, 400, 'invalid_request_error'],
    [{ model: 'claude-opus-5', messages: HELLO, max_tokens: 1 }, 404, 'not_found_error'],
    [' '.repeat(1001), 413, 'request_too_large'],
  ]
  for (const [body, status, type] of cases) {
    const reply = await exchange(`${baseUrl}/messages`, body)
    const { error, ...rest } = JSON.parse(reply.text)
    assert.deepEqual([reply.status, error.type], [status, type])
    assert.deepEqual(rest, { type: 'error', request_id: reply.headers['request-id'] })
  }
})

test('the models are listed in the form of Anthropic for its clients', async (t) => {
  const { baseUrl } = await provide(t)
  const reply = await exchange(`${baseUrl}/models`, undefined, { 'anthropic-version': '2023-06-01' })
  const { data, has_more: hasMore } = JSON.parse(reply.text)
  assert.equal(hasMore, false)
  assert.deepEqual(
    data.map((model: { id: string }) => model.id),
    SIMULATED_MODELS,
  )
  assert.equal(data[0].created_at, '2023-11-14T22:13:20.000Z')
})

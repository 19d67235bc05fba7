/** The simulated provider on OpenAI Chat: bytes, tools, limits, usage and refusals. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LONG_DELTAS } from './answer.ts'
import { SIMULATED_MODELS } from './scenarios.ts'
import { eventsIn, exchange, HELLO, provide } from './test-client.ts'

const HEAD =
  '"id":"chatcmpl-sim0000000001","object":"chat.completion.chunk","created":1700000000,"model":"echo",' +
  '"service_tier":"default","system_fingerprint":"fp_simulated"'
const DETAILS =
  '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,' +
  '"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}'
const LOOKUP = {
  type: 'function',
  function: {
    name: 'lookup',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const OTHER = { type: 'function', function: { name: 'other', parameters: { type: 'object' } } }

function chunk(delta: string, finish: string, tail: string): string {
  return `data: {${HEAD},"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]${tail}}\n\n`
}

test('a stream has the bytes of the vendor, with usage last and null before when it was asked for', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'echo', stream: true, stream_options: { include_usage: true }, messages: HELLO }
  const reply = await exchange(`${baseUrl}/chat/completions`, body)
  const tail = ',"usage":null'
  const expected = [
    chunk('{"role":"assistant","content":"","refusal":null}', 'null', tail),
    ...['[simulated]', ' one', ' two', ' three'].map((word) => chunk(`{"content":"${word}"}`, 'null', tail)),
    chunk('{}', '"stop"', tail),
    `data: {${HEAD},"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":4,"total_tokens":8,${DETAILS}}}\n\n`,
    'data: [DONE]\n\n',
  ]
  assert.equal(reply.text, expected.join(''))
  assert.equal(reply.headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(reply.headers['x-request-id'], 'req_sim0000000001')
})

test('a stream that was not asked for usage never mentions it', async (t) => {
  const { baseUrl } = await provide(t)
  const reply = await exchange(`${baseUrl}/chat/completions`, { model: 'echo', stream: true, messages: HELLO })
  assert.ok(!reply.text.includes('usage'))
  assert.ok(reply.text.endsWith('"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'))
})

test('a reply that is not streamed is one object with the same text and usage', async (t) => {
  const { baseUrl } = await provide(t)
  const reply = await exchange(`${baseUrl}/chat/completions`, { model: 'echo', messages: HELLO })
  const body = JSON.parse(reply.text)
  assert.equal(reply.headers['content-type'], 'application/json')
  assert.equal(body.object, 'chat.completion')
  assert.equal(body.choices[0].message.content, '[simulated] one two three')
  assert.equal(body.choices[0].finish_reason, 'stop')
  assert.deepEqual([body.usage.prompt_tokens, body.usage.completion_tokens, body.usage.total_tokens], [4, 4, 8])
})

test('the last user text is echoed, up to 4 kB and never through the middle of a character', async (t) => {
  const { baseUrl } = await provide(t)
  const parts = [
    { type: 'text', text: '坐'.repeat(2000) },
    { type: 'image_url', image_url: { url: 'data:,' } },
  ]
  const messages = [...HELLO, { role: 'user', content: parts }, { role: 'assistant', content: 'yes' }]
  const reply = await exchange(`${baseUrl}/chat/completions`, { model: 'echo', messages })
  assert.equal(JSON.parse(reply.text).choices[0].message.content, `[simulated] ${'坐'.repeat(1365)}`)
})

test('a tool is called once, in several deltas, with arguments that its schema allows', async (t) => {
  const { baseUrl } = await provide(t)
  const body = {
    model: 'tool-call',
    stream: true,
    messages: HELLO,
    tools: [LOOKUP, OTHER],
    parallel_tool_calls: true,
  }
  const reply = await exchange(`${baseUrl}/chat/completions`, body)
  const choices = eventsIn(reply.text).map(
    (event) => (event.choices as { delta: unknown; finish_reason: unknown }[])[0],
  )
  const start = { index: 0, id: 'call_sim0000000001', type: 'function', function: { name: 'lookup', arguments: '' } }
  assert.deepEqual(choices[0]?.delta, { role: 'assistant', content: null, tool_calls: [start], refusal: null })
  const pieces = choices
    .slice(1, -1)
    .map((choice) => choice?.delta as { tool_calls: { function: { arguments: string } }[] })
  assert.ok(pieces.length >= 3)
  assert.equal(pieces.map((piece) => piece.tool_calls[0]?.function.arguments).join(''), '{"city":"simulated"}')
  assert.deepEqual(choices.at(-1)?.finish_reason, 'tool_calls')
})

test('after a tool result comes text; without tools, or with tool_choice none, the echo', async (t) => {
  const { baseUrl } = await provide(t)
  const ask = async (extra: object) => {
    const reply = await exchange(`${baseUrl}/chat/completions`, { model: 'tool-call', messages: HELLO, ...extra })
    return JSON.parse(reply.text).choices[0]
  }
  const call = (await ask({ tools: [LOOKUP] })).message
  const result = { role: 'tool', tool_call_id: call.tool_calls[0].id, content: 'rain' }
  const last = await ask({ tools: [LOOKUP], messages: [...HELLO, call, result] })
  assert.match(last.message.content, /^\[simulated\] The tool has answered/)
  assert.equal(last.finish_reason, 'stop')
  assert.equal((await ask({})).message.content, '[simulated] one two three')
  assert.equal((await ask({ tools: [LOOKUP], tool_choice: 'none' })).message.content, '[simulated] one two three')
  const forced = await ask({ tools: [LOOKUP, OTHER], tool_choice: { type: 'function', function: { name: 'other' } } })
  assert.deepEqual(forced.message.tool_calls[0].function, { name: 'other', arguments: '{}' })
})

test('the tighter of max_tokens and max_completion_tokens ends the answer with length', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'echo', messages: HELLO, max_tokens: 3, max_completion_tokens: 2 }
  const { choices, usage } = JSON.parse((await exchange(`${baseUrl}/chat/completions`, body)).text)
  assert.equal(choices[0].message.content, '[simulated] one')
  assert.equal(choices[0].finish_reason, 'length')
  assert.equal(usage.completion_tokens, 2)
  const long = { model: 'long', messages: HELLO, stream: true, max_tokens: 10 }
  const streamed = await exchange(`${baseUrl}/chat/completions`, long)
  assert.equal(eventsIn(streamed.text).length, 1 + 10 + 1)
  assert.ok(streamed.text.includes('"finish_reason":"length"'))
})

test('the long model sends 1,000 deltas, the same ones each time', async (t) => {
  const { baseUrl } = await provide(t)
  const ask = async () => {
    const reply = await exchange(`${baseUrl}/chat/completions`, { model: 'long', messages: HELLO, stream: true })
    return eventsIn(reply.text).map((event) => JSON.stringify(event.choices))
  }
  const first = await ask()
  assert.equal(first.length, 1 + LONG_DELTAS + 1)
  assert.deepEqual(await ask(), first)
})

test('the model without usage reports none, asked or not, streamed or not', async (t) => {
  const { baseUrl } = await provide(t)
  const streamed = { stream: true, stream_options: { include_usage: true } }
  for (const extra of [{}, { stream: true }, streamed]) {
    const reply = await exchange(`${baseUrl}/chat/completions`, { model: 'no-usage', messages: HELLO, ...extra })
    assert.ok(!reply.text.includes('"usage"'))
    assert.ok(reply.text.includes('"finish_reason":"stop"'))
  }
})

test('bad requests are refused in the form of OpenAI', async (t) => {
  const { baseUrl } = await provide(t, { maxBodyBytes: 1000 })
  const cases: [unknown, number, string | null, string | null][] = [
    ['{"model":', 400, null, null],
    ['[]', 400, null, null],
    [{ messages: HELLO }, 400, 'model', null],
    [{ model: 'gpt-5', messages: HELLO }, 404, 'model', 'model_not_found'],
    [{ model: 'echo', messages: [] }, 400, 'messages', null],
    [{ model: 'echo', messages: ['hello'] }, 400, 'messages', null],
    [{ model: 'echo', messages: HELLO, stream: 'yes' }, 400, 'stream', null],
    [{ model: 'echo', messages: HELLO, max_tokens: -1 }, 400, 'max_tokens', null],
    [{ model: 'echo', messages: HELLO, stream_options: { include_usage: true } }, 400, 'stream_options', null],
    [`{"model":"echo","messages":[{}],"tools":${'['.repeat(40)}${']'.repeat(40)}${' '.repeat(1000)}}`, 413, null, null],
  ]
  for (const [body, status, param, code] of cases) {
    const reply = await exchange(`${baseUrl}/chat/completions`, body)
    const { error } = JSON.parse(reply.text)
    assert.equal(reply.status, status, reply.text)
    assert.deepEqual(error, { message: error.message, type: 'invalid_request_error', param, code })
  }
})

test('a body over the limit is refused when its length was not announced', async (t) => {
  const { baseUrl } = await provide(t, { maxBodyBytes: 1000 })
  const chunked = { 'transfer-encoding': 'chunked' }
  assert.equal((await exchange(`${baseUrl}/chat/completions`, ' '.repeat(5000), chunked)).status, 413)
})

test('a deeply nested body is answered, not a crash', async (t) => {
  const { baseUrl } = await provide(t)
  const depth = 200_000
  const body = `{"model":"echo","messages":[{}],"tools":${'['.repeat(depth)}${']'.repeat(depth)}}`
  assert.equal((await exchange(`${baseUrl}/chat/completions`, body)).status, 200)
  assert.equal((await exchange(`${baseUrl}/chat/completions`, { model: 'echo', messages: HELLO })).status, 200)
})

test('unknown routes and wrong methods are refused, and the models are listed', async (t) => {
  const { baseUrl } = await provide(t)
  assert.equal((await exchange(`${baseUrl}/completions`, {})).status, 404)
  assert.equal((await exchange(`${baseUrl}/chat/completions`)).status, 405)
  const { object, data } = JSON.parse((await exchange(`${baseUrl}/models?limit=1000`)).text)
  assert.equal(object, 'list')
  assert.deepEqual(
    data.map((model: { id: string }) => model.id),
    SIMULATED_MODELS,
  )
})

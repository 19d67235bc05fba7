/** The vendors' own client libraries take the simulated provider for their vendor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { provide } from './test-client.ts'

const USER = { role: 'user' as const, content: 'one two three' }
const PARAMETERS = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] }
const CHAT_TOOL = { type: 'function' as const, function: { name: 'lookup', parameters: PARAMETERS } }
const MESSAGES_TOOL = { name: 'lookup', input_schema: PARAMETERS }

function openai(baseURL: string): OpenAI {
  return new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 })
}

function anthropic(baseUrl: string): Anthropic {
  return new Anthropic({ baseURL: baseUrl.replace(/\/v1$/, ''), apiKey: 'none', maxRetries: 0 })
}

test('openai: text, whole and streamed, with usage', async (t) => {
  const { baseUrl } = await provide(t)
  const client = openai(baseUrl)
  const whole = await client.chat.completions.create({ model: 'echo', messages: [USER] })
  assert.equal(whole.choices[0]?.message.content, '[simulated] one two three')
  const options = { model: 'echo', messages: [USER], stream_options: { include_usage: true } }
  const streamed = await client.chat.completions.stream(options).finalChatCompletion()
  assert.equal(streamed.choices[0]?.message.content, '[simulated] one two three')
  assert.deepEqual(streamed.usage, whole.usage)
  assert.equal((await client.models.list()).data.length, 10)
})

test('openai: a tool loop ends with text', async (t) => {
  const { baseUrl } = await provide(t)
  const asked: string[] = []
  const answerLookup = (input: string) => {
    asked.push(input)
    return 'rain'
  }
  const described = { ...CHAT_TOOL.function, description: 'Looks up the weather.', function: answerLookup }
  const lookup = { type: 'function' as const, function: described }
  const runner = openai(baseUrl).chat.completions.runTools({
    model: 'tool-call',
    stream: true,
    messages: [USER],
    tools: [lookup],
  })
  assert.match(String(await runner.finalContent()), /The tool has answered/)
  assert.deepEqual(asked, ['{"city":"simulated"}'])
})

test('openai: each fault is the error that its users know', async (t) => {
  const { baseUrl } = await provide(t)
  const client = openai(baseUrl)
  const ask = (model: string) => client.chat.completions.create({ model, messages: [USER] })
  const stream = (model: string) => client.chat.completions.stream({ model, messages: [USER] }).finalContent()
  await assert.rejects(ask('error-429'), OpenAI.RateLimitError)
  await assert.rejects(ask('error-500'), OpenAI.InternalServerError)
  await assert.rejects(ask('midstream-error'), { status: 503 })
  await assert.rejects(ask('gpt-5'), OpenAI.NotFoundError)
  await assert.rejects(ask('cut'))
  await assert.rejects(stream('cut'), /terminated/)
  await assert.rejects(stream('midstream-error'), /Simulated overload/)
  assert.equal(await stream('no-usage'), '[simulated] one two three')
})

test('openai: a client that stops reading a stalled stream is let go', async (t) => {
  const { baseUrl } = await provide(t)
  const body = { model: 'stall', messages: [USER], stream: true as const }
  const stream = await openai(baseUrl).chat.completions.create(body)
  let text = ''
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    if (text.endsWith('one')) stream.controller.abort()
  }
  assert.equal(text, '[simulated] one')
})

test('anthropic: text, whole and streamed, with usage and a token count', async (t) => {
  const { baseUrl } = await provide(t)
  const client = anthropic(baseUrl)
  const body = { model: 'echo', max_tokens: 100, messages: [USER] }
  const whole = await client.messages.create(body)
  assert.deepEqual(whole.content, [{ type: 'text', text: '[simulated] one two three' }])
  const streamed = await client.messages.stream(body).finalMessage()
  assert.deepEqual(streamed.content, whole.content)
  assert.deepEqual(streamed.usage, whole.usage)
  const counted = await client.messages.countTokens({ model: 'echo', messages: [USER] })
  assert.equal(counted.input_tokens, whole.usage.input_tokens)
  assert.equal((await client.models.list()).data.length, 10)
})

test('anthropic: a tool loop ends with text', async (t) => {
  const { baseUrl } = await provide(t)
  const client = anthropic(baseUrl)
  const body = { model: 'tool-call', max_tokens: 100, tools: [MESSAGES_TOOL] }
  const first = await client.messages.stream({ ...body, messages: [USER] }).finalMessage()
  const call = first.content[0]
  assert.ok(call?.type === 'tool_use')
  assert.deepEqual([call.name, call.input, first.stop_reason], ['lookup', { city: 'simulated' }, 'tool_use'])
  const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'rain' }
  const turns = [
    USER,
    { role: 'assistant' as const, content: first.content },
    { role: 'user' as const, content: [result] },
  ]
  const last = await client.messages.stream({ ...body, messages: turns }).finalText()
  assert.match(last, /The tool has answered/)
})

test('anthropic: each fault is the error that its users know', async (t) => {
  const { baseUrl } = await provide(t)
  const client = anthropic(baseUrl)
  const ask = (model: string) => client.messages.create({ model, max_tokens: 100, messages: [USER] })
  const stream = (model: string) => client.messages.stream({ model, max_tokens: 100, messages: [USER] }).finalText()
  await assert.rejects(ask('error-429'), Anthropic.RateLimitError)
  await assert.rejects(ask('error-500'), Anthropic.InternalServerError)
  await assert.rejects(ask('midstream-error'), { status: 529 })
  await assert.rejects(ask('claude-opus-5'), Anthropic.NotFoundError)
  await assert.rejects(ask('cut'))
  await assert.rejects(stream('cut'), /terminated/)
  await assert.rejects(stream('midstream-error'), /overloaded_error/)
  assert.deepEqual((await ask('no-usage')).content, [{ type: 'text', text: '[simulated] one two three' }])
})

test('both libraries find the second long prompt cached', async (t) => {
  const { baseUrl } = await provide(t)
  const messages = [{ role: 'user' as const, content: 'word '.repeat(1000) }]
  const chat = async () => (await openai(baseUrl).chat.completions.create({ model: 'echo', messages })).usage
  assert.equal((await chat())?.prompt_tokens_details?.cached_tokens, 0)
  assert.equal((await chat())?.prompt_tokens_details?.cached_tokens, 625)
  const body = { model: 'echo', max_tokens: 9, messages }
  const message = async () => (await anthropic(baseUrl).messages.create(body)).usage
  assert.equal((await message()).cache_read_input_tokens, 0)
  const { input_tokens: input, cache_read_input_tokens: read } = await message()
  assert.deepEqual([input, read], [625, 625])
})

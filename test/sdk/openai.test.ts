/** OpenAI's own library works through the gateway: text, tools, aborts, broken streams, model lists, keys. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import {
  expectCleanBooks,
  newestEnded,
  REASONED,
  REASONED_COST,
  startWorld,
  TWO_CALLS,
  untilAdmitted,
  type World,
} from './world.ts'

const USER = { role: 'user' as const, content: 'one two three' }
const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())

function connect(baseURL = world.zen, apiKey = world.key): OpenAI {
  return new OpenAI({ baseURL, apiKey })
}

test('text arrives whole and streamed, the same, with the same usage', async () => {
  const request = { model: 'sim/echo', messages: [USER] }
  const whole = await connect().chat.completions.create(request)
  const streamed = await connect()
    .chat.completions.stream({ ...request, stream_options: { include_usage: true } })
    .finalChatCompletion()
  assert.equal(whole.choices[0]?.message.content, '[simulated] one two three')
  assert.equal(streamed.choices[0]?.message.content, whole.choices[0]?.message.content)
  assert.deepEqual(streamed.usage, whole.usage)
})

test('usage comes in a stream only when the client asks for it, and is booked either way', async () => {
  const known = world.ledger.rows().length
  const stream = await connect().chat.completions.create({ model: 'reasoner-chat', messages: [USER], stream: true })
  for await (const chunk of stream) assert.equal(chunk.usage ?? null, null)
  const row = await newestEnded(world.ledger, known)
  assert.deepEqual([row.state, row.outcome, row.estimated, row.charged], ['settled', 'complete', false, REASONED_COST])
})

test('reasoning, cached usage and the final text of a scripted answer arrive and are charged exactly', async () => {
  const known = world.ledger.rows().length
  const stream = await connect(world.go).chat.completions.create({
    model: 'reasoner-chat',
    messages: [USER],
    stream: true,
    stream_options: { include_usage: true },
  })
  let reasoning = ''
  let text = ''
  let cached: number | undefined
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta as { reasoning_content?: string; content?: string | null } | undefined
    reasoning += delta?.reasoning_content ?? ''
    text += delta?.content ?? ''
    cached = chunk.usage?.prompt_tokens_details?.cached_tokens ?? cached
  }
  assert.deepEqual([reasoning, text, cached], [REASONED.reasoning, REASONED.text, 1200])
  const row = await newestEnded(world.ledger, known)
  assert.deepEqual([row.input_tokens, row.cached_read_tokens, row.output_tokens], [34, 1200, 56])
  assert.equal(row.charged, REASONED_COST)
})

test('a tool loop with two calls at once ends with text', async () => {
  const asked: string[] = []
  const tool = {
    type: 'function' as const,
    function: {
      name: 'weather',
      description: 'Tells the weather.',
      parameters: PARAMETERS,
      function: (input: string) => {
        asked.push(input)
        return 'rain'
      },
    },
  }
  const request = { model: 'two-tools-chat', messages: [USER], tools: [tool] }
  const streamed = await connect(world.go)
    .chat.completions.runTools({ ...request, stream: true })
    .finalContent()
  const whole = await connect().chat.completions.runTools(request).finalContent()
  assert.deepEqual([streamed, whole], [REASONED.text, REASONED.text])
  const expected = TWO_CALLS.calls.map((call) => JSON.stringify(call.arguments))
  assert.deepEqual(asked, [...expected, ...expected])
})

test('a stream that is aborted is settled or released within three seconds', async () => {
  const known = world.ledger.rows().length
  const stream = await connect().chat.completions.create({ model: 'sim/stall', messages: [USER], stream: true })
  let text = ''
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    if (text.endsWith('one')) stream.controller.abort()
  }
  assert.equal(text, '[simulated] one')
  const row = await newestEnded(world.ledger, known)
  assert.equal(row.outcome, 'client_stopped')
  await expectCleanBooks(world)
})

test('a request that is aborted before the first byte is released within three seconds', async () => {
  const known = world.ledger.rows().length
  const slow = { role: 'user' as const, content: 'wait [[sim delayMs=30000]]' }
  const leave = new AbortController()
  const asked = connect().chat.completions.create(
    { model: 'sim/slow-first-token', messages: [slow] },
    { signal: leave.signal, maxRetries: 0 },
  )
  const left = untilAdmitted(world.ledger, known).then(() => leave.abort())
  await assert.rejects(asked, OpenAI.APIUserAbortError)
  await left
  const row = await newestEnded(world.ledger, known)
  assert.deepEqual([row.state, row.outcome, row.charged], ['released', 'client_stopped', 0n])
  await expectCleanBooks(world)
})

for (const [model, message] of [
  ['sim/midstream-error', /Simulated overload/],
  ['sim/cut', /broke off before it was complete/],
  ['false-end-chat', /broke off before it was complete/],
] as const) {
  test(`a stream of ${model} throws instead of ending as if complete`, async () => {
    const stream = await connect().chat.completions.create({ model, messages: [USER], stream: true })
    let finish: string | null = null
    const read = async () => {
      for await (const chunk of stream) finish = chunk.choices[0]?.finish_reason ?? finish
    }
    await assert.rejects(read, (error) => error instanceof OpenAI.APIError && message.test(error.message))
    assert.equal(finish, null)
    const helper = connect().chat.completions.stream({ model, messages: [USER] })
    await assert.rejects(helper.finalContent(), message)
  })
}

test('an answer in one piece that is cut is an error, and costs nothing', async () => {
  const known = world.ledger.rows().length
  const asked = connect().chat.completions.create({ model: 'sim/cut', messages: [USER] }, { maxRetries: 0 })
  await assert.rejects(asked, { status: 503 })
  const row = await newestEnded(world.ledger, known)
  assert.deepEqual([row.state, row.charged], ['released', 0n])
})

test('the model list and one model come with price and endpoint', async () => {
  const listed = await Array.fromAsync(connect(world.go).models.list())
  const model = listed.find(({ id }) => id === 'reasoner-chat')
  const one = await connect(world.go).models.retrieve('reasoner-chat')
  assert.deepEqual(one, model)
  assert.partialDeepStrictEqual(one, { endpoint: '/zen/go/v1/chat/completions', pricing: { input: '1.00' } })
  assert.ok(listed.some(({ id }) => id === 'sim/echo'))
  assert.ok(listed.every(({ object, created }) => object === 'model' && Number.isInteger(created)))
})

test("an upstream's error in one piece keeps its class", async () => {
  const ask = (model: string) => connect().chat.completions.create({ model, messages: [USER] }, { maxRetries: 0 })
  await assert.rejects(ask('sim/error-429'), OpenAI.RateLimitError)
  await assert.rejects(ask('sim/error-500'), OpenAI.InternalServerError)
  await assert.rejects(ask('sim/midstream-error'), OpenAI.InternalServerError)
})

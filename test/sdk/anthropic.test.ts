/** Anthropic's own library works through the gateway: text, tools, aborts, broken streams, counting, model lists. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { SCRIPTED_SIGNATURE } from '../support/scripted-messages.ts'
import { SCRIPTED_TOKEN_COUNT } from '../support/scripted-provider.ts'
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
const TOOL = {
  name: 'weather',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
}

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())

/** The library appends `/v1/…` itself. */
function connect(baseUrl = world.zen): Anthropic {
  return new Anthropic({ baseURL: baseUrl.replace(/\/v1$/, ''), apiKey: world.key })
}

function ask(model: string) {
  return { model, max_tokens: 1000, messages: [USER] }
}

test('text arrives whole and streamed, the same, with the same usage', async () => {
  const whole = await connect().messages.create(ask('sim/echo'))
  const streamed = await connect().messages.stream(ask('sim/echo')).finalMessage()
  assert.deepEqual(whole.content, [{ type: 'text', text: '[simulated] one two three' }])
  assert.deepEqual(streamed.content, whole.content)
  assert.deepEqual(streamed.usage, whole.usage)
})

test('a base URL that already ends with /v1 works too', async () => {
  const doubled = new Anthropic({ baseURL: world.zen, apiKey: world.key })
  const whole = await doubled.messages.create(ask('sim/echo'))
  assert.deepEqual(whole.content, [{ type: 'text', text: '[simulated] one two three' }])
})

test('thinking with its signature, cached usage and text arrive and are charged exactly', async () => {
  const known = world.ledger.rows().length
  const message = await connect(world.go).messages.stream(ask('reasoner-messages')).finalMessage()
  assert.deepEqual(message.content, [
    { type: 'thinking', thinking: REASONED.reasoning, signature: SCRIPTED_SIGNATURE },
    { type: 'text', text: REASONED.text },
  ])
  assert.deepEqual([message.usage.input_tokens, message.usage.cache_read_input_tokens], [34, 1200])
  const row = await newestEnded(world.ledger, known)
  assert.deepEqual([row.input_tokens, row.cached_read_tokens, row.output_tokens], [34, 1200, 56])
  assert.deepEqual([row.state, row.estimated, row.charged], ['settled', false, REASONED_COST])
})

test('a tool loop with two calls at once ends with text, and signatures go back untouched', async () => {
  const request = { ...ask('two-tools-messages'), tools: [TOOL] }
  for (const mode of ['stream', 'whole'] as const) {
    const client = connect(world.go)
    const send = (messages: Anthropic.MessageParam[]) =>
      mode === 'stream'
        ? client.messages.stream({ ...request, messages }).finalMessage()
        : client.messages.create({ ...request, messages })
    const first = await send([USER])
    const calls = first.content.filter((block) => block.type === 'tool_use')
    assert.deepEqual(
      calls.map((call) => call.input),
      TWO_CALLS.calls.map((call) => call.arguments),
    )
    const results = calls.map(({ id }) => ({ type: 'tool_result' as const, tool_use_id: id, content: 'rain' }))
    const last = await send([USER, { role: 'assistant', content: first.content }, { role: 'user', content: results }])
    const text = last.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
    assert.equal(text, REASONED.text)
    const sentOn = JSON.stringify(world.provider.exchanges().at(-1)?.request.body)
    assert.ok(sentOn.includes(SCRIPTED_SIGNATURE))
  }
})

test('a stream that is aborted is settled or released within three seconds', async () => {
  const known = world.ledger.rows().length
  const stream = connect().messages.stream(ask('sim/stall'))
  stream.on('text', (_delta, text) => {
    if (text.endsWith('one')) stream.abort()
  })
  await assert.rejects(stream.finalText(), Anthropic.APIUserAbortError)
  const row = await newestEnded(world.ledger, known)
  assert.equal(row.outcome, 'client_stopped')
  await expectCleanBooks(world)
})

test('a request that is aborted before the first byte is released within three seconds', async () => {
  const known = world.ledger.rows().length
  const slow = { role: 'user' as const, content: 'wait [[sim delayMs=30000]]' }
  const leave = new AbortController()
  const request = { ...ask('sim/slow-first-token'), messages: [slow] }
  const asked = connect().messages.create(request, { signal: leave.signal, maxRetries: 0 })
  const left = untilAdmitted(world.ledger, known).then(() => leave.abort())
  await assert.rejects(asked, Anthropic.APIUserAbortError)
  await left
  const row = await newestEnded(world.ledger, known)
  assert.deepEqual([row.state, row.outcome, row.charged], ['released', 'client_stopped', 0n])
  await expectCleanBooks(world)
})

for (const [model, message] of [
  ['sim/midstream-error', /overloaded/i],
  ['sim/cut', /broke off before it was complete/],
  ['false-end-messages', /broke off before it was complete/],
] as const) {
  test(`a stream of ${model} throws instead of ending as if complete`, async () => {
    const stream = await connect().messages.create({ ...ask(model), stream: true })
    const seen: string[] = []
    const read = async () => {
      for await (const event of stream) seen.push(event.type)
    }
    await assert.rejects(read, (error) => error instanceof Anthropic.APIError && message.test(error.message))
    assert.ok(!seen.includes('message_delta') && !seen.includes('message_stop'))
    await assert.rejects(connect().messages.stream(ask(model)).finalMessage(), message)
  })
}

test('tokens are counted by the upstream, and estimated where it cannot, without a request row', async () => {
  const known = world.ledger.rows().length
  const count = async (model: string) =>
    (await connect().messages.countTokens({ model, messages: [USER] })).input_tokens
  assert.equal(await count('reasoner-messages'), SCRIPTED_TOKEN_COUNT)
  assert.ok((await count('sim/echo')) > 0)
  assert.ok((await count('dead-messages')) > 0)
  assert.equal(world.ledger.rows().length, known)
})

test('the model list pages in the shape of this library', async () => {
  const listed = await Array.fromAsync(connect(world.go).models.list({ limit: 3 }))
  const ids = listed.map(({ id }) => id)
  assert.ok(ids.includes('reasoner-messages') && ids.includes('sim/echo') && ids.length > 3)
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(listed.every(({ type, display_name }) => type === 'model' && display_name !== ''))
  const one = await connect(world.go).models.retrieve('reasoner-messages')
  assert.equal(one.id, 'reasoner-messages')
})

/** The AI SDK's two adapters work through the gateway: text, tools, aborts, broken streams. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  generateText,
  isStepCount,
  jsonSchema,
  type LanguageModel,
  streamText,
  type TextStreamPart,
  type ToolSet,
  tool,
} from 'ai'
import { expectCleanBooks, newestEnded, REASONED, REASONED_COST, startWorld, TWO_CALLS, type World } from './world.ts'

const PROMPT = 'one two three'
/** Without a limit the library sets one of its own for models it does not know, and says so on the console. */
const maxOutputTokens = 1000

/** An adapter of the AI SDK, and which of the scripted models it is for. */
const adapters = [
  {
    name: '@ai-sdk/openai-compatible',
    family: 'chat',
    connect: (baseURL: string, apiKey: string, model: string): LanguageModel =>
      createOpenAICompatible({ name: 'zendo', baseURL, apiKey, includeUsage: true })(model),
  },
  {
    name: '@ai-sdk/anthropic',
    family: 'messages',
    connect: (baseURL: string, apiKey: string, model: string): LanguageModel =>
      createAnthropic({ baseURL, apiKey })(model),
  },
] as const

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world.close())

/** Reads a stream to its end. @throws the error that the stream reports, as a caller who reads its parts would. */
async function readStream(stream: {
  fullStream: AsyncIterable<TextStreamPart<ToolSet>>
}): Promise<{ text: string; reasoning: string }> {
  let text = ''
  let reasoning = ''
  for await (const part of stream.fullStream) {
    if (part.type === 'text-delta') text += part.text
    if (part.type === 'reasoning-delta') reasoning += part.text
    if (part.type === 'error') throw part.error
  }
  return { text, reasoning }
}

/** By default the library also prints errors. */
function quiet(): void {}

for (const { name, family, connect } of adapters) {
  describe(name, () => {
    const model = (id: string, base = world.zen) => connect(base, world.key, id)

    test('text arrives whole and streamed, the same, with the same usage', async () => {
      const whole = await generateText({ model: model('sim/echo'), prompt: PROMPT, maxOutputTokens })
      const streamed = streamText({ model: model('sim/echo'), prompt: PROMPT, maxOutputTokens, onError: quiet })
      assert.equal((await readStream(streamed)).text, '[simulated] one two three')
      assert.equal(whole.text, '[simulated] one two three')
      const [{ inputTokens, outputTokens }, usage] = [await streamed.usage, whole.usage]
      assert.deepEqual([inputTokens, outputTokens], [usage.inputTokens, usage.outputTokens])
      assert.equal(await streamed.finishReason, 'stop')
    })

    test('reasoning, cached usage and text arrive and are charged exactly', async () => {
      const known = world.ledger.rows().length
      const streamed = streamText({
        model: model(`reasoner-${family}`, world.go),
        prompt: PROMPT,
        maxOutputTokens,
        onError: quiet,
      })
      assert.deepEqual(await readStream(streamed), { text: REASONED.text, reasoning: REASONED.reasoning })
      assert.equal((await streamed.usage).inputTokenDetails.cacheReadTokens, 1200)
      const row = await newestEnded(world.ledger, known)
      assert.deepEqual([row.input_tokens, row.cached_read_tokens, row.output_tokens], [34, 1200, 56])
      assert.equal(row.charged, REASONED_COST)
    })

    test('a tool loop with two calls at once ends with text', async () => {
      const asked: unknown[] = []
      const weather = tool({
        description: 'Tells the weather.',
        inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
        execute: async (input) => {
          asked.push(input)
          return 'rain'
        },
      })
      const request = {
        model: model(`two-tools-${family}`, world.go),
        prompt: PROMPT,
        maxOutputTokens,
        tools: { weather },
        stopWhen: isStepCount(4),
      }
      const streamed = await readStream(streamText({ ...request, onError: quiet }))
      const whole = await generateText(request)
      assert.deepEqual([streamed.text, whole.text], [REASONED.text, REASONED.text])
      const expected = TWO_CALLS.calls.map((call) => call.arguments)
      assert.deepEqual(asked, [...expected, ...expected])
    })

    test('a stream that is aborted is settled or released within three seconds', async () => {
      const known = world.ledger.rows().length
      const leave = new AbortController()
      const streamed = streamText({
        model: model('sim/stall'),
        prompt: PROMPT,
        maxOutputTokens,
        abortSignal: leave.signal,
        onError: quiet,
      })
      let text = ''
      for await (const part of streamed.fullStream) {
        if (part.type === 'text-delta') text += part.text
        if (text.endsWith('one')) leave.abort()
      }
      assert.equal(text, '[simulated] one')
      const row = await newestEnded(world.ledger, known)
      assert.equal(row.outcome, 'client_stopped')
      await expectCleanBooks(world)
    })

    for (const [id, message] of [
      ['sim/midstream-error', /overload/i],
      ['sim/cut', /broke off before it was complete/],
      [`false-end-${family}`, /broke off before it was complete/],
    ] as const) {
      test(`a stream of ${id} throws instead of ending as if complete`, async () => {
        const streamed = streamText({ model: model(id), prompt: PROMPT, maxOutputTokens, onError: quiet })
        await assert.rejects(readStream(streamed), (error) => message.test(messageOf(error)))
        assert.equal(
          await streamed.finishReason.then(
            (reason) => reason,
            () => 'error',
          ),
          'error',
        )
      })
    }
  })
}

/** The library hands on what the adapter made of the event: an error, or the error object itself. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error)
}

/** The four client libraries behind one question, for tests of what each of them does with the same refusal. */

import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import Anthropic from '@anthropic-ai/sdk'
import { APICallError, generateText, type LanguageModel, RetryError, streamText } from 'ai'
import OpenAI from 'openai'
import type { Protocol } from '../../src/base/words.ts'

export interface Connection {
  /** Ends with `/v1`. */
  readonly baseUrl: string
  readonly key: string
  readonly fetch: typeof fetch
  /** By default the library's own. */
  readonly maxRetries?: number
}

export interface Asker {
  readonly library: string
  readonly protocol: Protocol
  /** What a used-up limit has to say so that the library does not ask again: the AI SDK repeats every 429. */
  readonly limitStatus: 429 | 402
  /** Asks a model one thing. @returns the answer's text @throws what the library throws */
  ask(connection: Connection, question: Question): Promise<string>
}

export interface Question {
  readonly model: string
  readonly stream: boolean
  /** By default 100. */
  readonly maxTokens?: number
}

/** What a library's error tells its user. */
export interface ToldError {
  readonly status: number | undefined
  readonly message: string
  /** The header `x-should-retry`. */
  readonly shouldRetry: string | undefined
}

const CONTENT = 'one two three'

export const askers: readonly Asker[] = [
  { library: 'openai', protocol: 'openai-chat', limitStatus: 429, ask: askOpenAi },
  { library: '@anthropic-ai/sdk', protocol: 'anthropic-messages', limitStatus: 429, ask: askAnthropic },
  {
    library: '@ai-sdk/openai-compatible',
    protocol: 'openai-chat',
    limitStatus: 402,
    ask: ({ baseUrl, key, fetch, ...rest }, question) => {
      const provider = createOpenAICompatible({ name: 'zendo', baseURL: baseUrl, apiKey: key, fetch })
      return askAiSdk(provider(question.model), question, rest)
    },
  },
  {
    library: '@ai-sdk/anthropic',
    protocol: 'anthropic-messages',
    limitStatus: 402,
    ask: ({ baseUrl, key, fetch, ...rest }, question) =>
      askAiSdk(createAnthropic({ baseURL: baseUrl, apiKey: key, fetch })(question.model), question, rest),
  },
]

async function askOpenAi({ baseUrl, key, ...rest }: Connection, question: Question): Promise<string> {
  const { completions } = new OpenAI({ baseURL: baseUrl, apiKey: key, ...rest }).chat
  const request = {
    model: question.model,
    max_tokens: question.maxTokens ?? 100,
    messages: [{ role: 'user' as const, content: CONTENT }],
  }
  if (question.stream) return String(await completions.stream(request).finalContent())
  return String((await completions.create(request)).choices[0]?.message.content)
}

async function askAnthropic({ baseUrl, key, ...rest }: Connection, question: Question): Promise<string> {
  const { messages } = new Anthropic({ baseURL: baseUrl.replace(/\/v1$/, ''), apiKey: key, ...rest })
  const request = {
    model: question.model,
    max_tokens: question.maxTokens ?? 100,
    messages: [{ role: 'user' as const, content: CONTENT }],
  }
  if (question.stream) return await messages.stream(request).finalText()
  return (await messages.create(request)).content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

async function askAiSdk(model: LanguageModel, question: Question, rest: { maxRetries?: number }): Promise<string> {
  const request = { model, prompt: CONTENT, maxOutputTokens: question.maxTokens ?? 100, ...rest }
  if (!question.stream) return (await generateText(request)).text
  let text = ''
  for await (const part of streamText({ ...request, onError: () => {} }).fullStream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'text-delta') text += part.text
  }
  return text
}

/** @throws the error itself when it is none of a library's */
export function toldBy(error: unknown): ToldError {
  if (error instanceof OpenAI.APIError || error instanceof Anthropic.APIError) {
    const { status, message, headers } = error
    return { status, message, shouldRetry: headers?.get('x-should-retry') ?? undefined }
  }
  // Once it has tried again, the AI SDK wraps the last error, whose message it repeats in its own.
  if (RetryError.isInstance(error)) return { ...toldBy(error.lastError), message: error.message }
  if (APICallError.isInstance(error)) {
    const { statusCode, message, responseHeaders } = error
    return { status: statusCode, message, shouldRetry: responseHeaders?.['x-should-retry'] }
  }
  throw error
}

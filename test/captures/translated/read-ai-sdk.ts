/** Asks and reads by the AI SDK, with its adapter for the client's protocol. */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, jsonSchema, type LanguageModel, streamText, type ToolSet, tool } from 'ai'
import type { Family } from '../case.ts'
import { CONTENT, type Line, type Question, TOOL_SCHEMA } from './question.ts'
import { failureOf, NOTHING, type Seen, type SeenCall, type SeenUsage } from './seen.ts'

const MODELS: Readonly<Record<Family, (line: Line, model: string) => LanguageModel>> = {
  'openai-chat': ({ baseUrl, key, fetch }, model) =>
    createOpenAICompatible({
      ...{ name: 'zendo', baseURL: `${baseUrl}/zen/v1`, apiKey: key, fetch },
      includeUsage: true,
    })(model),
  'openai-responses': ({ baseUrl, key, fetch }, model) =>
    createOpenAI({ baseURL: `${baseUrl}/zen/v1`, apiKey: key, fetch }).responses(model),
  'anthropic-messages': ({ baseUrl, key, fetch }, model) =>
    createAnthropic({ baseURL: `${baseUrl}/zen/v1`, apiKey: key, fetch })(model),
  'google-generate': ({ baseUrl, key, fetch }, model) =>
    createGoogleGenerativeAI({ baseURL: `${baseUrl}/zen/v1beta`, apiKey: key, fetch })(`models/${model}`),
}

const OPTIONS = {
  openai: { store: false, include: ['reasoning.encrypted_content'] },
  google: { thinkingConfig: { includeThoughts: true } },
}
/** Without a limit the library sets one of its own for models that it does not know. */
const MAX_TOKENS = 400_000

export async function readByAiSdk(target: Family, line: Line, question: Question): Promise<Seen> {
  const request = {
    model: MODELS[target](line, question.model),
    prompt: CONTENT,
    tools: toolsFor(question),
    providerOptions: OPTIONS,
    maxRetries: 0,
    maxOutputTokens: MAX_TOKENS,
  }
  if (!question.stream) {
    try {
      return seenOf(await generateText(request))
    } catch (error) {
      return { ...NOTHING, failure: failureOf(error) }
    }
  }
  let text = ''
  let reasoning = ''
  try {
    const stream = streamText({ ...request, onError: () => {} })
    for await (const part of stream.fullStream) {
      if (part.type === 'text-delta') text += part.text
      if (part.type === 'reasoning-delta') reasoning += part.text
      if (part.type === 'error') throw part.error
    }
    return seenOf({
      ...{ text: await stream.text, reasoningText: await stream.reasoningText, toolCalls: await stream.toolCalls },
      ...{ finishReason: await stream.finishReason, usage: await stream.usage },
    })
  } catch (error) {
    return { ...NOTHING, text, reasoning, failure: failureOf(error) }
  }
}

function toolsFor({ tools }: Question): ToolSet {
  return Object.fromEntries(tools.map(({ name }) => [name, tool({ inputSchema: jsonSchema(TOOL_SCHEMA) })])) as ToolSet
}

interface AiSdkResult {
  readonly text: string
  readonly reasoningText: string | undefined
  readonly toolCalls: readonly { readonly toolCallId: string; readonly toolName: string; readonly input: unknown }[]
  readonly finishReason: string
  readonly usage: AiSdkUsage
}

interface AiSdkUsage {
  readonly inputTokens: number | undefined
  readonly inputTokenDetails: {
    readonly cacheReadTokens: number | undefined
    readonly cacheWriteTokens: number | undefined
  }
  readonly outputTokens: number | undefined
  readonly outputTokenDetails: { readonly reasoningTokens: number | undefined }
}

const FINISHES: Readonly<Record<string, string>> = { 'content-filter': 'content_filter', 'tool-calls': 'tool_calls' }

function seenOf({ text, reasoningText, toolCalls, finishReason, usage }: AiSdkResult): Seen {
  return {
    text,
    reasoning: reasoningText ?? '',
    refusal: '',
    calls: toolCalls.map(({ toolCallId, toolName, input }): SeenCall => ({ id: toolCallId, name: toolName, input })),
    finish: FINISHES[finishReason] ?? finishReason,
    usage: usageOf(usage),
    failure: null,
  }
}

/** Its words for what the wire said nothing of differ from adapter to adapter: what it has is compared. */
function usageOf({ inputTokens, inputTokenDetails, outputTokens, outputTokenDetails }: AiSdkUsage): SeenUsage {
  return {
    prompt: inputTokens ?? null,
    cachedRead: inputTokenDetails.cacheReadTokens ?? null,
    cacheWrite: inputTokenDetails.cacheWriteTokens ?? null,
    cacheWrite1h: null,
    output: outputTokens ?? null,
    reasoning: outputTokenDetails.reasoningTokens ?? null,
  }
}

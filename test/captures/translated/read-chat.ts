/** Asks and reads by the official OpenAI library, Chat Completions. */
import OpenAI from 'openai'
import { CONTENT, FORMAT_SCHEMA, type Line, type Question, TOOL_SCHEMA } from './question.ts'
import { failureOf, NOTHING, parsedInput, type Seen, type SeenCall, type SeenUsage } from './seen.ts'

type Completion = OpenAI.Chat.ChatCompletion
type Message = Completion['choices'][number]['message']

export async function readChat(line: Line, question: Question): Promise<Seen> {
  const client = new OpenAI({ baseURL: `${line.baseUrl}/zen/v1`, apiKey: line.key, fetch: line.fetch, maxRetries: 0 })
  const request = requestFor(question)
  if (!question.stream) {
    try {
      const completion = await client.chat.completions.create(request)
      const message = completion.choices[0]?.message as { reasoning_content?: string } | undefined
      return seenOf(completion, message?.reasoning_content ?? '')
    } catch (error) {
      return { ...NOTHING, failure: failureOf(error) }
    }
  }
  let reasoning = ''
  let text = ''
  try {
    const stream = client.chat.completions.stream({ ...request, stream: true, stream_options: { include_usage: true } })
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined
      reasoning += delta?.reasoning_content ?? ''
      text += delta?.content ?? ''
    }
    return seenOf(await stream.finalChatCompletion(), reasoning)
  } catch (error) {
    return { ...NOTHING, text, reasoning, failure: failureOf(error) }
  }
}

function requestFor({ model, tools, wantsJson }: Question) {
  return {
    model,
    messages: [{ role: 'user' as const, content: CONTENT }],
    ...(tools.length > 0 && {
      tools: tools.map(({ name, isCustom }) =>
        isCustom
          ? { type: 'custom' as const, custom: { name } }
          : { type: 'function' as const, function: { name, parameters: TOOL_SCHEMA } },
      ),
    }),
    ...(wantsJson && {
      response_format: { type: 'json_schema' as const, json_schema: { name: 'answer', schema: FORMAT_SCHEMA } },
    }),
  }
}

const FINISHES: Readonly<Record<string, string>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
}

function seenOf({ choices, usage }: Completion, reasoning: string): Seen {
  const [choice] = choices
  return {
    text: choice?.message.content ?? '',
    reasoning,
    refusal: choice?.message.refusal ?? '',
    calls: (choice?.message.tool_calls ?? []).map(callOf),
    finish: finishOf(choice),
    usage: usage ? usageOf(usage) : null,
    failure: null,
  }
}

/** A refusal is a plain end here, and its own member says what it is: filtered ones the library throws away. */
function finishOf(choice: Completion['choices'][number] | undefined): string | null {
  const reason = choice?.finish_reason ?? ''
  if (choice?.message.refusal) return reason === 'stop' ? 'content_filter' : `${reason} beside a refusal`
  return FINISHES[reason] ?? null
}

function callOf(call: NonNullable<Message['tool_calls']>[number]): SeenCall {
  if (call.type === 'custom') return { id: call.id, name: call.custom.name, input: call.custom.input }
  return { id: call.id, name: call.function.name, input: parsedInput(call.function.arguments) }
}

function usageOf(usage: NonNullable<Completion['usage']>): SeenUsage {
  const details = usage.prompt_tokens_details as { cached_tokens?: number; cache_write_tokens?: number } | undefined
  return {
    prompt: usage.prompt_tokens,
    cachedRead: details?.cached_tokens ?? null,
    cacheWrite: details?.cache_write_tokens ?? null,
    cacheWrite1h: null,
    output: usage.completion_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? null,
  }
}

/** Asks and reads by the official OpenAI library, Responses. */
import OpenAI from 'openai'
import { CONTENT, FORMAT_SCHEMA, type Line, type Question, TOOL_SCHEMA } from './question.ts'
import { failureOf, NOTHING, parsedInput, type Seen, type SeenCall } from './seen.ts'

type Response = OpenAI.Responses.Response
type Item = Response['output'][number]

export async function readResponses(line: Line, question: Question): Promise<Seen> {
  const client = new OpenAI({ baseURL: `${line.baseUrl}/zen/v1`, apiKey: line.key, fetch: line.fetch, maxRetries: 0 })
  const request = requestFor(question)
  if (!question.stream) {
    try {
      return seenOf(await client.responses.create(request))
    } catch (error) {
      return { ...NOTHING, failure: failureOf(error) }
    }
  }
  let text = ''
  let reasoning = ''
  try {
    const stream = client.responses.stream(request)
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') text += event.delta
      if (event.type === 'response.reasoning_summary_text.delta') reasoning += event.delta
    }
    const whole = seenOf(await stream.finalResponse())
    // What was streamed and what the end repeats must be the same.
    return { ...whole, text: text === whole.text ? text : `${whole.text} <> streamed: ${text}` }
  } catch (error) {
    return { ...NOTHING, text, reasoning, failure: failureOf(error) }
  }
}

function requestFor({ model, tools, wantsJson }: Question) {
  return {
    model,
    input: CONTENT,
    store: false,
    include: ['reasoning.encrypted_content' as const],
    ...(tools.length > 0 && {
      tools: tools.map(({ name, isCustom }) =>
        isCustom
          ? { type: 'custom' as const, name }
          : { type: 'function' as const, name, parameters: TOOL_SCHEMA, strict: false },
      ),
    }),
    ...(wantsJson && {
      text: { format: { type: 'json_schema' as const, name: 'answer', schema: FORMAT_SCHEMA } },
    }),
  }
}

function seenOf(response: Response): Seen {
  const { output, usage } = response
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  const details = usage?.input_tokens_details as { cached_tokens?: number; cache_write_tokens?: number } | undefined
  return {
    text: parts.map((part) => (part.type === 'output_text' ? part.text : '')).join(''),
    reasoning: output.flatMap(reasoningOf).join(''),
    refusal: parts.map((part) => (part.type === 'refusal' ? part.refusal : '')).join(''),
    calls: output.flatMap(callOf),
    finish: finishOf(response),
    usage: usage
      ? {
          prompt: usage.input_tokens,
          cachedRead: details?.cached_tokens ?? null,
          cacheWrite: details?.cache_write_tokens ?? null,
          cacheWrite1h: null,
          output: usage.output_tokens,
          reasoning: usage.output_tokens_details.reasoning_tokens,
        }
      : null,
    failure: response.status === 'failed' ? { status: null, message: String(response.error?.message) } : null,
  }
}

function reasoningOf(item: Item): string[] {
  return item.type === 'reasoning' ? item.summary.map(({ text }) => text) : []
}

function callOf(item: Item): SeenCall[] {
  if (item.type === 'function_call') return [{ id: item.call_id, name: item.name, input: parsedInput(item.arguments) }]
  return item.type === 'custom_tool_call' ? [{ id: item.call_id, name: item.name, input: item.input }] : []
}

const REASONS: Readonly<Record<string, string>> = { max_output_tokens: 'length', content_filter: 'content_filter' }

/** A whole response names neither tool use nor a refusal: its items do. */
function finishOf({ status, incomplete_details, output }: Response): string | null {
  if (status === 'incomplete') return REASONS[incomplete_details?.reason ?? ''] ?? 'other'
  if (status !== 'completed') return null
  if (output.some((item) => callOf(item).length > 0)) return 'tool_calls'
  const declined = output.some((item) => item.type === 'message' && item.content.some(({ type }) => type === 'refusal'))
  return declined ? 'content_filter' : 'stop'
}

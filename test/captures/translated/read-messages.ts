/** Asks and reads by the official Anthropic library. */
import Anthropic from '@anthropic-ai/sdk'
import { CONTENT, FORMAT_SCHEMA, type Line, type Question, TOOL_SCHEMA } from './question.ts'
import { failureOf, NOTHING, type Seen, type SeenUsage } from './seen.ts'

/** More than any recorded answer had, so that the cap holds the money of all of them. */
const MAX_TOKENS = 400_000
/** Said, because the library refuses large caps without it. */
const TIMEOUT_MS = 60_000

export async function readMessages(line: Line, question: Question): Promise<Seen> {
  const client = new Anthropic({
    ...{ baseURL: `${line.baseUrl}/zen`, apiKey: line.key, fetch: line.fetch },
    ...{ maxRetries: 0, timeout: TIMEOUT_MS },
  })
  const request = requestFor(question)
  if (!question.stream) {
    try {
      return seenOf(await client.messages.create(request))
    } catch (error) {
      return { ...NOTHING, failure: failureOf(error) }
    }
  }
  let text = ''
  let reasoning = ''
  try {
    const stream = client.messages.stream(request)
    stream.on('text', (delta) => {
      text += delta
    })
    stream.on('thinking', (delta) => {
      reasoning += delta
    })
    return seenOf(await stream.finalMessage())
  } catch (error) {
    return { ...NOTHING, text, reasoning, failure: failureOf(error) }
  }
}

function requestFor({ model, tools, wantsJson }: Question) {
  return {
    model,
    max_tokens: MAX_TOKENS,
    messages: [{ role: 'user' as const, content: CONTENT }],
    ...(tools.length > 0 && { tools: tools.map(({ name }) => ({ name, input_schema: TOOL_SCHEMA })) }),
    ...(wantsJson && { output_config: { format: { type: 'json_schema' as const, schema: FORMAT_SCHEMA } } }),
  }
}

const FINISHES: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
  pause_turn: 'pause',
  model_context_window_exceeded: 'length',
}

function seenOf({ content, stop_reason, usage }: Anthropic.Message): Seen {
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    reasoning: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    refusal: '',
    calls: content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, input: block.input }] : [],
    ),
    finish: FINISHES[stop_reason ?? ''] ?? null,
    usage: usageOf(usage),
    failure: null,
  }
}

function usageOf(usage: Anthropic.Usage): SeenUsage {
  const read = usage.cache_read_input_tokens ?? 0
  const write = usage.cache_creation_input_tokens ?? 0
  const details = (usage as { output_tokens_details?: { thinking_tokens?: number } }).output_tokens_details
  return {
    prompt: usage.input_tokens + read + write,
    cachedRead: read,
    cacheWrite: write,
    cacheWrite1h: usage.cache_creation?.ephemeral_1h_input_tokens ?? null,
    output: usage.output_tokens,
    reasoning: details?.thinking_tokens ?? 0,
  }
}

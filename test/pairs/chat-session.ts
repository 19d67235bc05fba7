/** Conversations through OpenAI's own library, by Chat Completions. */
import OpenAI from 'openai'
import {
  type Answer,
  MAX_OUTPUT,
  type PairClient,
  recordingFetch,
  type SeenUsage,
  type Session,
  type SessionOptions,
} from './session.ts'

type Message = OpenAI.ChatCompletionMessageParam
type Wire = Record<string, unknown>

const FINISHES: Readonly<Record<string, Answer['finish']>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'refusal',
}

export const chatClient: PairClient = {
  protocol: 'openai-chat',
  resultImages: false,
  open,
  read(error) {
    if (!(error instanceof OpenAI.APIError)) throw error
    return { status: error.status, message: error.message, error: (error.error ?? {}) as Wire }
  },
}

function open(options: SessionOptions): Session {
  const { product, key, returns = 'all' } = options
  const recorder = recordingFetch(options.headers)
  const client = new OpenAI({ baseURL: `${product}/v1`, apiKey: key, maxRetries: 0, fetch: recorder.fetch })
  const messages: Message[] = options.system === undefined ? [] : [{ role: 'system', content: options.system }]
  let { model } = options
  const ask = async (): Promise<Answer> => {
    const request = { ...requestOf(options), model, messages: [...messages] }
    const whole = options.stream ? await readStream(client, request) : await readWhole(client, request)
    messages.push((returns === 'all' ? whole.message : bare(whole.message)) as unknown as Message)
    return { ...answerOf(whole), headers: recorder.headers() }
  }
  return {
    use(other) {
      model = other
    },
    say(text, images = []) {
      const parts = images.map((image) => ({
        type: 'image_url' as const,
        image_url: { url: `data:image/png;base64,${image}` },
      }))
      messages.push({ role: 'user', content: images.length === 0 ? text : [{ type: 'text', text }, ...parts] })
      return ask()
    },
    give(outputs) {
      for (const { call, text } of outputs) messages.push({ role: 'tool', tool_call_id: call.id, content: text })
      return ask()
    },
  }
}

function requestOf(options: SessionOptions) {
  const { tools, schema } = options
  return {
    max_completion_tokens: MAX_OUTPUT,
    ...(options.reasons && { reasoning_effort: 'medium' as const }),
    ...(tools && { tools: tools.map((tool) => ({ type: 'function' as const, function: { ...tool } })) }),
    ...(schema && {
      response_format: {
        type: 'json_schema' as const,
        json_schema: { name: 'answer', schema: { ...schema }, strict: true },
      },
    }),
    ...options.more,
  }
}

interface Whole {
  /** As it goes back into the history. */
  readonly message: Wire
  readonly finish: string | null
  readonly usage: OpenAI.CompletionUsage | null
}

type Request = ReturnType<typeof requestOf> & { model: string; messages: Message[] }

async function readWhole(client: OpenAI, request: Request): Promise<Whole> {
  const completion = await client.chat.completions.create(request)
  const [choice] = completion.choices
  return {
    message: { ...choice?.message },
    finish: choice?.finish_reason ?? null,
    usage: completion.usage ?? null,
  }
}

/** Reads with the library's helper, which checks what it collects, and collects what the helper does not know. */
async function readStream(client: OpenAI, request: Request): Promise<Whole> {
  const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } })
  const extras: Wire = {}
  const callExtras = new Map<number, Wire>()
  let reasoning = ''
  const details: unknown[] = []
  for await (const chunk of stream) {
    const delta = (chunk.choices[0]?.delta ?? {}) as Wire & { tool_calls?: (Wire & { index: number })[] }
    if (typeof delta.reasoning_content === 'string') reasoning += delta.reasoning_content
    if (Array.isArray(delta.reasoning_details)) details.push(...delta.reasoning_details)
    for (const call of delta.tool_calls ?? []) {
      if (call.extra_content !== undefined) callExtras.set(call.index, { extra_content: call.extra_content })
    }
  }
  const completion = await stream.finalChatCompletion()
  const [choice] = completion.choices
  if (reasoning !== '') extras.reasoning_content = reasoning
  if (details.length > 0) extras.reasoning_details = details
  const calls = choice?.message.tool_calls?.map((call, i) => ({ ...call, ...callExtras.get(i) }))
  return {
    message: { ...choice?.message, ...extras, ...(calls && { tool_calls: calls }) },
    finish: choice?.finish_reason ?? null,
    usage: completion.usage ?? null,
  }
}

interface WireCall {
  readonly id: string
  readonly type: 'function'
  readonly function: { readonly name: string; readonly arguments: string }
}

function callsOf(message: Wire): readonly WireCall[] {
  return (message.tool_calls ?? []) as readonly WireCall[]
}

function bare(message: Wire): Wire {
  const calls = callsOf(message).map(({ id, function: { name, arguments: input } }) => ({
    id,
    type: 'function',
    function: { name, arguments: input },
  }))
  return { role: 'assistant', content: message.content, ...(calls.length > 0 && { tool_calls: calls }) }
}

function answerOf({ message, finish, usage }: Whole): Omit<Answer, 'headers'> {
  const refusal = message.refusal as string | null | undefined
  return {
    text: (message.content as string | null) || refusal || '',
    reasoning: (message.reasoning_content as string | undefined) ?? '',
    calls: callsOf(message).map(({ id, function: { name, arguments: input } }) => ({
      id,
      name,
      arguments: JSON.parse(input),
    })),
    finish: refusal ? 'refusal' : (FINISHES[finish ?? ''] ?? 'other'),
    usage: usageOf(usage),
  }
}

function usageOf(usage: OpenAI.CompletionUsage | null): SeenUsage {
  return {
    prompt: usage?.prompt_tokens ?? -1,
    cachedRead: usage?.prompt_tokens_details?.cached_tokens ?? -1,
    output: usage?.completion_tokens ?? -1,
    reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? -1,
  }
}

/** Conversations through Anthropic's own library. */
import Anthropic from '@anthropic-ai/sdk'
import {
  type Answer,
  MAX_OUTPUT,
  type PairClient,
  recordingFetch,
  type Session,
  type SessionOptions,
  type ToolOutput,
} from './session.ts'

type Block = Anthropic.ContentBlockParam

const FINISHES: Readonly<Record<string, Answer['finish']>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'refusal',
}

export const messagesClient: PairClient = {
  protocol: 'anthropic-messages',
  resultImages: true,
  open,
  read(error) {
    if (!(error instanceof Anthropic.APIError)) {
      if (error instanceof Anthropic.AnthropicError) return { status: undefined, message: error.message, error: {} }
      throw error
    }
    const body = (error.error ?? {}) as { error?: Record<string, unknown> }
    return { status: error.status, message: error.message, error: body.error ?? {} }
  },
}

function open(options: SessionOptions): Session {
  const { product, key, returns = 'all' } = options
  const recorder = recordingFetch(options.headers)
  const client = new Anthropic({ baseURL: product, apiKey: key, maxRetries: 0, fetch: recorder.fetch })
  const messages: Anthropic.MessageParam[] = []
  let { model } = options
  const ask = async (): Promise<Answer> => {
    const request = { ...requestOf(options), model, messages: [...messages] }
    const message = options.stream
      ? await client.messages.stream(request).finalMessage()
      : await client.messages.create(request)
    const content = returns === 'all' ? message.content : message.content.filter(isBare)
    messages.push({ role: 'assistant', content: content as Block[] })
    return { ...answerOf(message), headers: recorder.headers() }
  }
  return {
    use(other) {
      model = other
    },
    say(text, images = []) {
      const content: Block[] = [{ type: 'text', text }, ...images.map(imageOf)]
      messages.push({ role: 'user', content: images.length === 0 ? text : content })
      return ask()
    },
    give(outputs) {
      messages.push({ role: 'user', content: outputs.map(resultOf) })
      return ask()
    },
  }
}

function imageOf(data: string): Anthropic.ImageBlockParam {
  return { type: 'image', source: { type: 'base64', media_type: 'image/png', data } }
}

function resultOf({ call, text, isError, image }: ToolOutput): Anthropic.ToolResultBlockParam {
  return {
    type: 'tool_result',
    tool_use_id: call.id,
    content: image === undefined ? text : [{ type: 'text', text }, imageOf(image)],
    ...(isError && { is_error: true }),
  }
}

function requestOf(options: SessionOptions) {
  const { tools, schema } = options
  return {
    max_tokens: MAX_OUTPUT,
    ...(options.system !== undefined && { system: options.system }),
    ...(options.reasons && { thinking: { type: 'enabled' as const, budget_tokens: 2000 } }),
    ...(tools && {
      tools: tools.map(({ name, description, parameters }) => ({
        name,
        description,
        input_schema: { ...parameters, type: 'object' as const },
      })),
    }),
    ...(schema && { output_config: { format: { type: 'json_schema' as const, schema: { ...schema } } } }),
    ...options.more,
  }
}

function isBare({ type }: Anthropic.ContentBlock): boolean {
  return type === 'text' || type === 'tool_use'
}

function answerOf(message: Anthropic.Message): Omit<Answer, 'headers'> {
  const { usage } = message
  const details = (usage as { output_tokens_details?: { thinking_tokens?: number } }).output_tokens_details
  return {
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    reasoning: message.content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: message.content
      .filter((block) => block.type === 'tool_use')
      .map(({ id, name, input }) => ({ id, name, arguments: input })),
    finish: FINISHES[message.stop_reason ?? ''] ?? 'other',
    usage: {
      prompt: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      cachedRead: usage.cache_read_input_tokens ?? -1,
      output: usage.output_tokens,
      reasoning: details?.thinking_tokens ?? null,
    },
  }
}

/** Conversations through OpenAI's own library, by Responses, with nothing stored at the vendor. */
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

type Item = OpenAI.Responses.ResponseInputItem
type Wire = Record<string, unknown>

export const responsesClient: PairClient = {
  protocol: 'openai-responses',
  resultImages: true,
  open,
  read(error) {
    if (error instanceof OpenAI.APIError) {
      return { status: error.status, message: error.message, error: (error.error ?? {}) as Wire }
    }
    if (error instanceof FailedResponse) return { status: undefined, message: error.message, error: error.error }
    if (error instanceof OpenAI.OpenAIError) return { status: undefined, message: error.message, error: {} }
    throw error
  },
}

/** The library hands out a failed response like any other; a caller has to look at its status. */
class FailedResponse extends Error {
  readonly error: Wire
  constructor(response: OpenAI.Responses.Response) {
    super(response.error?.message ?? `the response is ${response.status}`)
    this.error = { ...response.error }
  }
}

function open(options: SessionOptions): Session {
  const { product, key, returns = 'all' } = options
  const recorder = recordingFetch(options.headers)
  const client = new OpenAI({ baseURL: `${product}/v1`, apiKey: key, maxRetries: 0, fetch: recorder.fetch })
  const input: Item[] = []
  let { model } = options
  const ask = async (): Promise<Answer> => {
    const request = { ...requestOf(options), model, input: [...input] }
    const response = options.stream
      ? await client.responses.stream(request).finalResponse()
      : await client.responses.create(request)
    if (response.status !== 'completed' && response.status !== 'incomplete') throw new FailedResponse(response)
    input.push(...(returns === 'all' ? (response.output as Item[]) : response.output.flatMap(bare)))
    return { ...answerOf(response), headers: recorder.headers() }
  }
  return {
    use(other) {
      model = other
    },
    say(text, images = []) {
      const parts = images.map((image) => ({
        type: 'input_image' as const,
        image_url: `data:image/png;base64,${image}`,
        detail: 'auto' as const,
      }))
      input.push({ role: 'user', content: images.length === 0 ? text : [{ type: 'input_text', text }, ...parts] })
      return ask()
    },
    give(outputs) {
      for (const { call, text, image } of outputs) {
        const url = `data:image/png;base64,${image}`
        const parts = [
          { type: 'input_text' as const, text },
          { type: 'input_image' as const, image_url: url, detail: 'auto' as const },
        ]
        input.push({ type: 'function_call_output', call_id: call.id, output: image === undefined ? text : parts })
      }
      return ask()
    },
  }
}

function requestOf(options: SessionOptions) {
  const { tools, schema } = options
  return {
    store: false,
    include: ['reasoning.encrypted_content' as const],
    max_output_tokens: MAX_OUTPUT,
    ...(options.system !== undefined && { instructions: options.system }),
    ...(options.reasons && { reasoning: { effort: 'medium' as const, summary: 'auto' as const } }),
    ...(tools && { tools: tools.map((tool) => ({ type: 'function' as const, ...tool, strict: false })) }),
    ...(schema && {
      text: { format: { type: 'json_schema' as const, name: 'answer', schema: { ...schema }, strict: true } },
    }),
    ...options.more,
  }
}

function bare(item: OpenAI.Responses.ResponseOutputItem): Item[] {
  if (item.type === 'message') {
    const text = item.content.map((part) => (part.type === 'output_text' ? part.text : part.refusal)).join('')
    return [{ role: 'assistant', content: text }]
  }
  if (item.type !== 'function_call') return []
  const { call_id, name, arguments: input } = item
  return [{ type: 'function_call', call_id, name, arguments: input }]
}

function answerOf(response: OpenAI.Responses.Response): Omit<Answer, 'headers'> {
  const calls = response.output.filter((item) => item.type === 'function_call')
  const parts = response.output.flatMap((item) => (item.type === 'message' ? item.content : []))
  const isRefusal = parts.some((part) => part.type === 'refusal')
  return {
    text: parts.map((part) => (part.type === 'output_text' ? part.text : part.refusal)).join(''),
    reasoning: response.output
      .flatMap((item) => (item.type === 'reasoning' ? item.summary.map(({ text }) => text) : []))
      .join(''),
    calls: calls.map(({ call_id, name, arguments: input }) => ({ id: call_id, name, arguments: JSON.parse(input) })),
    finish: finishOf(response, calls.length > 0, isRefusal),
    usage: usageOf(response.usage),
  }
}

function finishOf(response: OpenAI.Responses.Response, hasCalls: boolean, isRefusal: boolean): Answer['finish'] {
  const reason = response.incomplete_details?.reason
  if (response.status === 'incomplete') return reason === 'content_filter' ? 'refusal' : 'length'
  if (isRefusal) return 'refusal'
  return hasCalls ? 'tool_calls' : 'stop'
}

function usageOf(usage: OpenAI.Responses.ResponseUsage | undefined): SeenUsage {
  return {
    prompt: usage?.input_tokens ?? -1,
    cachedRead: usage?.input_tokens_details.cached_tokens ?? -1,
    output: usage?.output_tokens ?? -1,
    reasoning: usage?.output_tokens_details.reasoning_tokens ?? -1,
  }
}

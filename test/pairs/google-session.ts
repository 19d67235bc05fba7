/** Conversations through Google's own library. */
import {
  ApiError,
  type Content,
  type GenerateContentConfig,
  type GenerateContentResponse,
  GoogleGenAI,
  type Part,
} from '@google/genai'
import {
  type Answer,
  MAX_OUTPUT,
  type PairClient,
  type Returns,
  recordingFetch,
  type SeenUsage,
  type Session,
  type SessionOptions,
  type ToolOutput,
} from './session.ts'

export const googleClient: PairClient = {
  protocol: 'google-generate',
  resultImages: true,
  open,
  read(error) {
    if (error instanceof ApiError) {
      const body = JSON.parse(error.message.slice(error.message.indexOf('{'))) as { error: Record<string, unknown> }
      return { status: error.status, message: String(body.error.message), error: body.error }
    }
    // The library knows no error of its own for a connection that broke, or an answer that is none.
    if (error instanceof Error)
      return { status: undefined, message: `${error.message} ${String(error.cause ?? '')}`, error: {} }
    throw error
  },
}

/** An answer that stopped without a reason: the library hands it out, its caller has to look. */
class NoReason extends Error {}

function open(options: SessionOptions): Session {
  const { product, key, returns = 'all' } = options
  const recorder = recordingFetch(options.headers)
  const ai = new GoogleGenAI({
    apiKey: key,
    httpOptions: { baseUrl: product, apiVersion: 'v1beta', fetch: recorder.fetch },
  })
  const contents: Content[] = []
  let { model } = options
  const ask = async (): Promise<Answer> => {
    const request = { model, contents: [...contents], config: configOf(options) }
    const chunks: GenerateContentResponse[] = []
    if (options.stream) for await (const chunk of await ai.models.generateContentStream(request)) chunks.push(chunk)
    else chunks.push(await ai.models.generateContent(request))
    const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? [])
    const answer = { ...answerOf(chunks, parts), headers: recorder.headers() }
    contents.push({ role: 'model', parts: returned(parts, returns) })
    return answer
  }
  return {
    use(other) {
      model = other
    },
    say(text, images = []) {
      contents.push({ role: 'user', parts: [{ text }, ...images.map(imageOf)] })
      return ask()
    },
    give(outputs) {
      contents.push({ role: 'user', parts: outputs.map((output) => responseOf(output, returns)) })
      return ask()
    },
  }
}

function imageOf(data: string): Part {
  return { inlineData: { mimeType: 'image/png', data } }
}

/** opencode, Kilo and pi send no ids: results are matched by name and order. */
function responseOf({ call, text, isError, image }: ToolOutput, returns: Returns): Part {
  return {
    functionResponse: {
      ...(returns !== 'nameless' && { id: call.id }),
      name: call.name,
      response: isError ? { error: text } : { output: text },
      ...(image !== undefined && { parts: [imageOf(image)] }),
    },
  }
}

function returned(parts: readonly Part[], returns: Returns): Part[] {
  if (returns === 'bare') return parts.flatMap(bare)
  if (returns === 'all') return [...parts]
  return parts.map((part) => {
    if (!part.functionCall) return part
    const { id: _, ...functionCall } = part.functionCall
    return { ...part, functionCall }
  })
}

function configOf(options: SessionOptions): GenerateContentConfig {
  const { tools, schema } = options
  return {
    maxOutputTokens: MAX_OUTPUT,
    ...(options.system !== undefined && { systemInstruction: options.system }),
    ...(options.reasons && { thinkingConfig: { includeThoughts: true, thinkingBudget: 2000 } }),
    ...(tools && {
      tools: [
        {
          functionDeclarations: tools.map(({ name, description, parameters }) => ({
            name,
            description,
            parametersJsonSchema: parameters,
          })),
        },
      ],
    }),
    ...(schema && { responseMimeType: 'application/json', responseJsonSchema: schema }),
    ...options.more,
  }
}

function bare({ thought, functionCall, text }: Part): Part[] {
  if (thought) return []
  if (functionCall) return [{ functionCall }]
  return text ? [{ text }] : []
}

function answerOf(chunks: readonly GenerateContentResponse[], parts: readonly Part[]): Omit<Answer, 'headers'> {
  const reason = chunks.findLast((chunk) => chunk.candidates?.[0]?.finishReason)?.candidates?.[0]?.finishReason
  if (reason === undefined) throw new NoReason('the answer has no finishReason')
  const calls = parts.flatMap(({ functionCall }) => functionCall ?? [])
  const texts = (isThought: boolean): string =>
    parts.map(({ text = '', thought = false }) => (thought === isThought ? text : '')).join('')
  return {
    text: texts(false),
    reasoning: texts(true),
    calls: calls.map(({ id, name, args }) => ({ id: id ?? '', name: name ?? '', arguments: args ?? {} })),
    finish: finishOf(reason, calls.length > 0),
    usage: usageOf(chunks.findLast((chunk) => chunk.usageMetadata)?.usageMetadata),
  }
}

function finishOf(reason: string, hasCalls: boolean): Answer['finish'] {
  if (reason === 'STOP') return hasCalls ? 'tool_calls' : 'stop'
  if (reason === 'MAX_TOKENS') return 'length'
  return reason === 'SAFETY' ? 'refusal' : 'other'
}

function usageOf(usage: GenerateContentResponse['usageMetadata']): SeenUsage {
  return {
    prompt: usage?.promptTokenCount ?? -1,
    cachedRead: usage?.cachedContentTokenCount ?? -1,
    output: (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
    reasoning: usage?.thoughtsTokenCount ?? -1,
  }
}

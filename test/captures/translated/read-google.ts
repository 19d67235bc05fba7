/** Asks and reads by the official Google library. */
import { type GenerateContentResponse, GoogleGenAI, type Part } from '@google/genai'
import { CONTENT, FORMAT_SCHEMA, type Line, type Question, TOOL_SCHEMA } from './question.ts'
import { failureOf, type Seen, type SeenCall, type SeenUsage } from './seen.ts'

export async function readGoogle(line: Line, question: Question): Promise<Seen> {
  const client = new GoogleGenAI({
    apiKey: line.key,
    httpOptions: { baseUrl: `${line.baseUrl}/zen`, apiVersion: 'v1beta', fetch: line.fetch },
  })
  const request = requestFor(question)
  const chunks: GenerateContentResponse[] = []
  try {
    if (question.stream)
      for await (const chunk of await client.models.generateContentStream(request)) chunks.push(chunk)
    else chunks.push(await client.models.generateContent(request))
    return seenOfChunks(chunks)
  } catch (error) {
    return { ...seenOfChunks(chunks), failure: failureOf(error) }
  }
}

/** What is read of a chunk, of the library's or of the wire's own. */
export type GoogleChunk = Pick<GenerateContentResponse, 'candidates' | 'usageMetadata'>

function requestFor({ model, tools, wantsJson }: Question) {
  const declarations = tools.map(({ name }) => ({ name, parametersJsonSchema: TOOL_SCHEMA }))
  return {
    model,
    contents: CONTENT,
    config: {
      thinkingConfig: { includeThoughts: true },
      ...(tools.length > 0 && { tools: [{ functionDeclarations: declarations }] }),
      ...(wantsJson && { responseMimeType: 'application/json', responseJsonSchema: FORMAT_SCHEMA }),
    },
  }
}

const FINISHES: Readonly<Record<string, string>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  OTHER: 'other',
  MALFORMED_FUNCTION_CALL: 'other',
}

/** What the chunks of an answer amount to. */
export function seenOfChunks(chunks: readonly GoogleChunk[]): Seen {
  const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? [])
  const calls = parts.flatMap(callOf)
  const word = chunks.map((chunk) => chunk.candidates?.[0]?.finishReason).findLast((reason) => reason !== undefined)
  const finish = FINISHES[word ?? ''] ?? null
  const usage = chunks.map((chunk) => chunk.usageMetadata).findLast((counters) => counters !== undefined)
  return {
    text: parts.map((part) => (part.thought ? '' : (part.text ?? ''))).join(''),
    reasoning: parts.map((part) => (part.thought ? (part.text ?? '') : '')).join(''),
    refusal: '',
    calls,
    finish: finish === 'stop' && calls.length > 0 ? 'tool_calls' : finish,
    usage: usage ? usageOf(usage) : null,
    failure: null,
  }
}

function callOf({ functionCall }: Part): SeenCall[] {
  if (!functionCall) return []
  return [{ id: functionCall.id ?? '', name: functionCall.name ?? '', input: functionCall.args ?? {} }]
}

function usageOf(usage: NonNullable<GenerateContentResponse['usageMetadata']>): SeenUsage {
  const { promptTokenCount, cachedContentTokenCount, candidatesTokenCount, thoughtsTokenCount } = usage
  return {
    prompt: promptTokenCount ?? null,
    cachedRead: cachedContentTokenCount ?? 0,
    cacheWrite: null,
    cacheWrite1h: null,
    output: (candidatesTokenCount ?? 0) + (thoughtsTokenCount ?? 0),
    reasoning: thoughtsTokenCount ?? 0,
  }
}

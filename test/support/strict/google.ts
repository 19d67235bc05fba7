/**
 * A strict Gemini upstream (`generateContent`), as Gemini 3 is: its answers. Its rules are in `google-rules.ts`.
 *
 * Sources: Google "GenerateContentRequest", "GenerateContentResponse", "Thought signatures"; order as captured.
 */
import type { Usage } from '../../../src/base/usage.ts'
import { asObject } from '../../../src/protocol/wire-value.ts'
import { checkGoogle, type GoogleOptions, signedCall, signedText } from './google-rules.ts'
import type { AnswerContext, Refusal, StrictDialect } from './server.ts'
import { finishOf, piecesOf, type StrictTurn, TURN_USAGE, type TurnFinish, UPSTREAM_ERROR_TEXT } from './turn.ts'

const FINISHES: Readonly<Record<TurnFinish, string>> = {
  stop: 'STOP',
  length: 'MAX_TOKENS',
  refusal: 'SAFETY',
  tool_calls: 'STOP',
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
}

export function strictGoogle(options: GoogleOptions = {}): StrictDialect {
  return {
    protocol: 'google-generate',
    basePath: '/v1beta',
    route(path, query) {
      const match = /^\/v1(?:beta)?\/models\/([^/:]+):(generateContent|streamGenerateContent)$/.exec(path)
      if (!match) return null
      const stream = match[2] === 'streamGenerateContent'
      // Without `alt=sse` a stream is one JSON array, which this upstream does not write.
      return stream && query.get('alt') !== 'sse' ? null : { model: match[1] as string, stream }
    },
    check: ({ headers, query, body }, mint) => {
      checkGoogle(headers['x-goog-api-key'] ?? query.get('key'), body, mint, options)
    },
    frames: (turn, context) => frames(turn, context, options),
    body: (turn, context) => {
      const parts = partsOf(turn, context, options)
      return chunkOf(context, [...mergedText(parts)], FINISHES[finishOf(turn)], turn.usage ?? TURN_USAGE)
    },
    errorBody: ({ status, message, path }: Refusal) => ({
      error: {
        code: status,
        message,
        status: STATUS_WORDS[status] ?? 'UNKNOWN',
        ...(path !== '' && {
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.BadRequest',
              fieldViolations: [{ field: path, description: message }],
            },
          ],
        }),
      },
    }),
    // As captured: not framed as an event.
    errorFrames: () => [
      JSON.stringify({ error: { code: 503, message: UPSTREAM_ERROR_TEXT, status: 'UNAVAILABLE' } }, null, 2),
    ],
  }
}

type Part = Readonly<Record<string, unknown>>

function partsOf(turn: StrictTurn, { request, mint, serial }: AnswerContext, options: GoogleOptions): Part[] {
  const thinking = asObject(asObject(request.body.generationConfig)?.thinkingConfig)
  const parts: Part[] = []
  if (turn.reasoning !== undefined && thinking?.includeThoughts === true) {
    parts.push(...piecesOf(turn.reasoning).map((text) => ({ text, thought: true })))
  }
  // An answer that was stopped for safety has no content.
  if (turn.finish !== 'refusal') parts.push(...piecesOf(turn.text ?? '').map((text) => ({ text })))
  turn.calls?.forEach(({ id, name, arguments: args }, i) => {
    const functionCall = { ...(options.callIds && { id }), name, args }
    // Only the first of parallel calls is signed.
    const signature = i === 0 ? { thoughtSignature: mint.sign(`${serial} ${signedCall(functionCall)}`) } : {}
    parts.push({ functionCall, ...signature })
  })
  if (turn.reasoning !== undefined && !turn.calls?.length && turn.finish === undefined) {
    parts.push({ text: '', thoughtSignature: mint.sign(`${serial} ${signedText()}`) })
  }
  return parts
}

function frames(turn: StrictTurn, context: AnswerContext, options: GoogleOptions): string[] {
  const usage = turn.usage ?? TURN_USAGE
  const parts = partsOf(turn, context, options)
  const last = parts.at(-1)
  return [
    ...parts.slice(0, -1).map((part) => event(chunkOf(context, [part], null, { ...usage, output: 1, reasoning: 0 }))),
    event(chunkOf(context, last === undefined ? [] : [last], FINISHES[finishOf(turn)], usage)),
  ]
}

/** Texts that follow each other are one part in an answer that comes whole. */
function mergedText(parts: readonly Part[]): Part[] {
  const merged: Part[] = []
  for (const part of parts) {
    const before = merged.at(-1)
    const isSame = typeof before?.text === 'string' && typeof part.text === 'string' && before.thought === part.thought
    if (isSame) merged[merged.length - 1] = { ...before, ...part, text: `${before.text}${part.text}` }
    else merged.push(part)
  }
  return merged
}

function chunkOf(
  { request, serial }: AnswerContext,
  parts: readonly Part[],
  finish: string | null,
  usage: Usage,
): object {
  const content = parts.length === 0 ? {} : { content: { role: 'model', parts } }
  return {
    candidates: [{ ...content, index: 0, ...(finish !== null && { finishReason: finish }) }],
    usageMetadata: wireUsage(usage),
    modelVersion: request.model,
    responseId: `strict${serial}`,
  }
}

function event(payload: object): string {
  return `data: ${JSON.stringify(payload)}\r\n\r\n`
}

/** The prompt count includes what was cached, the candidates' count leaves out the thoughts. */
function wireUsage(usage: Usage): object {
  const prompt = usage.input + usage.cachedRead
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: usage.output - usage.reasoning,
    thoughtsTokenCount: usage.reasoning,
    cachedContentTokenCount: usage.cachedRead,
    totalTokenCount: prompt + usage.output,
  }
}

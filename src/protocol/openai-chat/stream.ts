/**
 * Reads the events of a streamed Chat Completions reply as they pass by.
 *
 * Source: OpenAI "Streaming" (`data: [DONE]` ends it; with `include_usage` a chunk with empty `choices` carries the
 * usage) and captured streams: Perplexity and GPUStack send no `[DONE]`, so a finish reason before the end of the
 * body is a whole reply too; DeepSeek, Z.ai and Mistral put usage into the finish chunk, Groq into `x_groq`,
 * Moonshot into the choice; OpenRouter sends the finish twice, Perplexity usage in every chunk: the last one counts.
 */
import type { Usage } from '../../base/usage.ts'
import {
  addDelivered,
  type Delivered,
  type EventReader,
  estimateTokens,
  hasOutput,
  nothingDelivered,
  outputSoFar,
  type Verdict,
} from '../event-reader.ts'
import { createSpotted, type Spotted, spot } from '../event-spotter.ts'
import type { ReplyError, ReplySummary } from '../reply-summary.ts'
import type { SseBlock } from '../sse.ts'
import { asArray, asCount, asName, asObject, parseJson, type WireObject } from '../wire-value.ts'
import { endChatEarly } from './early-end.ts'
import { readChatError } from './error.ts'
import { readChatFinish } from './finish.ts'
import { readChatUsage } from './usage.ts'

interface ChatState {
  readonly stripUsage: boolean
  /** Choices that were asked for, or spoken of; and those that have been told their reason to end. */
  readonly choices: Set<number>
  readonly ended: Set<number>
  /** `id`, `model` and `created`, once an event has named an id. */
  names: WireObject
  readonly found: Spotted
  readonly delivered: Delivered
  usage: Usage | null
  finish: string | null
  upstreamId: string | null
  /** The id is looked for in the first events only: a vendor that sends none shall not cost a parse per event. */
  idTries: number
  error: ReplyError | null
}

const MAX_ID_TRIES = 3

export function createChatReader(stripUsage: boolean, answers: number): EventReader {
  const state: ChatState = {
    stripUsage,
    choices: new Set(Array.from({ length: answers }, (_, index) => index)),
    ended: new Set(),
    names: {},
    found: createSpotted(),
    delivered: nothingDelivered(),
    usage: null,
    finish: null,
    upstreamId: null,
    idTries: 0,
    error: null,
  }
  return {
    onEvent: (block) => onEvent(state, block),
    mayEnd: () => state.finish !== null,
    summary: () => summarise(state),
    outputTokens: () => outputSoFar(state.delivered, state.usage),
    namedFinish: () => (state.ended.has(0) ? summarise(state).finish : null),
    endEarly(end) {
      const open = [...state.choices].filter((index) => !state.ended.has(index))
      return endChatEarly({ names: state.names, open, asksUsage: !stripUsage, summary: summarise(state) }, end)
    },
  }
}

function onEvent(state: ChatState, block: SseBlock): Verdict {
  if (isDone(block)) return 'complete'
  const { found } = state
  spot(block.data, block.dataStart, block.dataEnd, found)
  addDelivered(state.delivered, found)
  const isError = found.hasError || block.name === 'error'
  const wantsId = state.upstreamId === null && state.idTries < MAX_ID_TRIES
  if (!isError && !found.hasUsage && !found.hasFinish && !wantsId) return 'pass'
  const body = parseJson(block.data, block.dataStart, block.dataEnd)
  const chunk = asObject(body)
  if (chunk) readChunk(state, chunk)
  if (isError && onError(state, block, body)) return 'error'
  return state.stripUsage && chunk && isUsageOnly(chunk) ? 'strip' : 'pass'
}

function isDone(block: SseBlock): boolean {
  const { data, dataStart } = block
  if (data[dataStart] !== 0x5b || data[dataStart + 1] !== 0x44) return false
  return data.toString('latin1', dataStart, Math.min(block.dataEnd, dataStart + 16)).trim() === '[DONE]'
}

function readChunk(state: ChatState, chunk: WireObject): void {
  state.idTries++
  if (state.upstreamId === null) onNames(state, chunk)
  for (const entry of asArray(chunk.choices)) {
    const choice = asObject(entry)
    // Some vendors write an empty reason into every chunk.
    const finish = asName(choice?.finish_reason)
    const index = asCount(choice?.index) ?? 0
    state.choices.add(index)
    if (finish) state.ended.add(index)
    if (finish && (choice?.index === 0 || !state.finish)) state.finish = finish
    state.usage = readChatUsage(choice?.usage) ?? state.usage
  }
  state.usage = readChatUsage(asObject(chunk.x_groq)?.usage) ?? state.usage
  state.usage = readChatUsage(chunk.usage) ?? state.usage
}

function onNames(state: ChatState, { id, model, created }: WireObject): void {
  state.upstreamId = asName(id)
  if (state.upstreamId === null) return
  state.names = { id, ...(asName(model) !== null && { model }), ...(asCount(created) !== null && { created }) }
}

/** False when the chunk only looked like an error, for instance with `"error": false`. */
function onError(state: ChatState, block: SseBlock, body: unknown): boolean {
  const error = readChatError(body)
  if (!error && block.name !== 'error') return false
  state.error = error ?? readChatError({ error: body ?? 'unreadable error event' })
  return true
}

function isUsageOnly(chunk: WireObject): boolean {
  return Array.isArray(chunk.choices) && chunk.choices.length === 0 && asObject(chunk.usage) !== null
}

function summarise(state: ChatState): ReplySummary {
  const { delivered } = state
  const isRefusal = delivered.refusalBytes > 0
  return {
    usage: state.usage,
    usageIsFinal: state.usage !== null,
    finish: readChatFinish(state.finish, { hasToolCall: delivered.hasToolCall, isRefusal }),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId: state.upstreamId,
    error: state.error,
  }
}

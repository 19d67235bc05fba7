/**
 * Reads the chunks of a streamed Google reply as they pass by.
 *
 * Source: Google "models.streamGenerateContent" and captured streams. There is no terminal event: the last chunk has a
 * finish reason, and with code execution others before it have one too; so each from the first such chunk on may be the
 * last. An error can come in the middle of the stream as pretty-printed JSON without a `data:` before it.
 */
import {
  type EventReader,
  estimateTokens,
  hasOutput,
  nothingDelivered,
  outputSoFar,
  type Verdict,
} from '../event-reader.ts'
import type { ReplyError, ReplySummary } from '../reply-summary.ts'
import type { SseBlock } from '../sse.ts'
import { asArray, asName, asObject, parseJson, type WireObject } from '../wire-value.ts'
import { addCandidates } from './delivered.ts'
import { endGoogleEarly } from './early-end.ts'
import { readGoogleError } from './error.ts'
import { blockWord, finishWord, readGoogleFinish } from './finish.ts'
import { mergeGoogleUsage, readGoogleUsage } from './usage.ts'

interface GoogleState {
  readonly delivered: ReturnType<typeof nothingDelivered>
  usage: WireObject | null
  finish: string | null
  /** The prompt was refused, and nothing will be said. */
  isBlocked: boolean
  upstreamId: string | null
  modelVersion: string | null
  error: ReplyError | null
  /** The body broke off inside a chunk. */
  isBroken: boolean
}

/** A reader that can also tell an error from a line that is no event. */
export interface GoogleReader extends EventReader {
  /** Takes a block of kind `other`. */
  onOther(block: SseBlock): Verdict
}

export function createGoogleReader(_stripUsage = false, answers = 1): GoogleReader {
  const state: GoogleState = {
    delivered: nothingDelivered(),
    usage: null,
    finish: null,
    isBlocked: false,
    upstreamId: null,
    modelVersion: null,
    error: null,
    isBroken: false,
  }
  return {
    onEvent: (block) => onEvent(state, block),
    onOther: (block) => onOther(state, block),
    mayEnd: () => state.finish !== null && state.error === null && !state.isBroken,
    summary: () => summarise(state),
    outputTokens: () => outputSoFar(state.delivered, readGoogleUsage(state.usage)),
    // Where code is run between, a candidate that has ended goes on.
    namedFinish: () => (state.isBlocked ? 'content_filter' : null),
    endEarly: (end) => {
      const { isBlocked, modelVersion } = state
      return endGoogleEarly({ isBlocked, answers, modelVersion, summary: summarise(state) }, end)
    },
  }
}

function onEvent(state: GoogleState, block: SseBlock): Verdict {
  const body = parseJson(block.data, block.dataStart, block.dataEnd)
  const error = readGoogleError(body)
  if (error) {
    state.error = error
    return 'error'
  }
  const chunk = asObject(body)
  if (chunk) readChunk(state, chunk)
  else if (!block.isTerminated) state.isBroken = true
  return state.finish === null ? 'pass' : 'defer'
}

const OPEN_BRACE = 0x7b

/** Comments, blank lines and the commas of an array are nothing; an object can only be an error. */
function onOther(state: GoogleState, block: SseBlock): Verdict {
  const { bytes, start, end } = block
  let at = start
  while (at < end && (bytes[at] as number) <= 0x20) at++
  if (at === end || bytes[at] !== OPEN_BRACE) return 'pass'
  const error = readGoogleError(parseJson(bytes, at, end))
  if (!error) return 'pass'
  state.error = error
  return 'error'
}

function readChunk(state: GoogleState, chunk: WireObject): void {
  state.upstreamId ??= asName(chunk.responseId)
  state.modelVersion ??= asName(chunk.modelVersion)
  state.usage = mergeGoogleUsage(state.usage, chunk.usageMetadata)
  addCandidates(state.delivered, chunk.candidates)
  const blocked = blockWord(chunk.promptFeedback)
  if (blocked !== null) state.isBlocked = true
  state.finish = finishOf(chunk.candidates) ?? blocked ?? state.finish
}

/** Why the first candidate ended; what the others did is nobody's end. */
export function finishOf(candidates: unknown): string | null {
  for (const entry of asArray(candidates)) {
    const candidate = asObject(entry)
    if ((candidate?.index ?? 0) === 0) return finishWord(candidate?.finishReason)
  }
  return null
}

function summarise(state: GoogleState): ReplySummary {
  const { delivered } = state
  const usage = readGoogleUsage(state.usage)
  return {
    usage,
    // Until a chunk says why it ended, the counters are those of the way.
    usageIsFinal: usage !== null && state.finish !== null,
    finish: state.isBlocked ? 'content_filter' : readGoogleFinish(state.finish, delivered.hasToolCall),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId: state.upstreamId,
    error: state.error,
  }
}

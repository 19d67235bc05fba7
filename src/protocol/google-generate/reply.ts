/** Reads a Google reply that came whole. Source: Google "GenerateContentResponse", "CountTokensResponse". */
import { estimateTokens, hasOutput, nothingDelivered } from '../event-reader.ts'
import type { WholeReply } from '../reply-summary.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'
import { addCandidates } from './delivered.ts'
import { readGoogleError } from './error.ts'
import { blockWord, readGoogleFinish } from './finish.ts'
import { finishOf } from './stream.ts'
import { mergeGoogleUsage, readGoogleUsage } from './usage.ts'

/** The body is one object, or the list of chunks that a stream without `alt=sse` is. */
export function readGoogleReply(body: unknown): WholeReply {
  const delivered = nothingDelivered()
  let counters: WireObject | null = null
  let finish: string | null = null
  let upstreamId: string | null = null
  let isBlocked = false
  let ok = false
  for (const entry of Array.isArray(body) ? body : [body]) {
    const chunk = asObject(entry)
    if (!chunk) continue
    const blocked = blockWord(chunk.promptFeedback)
    isBlocked ||= blocked !== null
    // `countTokens` answers with nothing but a count.
    ok ||= Array.isArray(chunk.candidates) || blocked !== null || typeof chunk.totalTokens === 'number'
    addCandidates(delivered, chunk.candidates)
    counters = mergeGoogleUsage(counters, chunk.usageMetadata)
    finish = finishOf(chunk.candidates) ?? blocked ?? finish
    upstreamId ??= asName(chunk.responseId)
  }
  const usage = readGoogleUsage(counters)
  const error = errorIn(body)
  return {
    ok: ok && error === null,
    usage,
    usageIsFinal: usage !== null,
    finish: isBlocked ? 'content_filter' : readGoogleFinish(finish, delivered.hasToolCall),
    hasOutput: hasOutput(delivered),
    deliveredTokens: estimateTokens(delivered),
    upstreamId,
    error,
  }
}

/** In a list the error is the last element: nothing comes after it. */
function errorIn(body: unknown): WholeReply['error'] {
  return readGoogleError(Array.isArray(body) ? body.at(-1) : body)
}

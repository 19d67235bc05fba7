/** Ends a relayed Google stream early: one more chunk, in which every candidate ends with `MAX_TOKENS`. */
import { dataFrame, type Frame, noticeOf, type PoliteEnd, usageSoFar } from '../polite-end.ts'
import type { ReplySummary } from '../reply-summary.ts'
import { writeGoogleUsage } from './usage.ts'

export interface GoogleSoFar {
  /** The prompt was refused: there is no candidate that could be ended. */
  readonly isBlocked: boolean
  readonly answers: number
  /** As the upstream names it; null when it has not. */
  readonly modelVersion: string | null
  readonly summary: ReplySummary
}

/** Candidates end more than once where code is run between, so one that has ended may go on: it is ended again. */
export function endGoogleEarly({ isBlocked, answers, modelVersion, summary }: GoogleSoFar, end: PoliteEnd): Frame[] {
  if (isBlocked) return []
  const content = { parts: [{ text: '' }], role: 'model' }
  const chunk = {
    candidates: Array.from({ length: answers }, (_, index) => ({ content, finishReason: 'MAX_TOKENS', index })),
    usageMetadata: writeGoogleUsage(usageSoFar(summary, end), null),
    modelVersion: modelVersion ?? end.model,
    responseId: summary.upstreamId ?? end.requestId,
    ...noticeOf(end),
  }
  return [dataFrame(chunk)]
}

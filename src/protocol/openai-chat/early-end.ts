/** Ends a relayed Chat Completions stream early: every choice that is open ends with `length`. */
import { dataFrame, type Frame, noticeOf, type PoliteEnd, usageSoFar } from '../polite-end.ts'
import type { ReplySummary } from '../reply-summary.ts'
import type { WireObject } from '../wire-value.ts'
import { encodeChatUsage } from './encode-usage.ts'

export interface ChatSoFar {
  /** `id`, `model` and `created` as the upstream has them; what it has not named yet is absent. */
  readonly names: WireObject
  /** Choices that have not been ended. */
  readonly open: readonly number[]
  /** The client wants the chunk with usage. */
  readonly asksUsage: boolean
  readonly summary: ReplySummary
}

export function endChatEarly({ names, open, asksUsage, summary }: ChatSoFar, end: PoliteEnd): Frame[] {
  const head = {
    id: `chatcmpl-${end.requestId}`,
    object: 'chat.completion.chunk',
    created: Math.floor(end.nowMs / 1000),
    model: end.model,
    ...names,
  }
  // A choice of which nothing came yet has no role, without which libraries take no message; others may have it again.
  const delta = { role: 'assistant', content: '' }
  const frames = open.map((index) =>
    dataFrame({ ...head, choices: [{ index, delta, finish_reason: 'length' }], ...noticeOf(end) }),
  )
  if (asksUsage && (open.length > 0 || summary.usage === null)) {
    const usage = encodeChatUsage(usageSoFar(summary, end), null)
    frames.push(dataFrame({ ...head, choices: [], usage }))
  }
  frames.push({ name: null, data: '[DONE]' })
  return frames
}

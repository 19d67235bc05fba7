/** Ends a relayed Messages stream early: open blocks are closed, and the message ends with `max_tokens`. */
import { dataFrame, type Frame, noticeOf, type PoliteEnd, usageSoFar } from '../polite-end.ts'
import type { ReplySummary } from '../reply-summary.ts'
import { encodeMessagesUsage } from './encode-usage.ts'

export interface MessageSoFar {
  /** `message_start` was sent. */
  readonly hasStarted: boolean
  /** Indexes of the blocks that were not stopped. */
  readonly open: Iterable<number>
  readonly summary: ReplySummary
}

export function endMessageEarly({ hasStarted, open, summary }: MessageSoFar, end: PoliteEnd): Frame[] {
  const frames: Frame[] = []
  const add = (type: string, members: object): number => frames.push(dataFrame({ type, ...members }, type))
  const usage = usageSoFar(summary, end)
  if (!hasStarted) {
    const message = { id: `msg_${end.requestId}`, type: 'message', role: 'assistant', model: end.model, content: [] }
    const ends = { stop_reason: null, stop_sequence: null }
    add('message_start', { message: { ...message, ...ends, usage: encodeMessagesUsage(usage, null) } })
  }
  for (const index of open) add('content_block_stop', { index })
  if (summary.finish === null) {
    const delta = { stop_reason: 'max_tokens', stop_sequence: null }
    add('message_delta', { delta, usage: encodeMessagesUsage(usage, null), ...noticeOf(end) })
  }
  add('message_stop', {})
  return frames
}

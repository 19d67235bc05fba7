/**
 * Writes the events of a reply as a Responses stream.
 *
 * Source: OpenAI "Responses streaming events": `response.created` and `response.in_progress` open it, exactly one
 * terminal event with the whole response ends it, every event has a number, and its name stands in its `event:` line.
 */
import type { ReplyContext, ReplyEnd, StreamEncoder } from '../codec.ts'
import { noticeOf } from '../polite-end.ts'
import type { WireObject } from '../wire-value.ts'
import { encodeEvent, responseId } from './encode-failure.ts'
import { writeResponsesFinish } from './finish.ts'
import { createItemWriter } from './item-writer.ts'
import { echoOf, type ResponseState, responseHead, wantsEncryptedReasoning } from './response-object.ts'
import { writeResponsesUsage } from './usage.ts'

export function createResponsesStreamEncoder(context: ReplyContext): StreamEncoder {
  const id = responseId(context.requestId)
  let sequence = 0
  let frames = ''
  const writer = createItemWriter(context, wantsEncryptedReasoning(context.request), (type, members) => {
    frames += encodeEvent(type, sequence++, members)
  })
  // The settings (all tools, the instructions) are the same in every response object and can be large.
  let echo: string | null = null

  function addResponse(type: string, state: Partial<ResponseState>, more: WireObject = {}): void {
    echo ??= JSON.stringify(echoOf(context.request)).slice(1)
    const head = JSON.stringify({ ...responseHead({ ...emptyState(context, id), ...state }), ...more }).slice(0, -1)
    frames += `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence++},"response":${head},${echo}}\n\n`
  }

  function start(): void {
    if (sequence > 0) return
    addResponse('response.created', {})
    addResponse('response.in_progress', {})
  }

  function drain(): string {
    const drained = frames
    frames = ''
    return drained
  }

  return {
    encode(event) {
      start()
      writer.add(event)
      return drain()
    },
    finish(end) {
      start()
      const { output } = writer
      const ended = endOf(end, () => writer.hasRefusal, writer.end)
      addResponse(`response.${ended.status}`, { ...ended, output }, end.detail && noticeOf(end.detail))
      return drain()
    },
    position: () => ({ sequence, replyId: sequence === 0 ? null : id }),
  }
}

export function emptyState(context: ReplyContext, id: string): ResponseState {
  const { createdAtMs, model } = context
  return { id, createdAtMs, model, status: 'in_progress', incompleteReason: null, error: null, output: [], usage: null }
}

type EndState = Pick<ResponseState, 'incompleteReason' | 'usage'> & { readonly status: 'completed' | 'incomplete' }

/** Closes what is open, and says how the response ends. */
export function endOf(
  { finish, usage, cost }: ReplyEnd,
  hasRefusal: () => boolean,
  close: (status: 'completed' | 'incomplete') => void,
): EndState {
  close(finish.finish === 'length' ? 'incomplete' : 'completed')
  const { status, reason } = writeResponsesFinish(finish.finish, hasRefusal())
  return { status, incompleteReason: reason, usage: usage && writeResponsesUsage(usage, cost) }
}

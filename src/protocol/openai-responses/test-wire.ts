/** For tests: contexts to encode with, and streams as lists of events. */
import type { ReplyContext, ReplyEnd, StreamEncoder, UpstreamTarget } from '../codec.ts'
import type { IrEvent } from '../ir/event.ts'
import type { IrReply } from '../ir/reply.ts'
import { createReplyCollector, replyToEvents } from '../ir/reply.ts'
import type { IrRequest } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { responsesCodec } from './codec.ts'

export interface WireEvent {
  readonly name: string
  readonly data: WireObject
}

export function requestOf(body: object): IrRequest {
  return responsesCodec.decodeRequest({ model: 'm', input: 'Hi', ...body }, { model: 'm', stream: true })
}

export function targetOf(more: Partial<UpstreamTarget> = {}): UpstreamTarget {
  return { model: 'up', account: 'acc1', quirks: {}, maxOutput: 1000, originateCacheMarks: false, ...more }
}

/** Counts its ids; what it signs is another protocol's unless told. */
export function contextOf(body: object = {}, more: Partial<ReplyContext> = {}): ReplyContext {
  let ids = 0
  return {
    request: requestOf(body),
    model: 'm',
    requestId: 'req_1',
    createdAtMs: 1_700_000_000_500,
    newId: (prefix) => `${prefix}_${++ids}`,
    mint: { protocol: 'openai-chat', account: 'acc1' },
    includeUsage: true,
    ...more,
  }
}

export const STOPPED: ReplyEnd = {
  finish: { finish: 'stop', raw: 'stop', stopSequence: null },
  usage: { input: 5, cachedRead: 3, cacheWrite5m: 1, cacheWrite1h: 1, output: 7, reasoning: 2 },
  cost: null,
}

/** The frames of a stream, read apart from the gateway's own scanner. */
export function framesOf(text: string): WireEvent[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(frame) ?? []
      return { name: name ?? '', data: JSON.parse(data ?? 'null') }
    })
}

export function write(encoder: StreamEncoder, events: readonly IrEvent[], end: ReplyEnd = STOPPED): string {
  return events.map((event) => encoder.encode(event)).join('') + encoder.finish(end)
}

export function writeReply(reply: IrReply, context: ReplyContext): string {
  const encoder = responsesCodec.createStreamEncoder(context)
  const events = replyToEvents(reply).filter(({ type }) => type !== 'usage' && type !== 'finish')
  return write(encoder, events, { finish: reply.finish ?? STOPPED.finish, usage: reply.usage, cost: null })
}

/** What the events of a stream amount to. */
export function read(events: readonly WireEvent[]): IrReply {
  const collector = createReplyCollector()
  for (const event of decode(events)) collector.add(event)
  return collector.reply()
}

export function decode(events: readonly { readonly name: string | null; readonly data: unknown }[]): IrEvent[] {
  const decoder = responsesCodec.createStreamDecoder()
  return [...events.flatMap(({ name, data }) => decoder.decode(name, data)), ...decoder.end()]
}

/** What the tests of the chat codec share. */
import assert from 'node:assert/strict'
import type { Quirks } from '../../base/quirks.ts'
import type { EncodedRequest, ReplyContext, ReplyEnd } from '../codec.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrEvent } from '../ir/event.ts'
import { createReplyCollector, type IrReply, replyToEvents } from '../ir/reply.ts'
import type { IrMessage, IrRequest } from '../ir/request.ts'
import type { WireObject } from '../wire-value.ts'
import { chatCodec } from './codec.ts'

export const ACCOUNT = 'acc1'

export function decode(body: WireObject): IrRequest {
  return chatCodec.decodeRequest(body, { model: 'm', stream: body.stream === true })
}

export function encode(request: IrRequest, quirks: Quirks = {}): EncodedRequest {
  const target = { model: 'm', account: ACCOUNT, quirks, maxOutput: 1000, originateCacheMarks: false }
  return chatCodec.encodeRequest(request, target)
}

/** A request of another protocol's client. */
export function foreign(members: Partial<IrRequest>): IrRequest {
  return {
    source: 'anthropic-messages',
    model: 'm',
    stream: false,
    system: [],
    messages: [{ role: 'user', blocks: [{ type: 'text', text: 'Hi' }] }],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    maxOutput: null,
    answers: 1,
    format: null,
    reasoning: null,
    settings: {},
    raw: {},
    ...members,
  }
}

export function assistant(...blocks: IrBlock[]): IrMessage {
  return { role: 'assistant', blocks }
}

export function user(...blocks: IrBlock[]): IrMessage {
  return { role: 'user', blocks }
}

export function replyContext(members: Partial<ReplyContext> = {}): ReplyContext {
  return {
    request: foreign({ source: 'openai-chat' }),
    model: 'glm-5',
    requestId: 'req_1',
    createdAtMs: 1_700_000_000_500,
    newId: (prefix) => `${prefix}1`,
    mint: { protocol: 'anthropic-messages', account: ACCOUNT },
    includeUsage: true,
    ...members,
  }
}

/** The events of chunks; each event must be legal after those before it. */
export function eventsOf(...chunks: readonly unknown[]): IrEvent[] {
  const decoder = chatCodec.createStreamDecoder()
  const events = [...chunks.flatMap((chunk) => decoder.decode(null, chunk)), ...decoder.end()]
  const open = new Set<number>()
  let next = 0
  for (const event of events) {
    if (!('block' in event)) continue
    const isStart = event.type.endsWith('-start')
    if (isStart || event.type === 'block') assert.equal(event.block, next++, 'blocks are numbered as they start')
    else assert.ok(open.has(event.block), `${event.type} of a block that is not open`)
    if (isStart) open.add(event.block)
    if (event.type.endsWith('-end')) open.delete(event.block)
  }
  assert.equal(open.size, 0, 'every block is ended')
  return events
}

export function collect(events: readonly IrEvent[]): IrReply {
  const collector = createReplyCollector()
  for (const event of events) collector.add(event)
  return collector.reply()
}

/** The chunks in a text of SSE frames. */
export function chunksOf(sse: string): Record<string, unknown>[] {
  const frames = sse.split('\n\n').filter((frame) => frame !== '')
  assert.equal(frames.at(-1), 'data: [DONE]')
  return frames.slice(0, -1).map((frame) => JSON.parse(frame.slice('data: '.length)))
}

export function streamOf(reply: IrReply, context: ReplyContext, cost: string | null = null): string {
  const encoder = chatCodec.createStreamEncoder(context)
  const end: ReplyEnd = {
    finish: reply.finish ?? { finish: 'stop', raw: null, stopSequence: null },
    usage: reply.usage,
    cost,
  }
  return replyToEvents(reply).map(encoder.encode).join('') + encoder.finish(end)
}

/** Brings an upstream's answer into the form its client asked for: another protocol, or events instead of one piece. */
import { newId } from '../base/ids.ts'
import { PLAIN_END, type ReplyContext, type StreamEncoder } from '../protocol/codec.ts'
import { codecOf } from '../protocol/codecs.ts'
import { addCostToReply } from '../protocol/cost.ts'
import { frameText } from '../protocol/frame-text.ts'
import { createGoogleArrayEncoder } from '../protocol/google-generate/codec.ts'
import type { IrEvent } from '../protocol/ir/event.ts'
import { type IrReply, replyToEvents } from '../protocol/ir/reply.ts'
import { ownCallIds } from '../protocol/translation/call-ids.ts'
import { legaliseToolNames } from '../protocol/translation/legal-names.ts'
import { parseJson } from '../protocol/wire-value.ts'
import { type Dispatch, decodeCall } from './dispatch.ts'
import type { Exchange } from './exchange.ts'
import { learnFromBody, learnFromEvents } from './signing.ts'

/**
 * The bytes of a whole answer for the client. A relayed one stays as it came, unless a charge must be put in.
 * @throws Error when there is output that cannot be read: nobody shall pay for an answer that is lost on the way.
 */
export function renderReply(
  exchange: Exchange,
  dispatch: Dispatch,
  answer: { readonly body: Buffer; readonly hasOutput: boolean },
  cost: string | null,
): Buffer {
  const { protocol } = exchange.admission.call.request
  const { body } = answer
  const wantsEvents = sendsEvents(exchange)
  if (!dispatch.isTranslated && !wantsEvents) {
    learnFromBody(exchange, dispatch, body)
    return cost === null ? body : addCostToReply(protocol, body, cost)
  }
  const decoded = codecOf(dispatch.protocol).decodeReply(parseJson(body))
  if (answer.hasOutput && decoded.blocks.length === 0) throw new Error('the answer has output that cannot be read')
  const reply = withClientsCalls(exchange, decoded)
  const events = replyToEvents(reply)
  learnFromEvents(exchange, dispatch, events)
  const context = replyContext(exchange, dispatch)
  if (wantsEvents) return Buffer.from(frameText(streamOf(encoderFor(exchange, context), events, { ...reply, cost })))
  return Buffer.from(JSON.stringify(codecOf(protocol).encodeReply({ ...reply, cost }, context)))
}

/**
 * Whether a whole answer goes out as events: its client asked for a stream, and the answer is translated anyway or the
 * head of a stream is out already. A relayed one stays what the upstream made of it.
 */
export function sendsEvents({ client, dispatch }: Exchange): boolean {
  return client !== null && (dispatch.isTranslated || client.begun)
}

/** Calls have ids of which there is only one, and the names that the client gave its tools. */
export function callRenamer({
  admission,
}: Exchange): (call: { id: string; name: string }) => { id: string; name: string } {
  const { call } = admission
  const ownId = ownCallIds(call.request.id)
  const { original } = legaliseToolNames(decodeCall(call))
  return ({ id, name }) => ({ id: ownId(id), name: original(name) })
}

function withClientsCalls(exchange: Exchange, reply: IrReply): IrReply {
  const rename = callRenamer(exchange)
  const blocks = reply.blocks.map((block) => (block.type === 'tool-call' ? { ...block, ...rename(block) } : block))
  // Whoever is given calls must know that they are to be answered, also where the wire gave no reason.
  const finish = blocks.some(({ type }) => type === 'tool-call') ? 'tool_calls' : PLAIN_END.finish
  return { ...reply, blocks, finish: reply.finish ?? { ...PLAIN_END, finish } }
}

function streamOf(
  encoder: StreamEncoder,
  events: readonly IrEvent[],
  { finish, usage, cost }: IrReply & { cost: string | null },
): string {
  const text = events.map((event) => (event.type === 'finish' ? '' : encoder.encode(event))).join('')
  return text + encoder.finish({ finish: finish ?? PLAIN_END, usage, cost })
}

export function encoderFor({ admission }: Exchange, context: ReplyContext): StreamEncoder {
  const { protocol, form } = admission.call.request
  return form === 'array' ? createGoogleArrayEncoder(context) : codecOf(protocol).createStreamEncoder(context)
}

export function replyContext({ gateway, admission }: Exchange, dispatch: Dispatch): ReplyContext {
  const { call } = admission
  return {
    request: decodeCall(call),
    model: call.fields.model,
    requestId: call.request.id,
    createdAtMs: gateway.clock(),
    newId: (prefix) => `${prefix.replace(/_$/, '')}_${newId('req', gateway.clock()).slice('req_'.length)}`,
    mint: { protocol: dispatch.protocol, account: dispatch.route.provider.tag },
    includeUsage: call.fields.asksUsage,
  }
}

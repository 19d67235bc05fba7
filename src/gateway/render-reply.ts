/** Brings an upstream's answer into the form its client asked for: another protocol, or events instead of one piece. */
import { newId } from '../base/ids.ts'
import type { ReplyContext } from '../protocol/codec.ts'
import { codecOf } from '../protocol/codecs.ts'
import { addCostToReply } from '../protocol/cost.ts'
import { createGoogleArrayEncoder } from '../protocol/google-generate/codec.ts'
import { type IrReply, replyToEvents } from '../protocol/ir/reply.ts'
import { ownCallIds } from '../protocol/translation/call-ids.ts'
import { legaliseToolNames } from '../protocol/translation/legal-names.ts'
import { createThoughtCollector } from '../protocol/translation/thoughts.ts'
import { asObject, parseJson } from '../protocol/wire-value.ts'
import { type Dispatch, decodeCall } from './dispatch.ts'
import type { Exchange } from './exchange.ts'
import { learnFromReply, rememberThoughts, signEvent, signer } from './signing.ts'

/** The bytes of a whole answer for the client. A relayed one stays as it came, unless a charge must be put in. */
export function renderReply(exchange: Exchange, dispatch: Dispatch, body: Buffer, cost: string | null): Buffer {
  const { request } = exchange.admission.call
  const wantsEvents = sendsEvents(exchange)
  if (!dispatch.isTranslated && !wantsEvents) {
    learnFromReply(exchange, dispatch, body)
    return cost === null ? body : addCostToReply(request.protocol, body, cost)
  }
  const decoded = codecOf(dispatch.protocol).decodeReply(asObject(parseJson(body)) ?? {})
  const context = replyContext(exchange, dispatch)
  const reply = withClientsCalls(exchange, decoded)
  if (wantsEvents) return Buffer.from(streamOf(exchange, context, reply, cost))
  const thoughts = createThoughtCollector(context.mint)
  const sign = signer(exchange, dispatch)
  for (const event of replyToEvents(reply)) {
    thoughts.add(event)
    signEvent(event, sign)
  }
  rememberThoughts(exchange, thoughts)
  return Buffer.from(JSON.stringify(codecOf(request.protocol).encodeReply({ ...reply, cost }, context)))
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
  return {
    ...reply,
    blocks: reply.blocks.map((block) => (block.type === 'tool-call' ? { ...block, ...rename(block) } : block)),
  }
}

function streamOf(exchange: Exchange, context: ReplyContext, reply: IrReply, cost: string | null): string {
  const encoder = encoderFor(exchange, context)
  const thoughts = createThoughtCollector(context.mint)
  let text = ''
  for (const event of replyToEvents(reply)) {
    thoughts.add(event)
    if (event.type !== 'finish') text += encoder.encode(event)
  }
  rememberThoughts(exchange, thoughts)
  const finish = reply.finish ?? { finish: 'stop', raw: null, stopSequence: null }
  return text + encoder.finish({ finish, usage: reply.usage, cost })
}

export function encoderFor({ admission }: Exchange, context: ReplyContext) {
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

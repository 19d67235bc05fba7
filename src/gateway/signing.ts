/** Remembers which account signed what in a conversation, so that it stays there and is sent nowhere else. */
import { codecOf } from '../protocol/codecs.ts'
import type { IrEvent } from '../protocol/ir/event.ts'
import { replyToEvents } from '../protocol/ir/reply.ts'
import { signatureMarkers, signaturesIn } from '../protocol/signatures.ts'
import { createThoughtCollector, type ThoughtCollector } from '../protocol/translation/thoughts.ts'
import { asObject, parseJson } from '../protocol/wire-value.ts'
import { scopeOf } from './call.ts'
import type { Dispatch } from './dispatch.ts'
import type { Exchange } from './exchange.ts'

export function signer({ gateway, admission }: Exchange, { route }: Dispatch): (token: string) => void {
  const scope = scopeOf(admission.call.request)
  return (token) => gateway.thoughts.sign(scope, token, route.provider.tag, gateway.clock())
}

/** Signs what an event of a reply brings to its end. */
export function signEvent(event: IrEvent, sign: (token: string) => void): void {
  if (event.type === 'thinking-end' && event.signature) sign(event.signature)
  if (event.type === 'block' && event.value.type === 'redacted-thinking') sign(event.value.data)
}

/** Whoever has the key may go on from a relayed answer of Responses, in whatever session. */
export function signReplyId({ gateway, admission }: Exchange, dispatch: Dispatch, replyId: string | null): void {
  if (replyId === null || dispatch.protocol !== 'openai-responses' || dispatch.isTranslated) return
  const scope = scopeOf({ ...admission.call.request, session: null })
  gateway.thoughts.sign(scope, replyId, dispatch.route.provider.tag, gateway.clock())
}

/** Keeps what was thought before calls, for the turn in which their results come back. */
export function rememberThoughts({ gateway, admission }: Exchange, thoughts: ThoughtCollector): void {
  const scope = scopeOf(admission.call.request)
  const nowMs = gateway.clock()
  for (const { callIds, thoughts: blocks } of thoughts.turns()) {
    gateway.thoughts.remember(scope, callIds, blocks, nowMs)
  }
}

/** Learns from a whole answer that is relayed as it came. */
export function learnFromReply(exchange: Exchange, dispatch: Dispatch, body: Buffer): void {
  const { protocol, quirks, route } = dispatch
  const isNeeded = quirks.reasoningRequired === true || protocol === 'openai-responses'
  if (!isNeeded && !signatureMarkers(protocol).some((marker) => body.includes(marker))) return
  const wire = asObject(parseJson(body))
  if (!wire) return
  const sign = signer(exchange, dispatch)
  for (const token of signaturesIn(protocol, wire)) sign(token)
  signReplyId(exchange, dispatch, typeof wire.id === 'string' ? wire.id : null)
  if (quirks.reasoningRequired !== true) return
  const thoughts = createThoughtCollector({ protocol, account: route.provider.tag })
  for (const event of replyToEvents(codecOf(protocol).decodeReply(wire))) thoughts.add(event)
  rememberThoughts(exchange, thoughts)
}

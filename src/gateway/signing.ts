/** Remembers which account signed what in a conversation, so that it stays there and is sent nowhere else. */
import { AppError } from '../base/errors.ts'
import { codecOf } from '../protocol/codecs.ts'
import type { IrEvent } from '../protocol/ir/event.ts'
import { replyToEvents } from '../protocol/ir/reply.ts'
import { signatureMarkers, signaturesIn } from '../protocol/signatures.ts'
import { createThoughtCollector, type ThoughtCollector } from '../protocol/translation/thoughts.ts'
import { asObject, parseJson } from '../protocol/wire-value.ts'
import type { Call } from './call.ts'
import { type Dispatch, decodeCall } from './dispatch.ts'
import type { Exchange } from './exchange.ts'
import { placeOf, scopeOf } from './scope.ts'
import type { ThoughtPlace } from './thought-store.ts'

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

/** Keeps what was thought before calls, for the turn in which their results come back, and who thought it. */
export function rememberThoughts(exchange: Exchange, dispatch: Dispatch, thoughts: ThoughtCollector): void {
  const turns = thoughts.turns()
  if (turns.length === 0) return
  const { gateway, admission } = exchange
  const place = placeOfCall(admission.call)
  const sign = signer(exchange, dispatch)
  for (const { callIds, thoughts: blocks } of turns) {
    if (place) gateway.thoughts.remember(place, callIds, blocks, gateway.clock())
    for (const id of callIds) sign(id)
  }
}

/** Null also for a request that only its own upstream can read. */
function placeOfCall(call: Call): ThoughtPlace | null {
  try {
    return placeOf(call.request, decodeCall(call))
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

/** Learns from a whole answer that is given out in another form. */
export function learnFromEvents(exchange: Exchange, dispatch: Dispatch, events: readonly IrEvent[]): void {
  const { protocol, route } = dispatch
  const thoughts = createThoughtCollector({ protocol, account: route.provider.tag })
  const sign = signer(exchange, dispatch)
  for (const event of events) {
    thoughts.add(event)
    signEvent(event, sign)
    if (event.type === 'reply-start') signReplyId(exchange, dispatch, event.id)
  }
  rememberThoughts(exchange, dispatch, thoughts)
}

/** Learns from a whole answer that is relayed as it came. */
export function learnFromBody(exchange: Exchange, dispatch: Dispatch, body: Buffer): void {
  const { protocol, quirks } = dispatch
  const isNeeded = quirks.reasoningRequired === true || protocol === 'openai-responses'
  if (!isNeeded && !signatureMarkers(protocol).some((marker) => body.includes(marker))) return
  const wire = asObject(parseJson(body))
  if (!wire) return
  const sign = signer(exchange, dispatch)
  for (const token of signaturesIn(protocol, wire)) sign(token)
  if (quirks.reasoningRequired === true) {
    learnFromEvents(exchange, dispatch, replyToEvents(codecOf(protocol).decodeReply(wire)))
  } else signReplyId(exchange, dispatch, typeof wire.id === 'string' ? wire.id : null)
}

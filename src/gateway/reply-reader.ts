/** Opens the reader of a streamed answer: relaying or translating, and learning on the side what must be remembered. */
import type { Protocol } from '../base/words.ts'
import { codecOf } from '../protocol/codecs.ts'
import { signatureMarkers, signaturesIn } from '../protocol/signatures.ts'
import { createStreamReader, type EventObserver, type StreamReader } from '../protocol/stream-reader.ts'
import { createTranslatingReader } from '../protocol/translating-reader.ts'
import { createThoughtCollector, type ThoughtCollector } from '../protocol/translation/thoughts.ts'
import type { Dispatch } from './dispatch.ts'
import type { Exchange } from './exchange.ts'
import { callRenamer, encoderFor, replyContext } from './render-reply.ts'
import { rememberThoughts, signEvent, signer, signReplyId } from './signing.ts'

export interface ReplyReader {
  readonly reader: StreamReader
  /** Keeps what was learned, once the answer is over. */
  remember(): void
}

export function openReader(exchange: Exchange, dispatch: Dispatch): ReplyReader {
  const thoughts = createThoughtCollector({ protocol: dispatch.protocol, account: dispatch.route.provider.tag })
  const reader = dispatch.isTranslated
    ? translating(exchange, dispatch, thoughts)
    : relaying(exchange, dispatch, thoughts)
  return {
    reader,
    remember() {
      rememberThoughts(exchange, dispatch, thoughts)
      signReplyId(exchange, dispatch, reader.reply.upstreamId)
    },
  }
}

function translating(exchange: Exchange, dispatch: Dispatch, thoughts: ThoughtCollector): StreamReader {
  const sign = signer(exchange, dispatch)
  return createTranslatingReader({
    from: dispatch.protocol,
    encoder: encoderFor(exchange, replyContext(exchange, dispatch)),
    renameCall: callRenamer(exchange),
    onEvent(event) {
      thoughts.add(event)
      signEvent(event, sign)
    },
  })
}

function relaying(exchange: Exchange, dispatch: Dispatch, thoughts: ThoughtCollector): StreamReader {
  return createStreamReader(dispatch.protocol, {
    form: dispatch.form,
    stripUsage: dispatch.stripsUsage,
    answers: exchange.admission.call.fields.answers,
    holdUsage: exchange.admission.call.request.includeCost,
    observer: observerFor(exchange, dispatch, thoughts),
  })
}

/** Only what signs is looked at; everything is, for models that must be given their thoughts back. */
function observerFor(exchange: Exchange, dispatch: Dispatch, thoughts: ThoughtCollector): EventObserver {
  const { protocol, quirks } = dispatch
  const sign = signer(exchange, dispatch)
  if (quirks.reasoningRequired === true) return thoughtObserver(protocol, thoughts, sign)
  return {
    markers: signatureMarkers(protocol),
    onEvent(_name, data) {
      for (const token of signaturesIn(protocol, data)) sign(token)
    },
  }
}

function thoughtObserver(protocol: Protocol, thoughts: ThoughtCollector, sign: (token: string) => void): EventObserver {
  const decoder = codecOf(protocol).createStreamDecoder()
  return {
    markers: null,
    onEvent(name, data) {
      for (const event of decoder.decode(name, data)) {
        thoughts.add(event)
        signEvent(event, sign)
      }
    },
  }
}
